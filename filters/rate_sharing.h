/* `shared: redis`: rules of a module whose buckets several engines have in common. The module finds out what a question
 * is to pay (filters/rate_rule.h) and hands that to rate_sharing_ask; its `answer` hands on to rate_sharing_answer.
 *
 * The module's own buckets are kept beside the shared ones. They have seen a part of what those have, so what they
 * refuse is refused without asking, and a flood costs Redis nothing. When nobody can be asked, or no answer comes,
 * `on_error` says what happens: by default they decide, and then each engine lets the rate through for itself.
 *
 * A shared bucket is known by its rule and by who has it, both in plain text, so that an administrator can look at it.
 * A rule is the same in two engines if it has the same number among the rules, and the same settings.
 *
 * Whoever only wants to know (a trial), a replay and `weir explain` ask nobody. */
#ifndef WEIR_FILTERS_RATE_SHARING_H
#define WEIR_FILTERS_RATE_SHARING_H

#include "filters/rate_rule.h"
#include "filters/shared_rates.h"

enum rate_on_error { RATE_ON_ERROR_LOCAL, RATE_ON_ERROR_PASS, RATE_ON_ERROR_DENY };

struct rate_sharing_configuration {
    int shared;
    int on_error;
};

extern const char *const rate_sharing_choices[];
extern const char *const rate_on_error_choices[];

/* The rows of a parameter table for `member_`, a struct rate_sharing_configuration, of the configuration `struct_`. */
/* clang-format off */
#define RATE_SHARING_PARAMETERS(struct_, member_)                                                                      \
    {.name = "shared",                                                                                                 \
     .type = PARAMETER_CHOICE,                                                                                         \
     .offset = offsetof(struct_, member_.shared),                                                                      \
     .fallback = "none",                                                                                               \
     .choices = rate_sharing_choices,                                                                                  \
     .text = "redis: all engines with the same rules keep the rates together in Redis, and a question waits for its "  \
             "answer; none: each engine counts for itself."},                                                          \
    {.name = "on_error",                                                                                               \
     .type = PARAMETER_CHOICE,                                                                                         \
     .offset = offsetof(struct_, member_.on_error),                                                                    \
     .fallback = "local",                                                                                              \
     .choices = rate_on_error_choices,                                                                                 \
     .text = "What decides while Redis does not answer, with `shared: redis`: local, the engine's own buckets; pass; " \
             "or deny."}
/* clang-format on */

#define RATE_SHARING_ID 16u

struct rate_sharing {
    const struct shared_rates *rates; /* NULL: not shared, or nobody can be asked */
    enum rate_on_error on_error;
    char scope[RATE_SHARING_ID + 1]; /* of all rules together */
    char (*rules)[RATE_SHARING_ID + 1];
    uint32_t rule_count;
    struct buffer key; /* being made */
};

/* A rule as it is the same in all engines: `identity` is a text of all that makes it what it is. */
struct rate_sharing_rule {
    const struct rate_rule *rule;
    struct slice identity;
};

/* Reads the configuration, and joins. Sets setup->waits. False, reported, if a rule cannot be shared. Free it in any
 * case. */
bool rate_sharing_open(struct rate_sharing *sharing, const struct module_setup *setup,
                       const struct rate_sharing_configuration *configuration, const struct rate_sharing_rule *rules,
                       uint32_t count);
void rate_sharing_free(struct rate_sharing *sharing);

enum rate_asked {
    RATE_ASKED_NOBODY, /* `*beyond` is what the rules themselves say */
    RATE_ASKED_DENY,   /* by `on_error`: `result` has rule, reason and evidence */
    RATE_ASKED,        /* the value of `result` is VALUE_PENDING */
};

/* `dues` are at most SHARED_BUCKETS_MAXIMUM, each with the number of its rule, from 0, in `numbers`. `*beyond` is the
 * place of the due that is beyond its rate, plus one; 0: none, and all have paid. */
enum rate_asked rate_sharing_ask(struct rate_sharing *sharing, const struct rate_due *dues, const uint32_t *numbers,
                                 uint32_t count, const struct callback_arguments *arguments, uint32_t *beyond,
                                 struct result *result);
/* The same once an answer is there; never RATE_ASKED. */
enum rate_asked rate_sharing_answer(struct rate_sharing *sharing, const struct rate_due *dues, const uint32_t *numbers,
                                    uint32_t count, const struct callback_arguments *arguments,
                                    const struct service_answer *answer, uint32_t *beyond, struct result *result);

#endif
