/* What several modules say together: an expression over their answers, a sum of weights, or either.
 *
 * A rule is true where its module would have refused, alone in the chain; false where it would not; unknown where the
 * module has no such callback. An expression refuses only where it is true whatever the unknown ones are
 * (filters/expression.h); in a sum the unknown weigh nothing.
 *
 * Modules are asked once at most, and only as long as it makes a difference, but for those that remember: these are
 * asked about everything, for they count or learn from it. */
#ifndef WEIR_FILTERS_COMBINATION_H
#define WEIR_FILTERS_COMBINATION_H

#include "filters/expression.h"
#include "filters/nested_modules.h"

/* Weights and sums are whole numbers of thousandths, so that 0.7 and 0.3 are 1. */
#define WEIGHT_UNIT 1000

struct combination {
    struct slice name; /* what its verdicts are called; absent: by what refused */
    struct slice code; /* of a refusal */
    bool explain;      /* a verdict names all rules that hit, also those that need not have been asked */
    struct nested_modules modules;
    const char *names[NESTED_MODULES_MAXIMUM]; /* of the rules; by place in `modules`, as all that follows */
    struct expression expression;              /* without steps: there is none */
    struct slice expression_text;
    int64_t threshold; /* from which sum on something is refused; 0: there are no weights */
    int64_t weights[NESTED_MODULES_MAXIMUM];
    uint64_t weighed;                      /* those with a weight */
    uint64_t known[CALLBACK_COUNT];        /* those that have the callback */
    uint64_t remember;                     /* those that are always asked */
    uint64_t hits[NESTED_MODULES_MAXIMUM]; /* how often each was true; lanes share them */
};
_Static_assert(NESTED_MODULES_MAXIMUM <= EXPRESSION_NAMES_MAXIMUM, "each module has a name");

/* Learns from the modules which callbacks they have, and which of them remember: once all are there. */
void combination_look_at_modules(struct combination *combination);
/* Whether it can refuse anything that this callback asks about. */
bool combination_may_refuse(const struct combination *combination, enum callback callback);
/* Whether a module that remembers has the callback: it must then be asked, whatever it may refuse. */
bool combination_must_see(const struct combination *combination, enum callback callback);
void combination_free(struct combination *combination);

/* The verdict on one question. A module that fails fails it. Allocates in the question's arena, and only for a refusal
 * (beside what the modules do). */
void combination_judge(struct combination *combination, const struct callback_arguments *arguments,
                       struct result *result);

#endif
