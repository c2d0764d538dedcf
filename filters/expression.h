/* Expressions over names, as `links & (newcomer | !trusted)`: compiled once to a small program, and then evaluated with
 * as few of the names looked at as it takes.
 *
 * `!` binds strongest, then `&`, then `|`; blanks do not matter. A name has letters of ASCII, digits and underscores
 * and begins with no digit. What a name stands for may be unknown; the expression is then true or false only where that
 * makes no difference (Kleene's logic): `!x` and `x` are both unknown if `x` is. */
#ifndef WEIR_FILTERS_EXPRESSION_H
#define WEIR_FILTERS_EXPRESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

enum truth { TRUTH_FALSE, TRUTH_UNKNOWN, TRUTH_TRUE };

#define EXPRESSION_NAMES_MAXIMUM 64u
#define EXPRESSION_NAME_MAXIMUM 32u   /* bytes */
#define EXPRESSION_TEXT_MAXIMUM 4096u /* bytes */
#define EXPRESSION_DEPTH_MAXIMUM 32u  /* parentheses and `!` inside each other */

struct expression {
    struct expression_step *steps;
    uint32_t count;
    uint64_t names; /* bit i: the i-th name stands in it */
};

/* What is wrong with a text. */
struct expression_problem {
    size_t position; /* in characters, from 1 */
    char text[160];  /* a sentence */
};

/* Whether `name` is one. */
bool expression_name_valid(struct slice name);

/* Compiles `text` over `names`, `count` of them (at most EXPRESSION_NAMES_MAXIMUM). False with the reason in
 * `*problem`. Free with expression_free in both cases. */
bool expression_compile(struct expression *expression, struct slice text, const char *const *names, unsigned count,
                        struct expression_problem *problem);
void expression_free(struct expression *expression);

/* What the i-th name stands for; asked only where it makes a difference, more than once if it stands there more often.
 */
typedef enum truth expression_ask_function(void *context, unsigned name);

enum truth expression_evaluate(const struct expression *expression, expression_ask_function *ask, void *context);

/* Whether it may come to be true where only the names of `known` (bit i: the i-th) are ever true or false; it may say
 * so though it never does. */
bool expression_may_be_true(const struct expression *expression, uint64_t known);

#endif
