/* How the answers of several modules combine: one rule for each name in callbacks.def (callbacks.md, section 2). */
#ifndef WEIR_FILTERS_CHAIN_RULES_H
#define WEIR_FILTERS_CHAIN_RULES_H

#include "filters/chain.h"

enum step {
    STEP_NEXT,         /* the next module is asked */
    STEP_STOP,         /* the walk ends; the result is the chain's value */
    STEP_ILLEGAL_NEXT, /* the same two for an answer outside the contract, which is counted */
    STEP_ILLEGAL_STOP,
};

/* What a built-in module's VALUE_REFUSE stands for. */
enum refusal {
    REFUSAL_NOTHING, /* the callback cannot refuse: None */
    REFUSAL_CODE,    /* the code, with its fields */
    REFUSAL_PLAIN,   /* the code alone: with fields it would be lost */
    REFUSAL_TRUE,
    REFUSAL_FALSE,
    REFUSAL_PAIR,  /* (False, None) */
    REFUSAL_DENY,  /* RegistrationBehaviour.DENY */
    REFUSAL_ERROR, /* SynapseError(403, code) */
};

struct chain_rule {
    const char *text; /* for people */
    /* Looks at one module's answer, which is neither VALUE_PASS nor VALUE_REFUSE nor a failure, and turns it into the
     * chain's value where it stops the walk. */
    enum step (*take)(struct walk *walk, struct result *result);
    /* Makes the chain's value of what was gathered, once every module was asked; NULL: it is `initial`. */
    void (*finish)(struct walk *walk, struct result *result);
    struct value initial;
    enum refusal refusal;
    bool gathers;                 /* every answer adds to the chain's value */
    enum outcome_kind stop_means; /* of a walk that was stopped */
};

#define RULE(name) extern const struct chain_rule chain_rule_##name;
#include "filters/chain_rules.def"
#undef RULE

#endif
