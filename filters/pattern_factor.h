/* What a text must hold for a pattern to match it: for each pattern a few factors, up to eight bytes in a row,
 * each one of a set. A text without any factor of a pattern cannot match that pattern, so it need not be searched for
 * it.
 *
 * Factors are necessary, not sufficient, and hold for texts that are valid UTF-8 and in which no letter stands for `k`
 * or `s` that is neither (pattern_factor_blind). Not every pattern has factors: `\w+` has none, and what the reader of
 * expressions does not know for certain counts as having none. */
#ifndef WEIR_FILTERS_PATTERN_FACTOR_H
#define WEIR_FILTERS_PATTERN_FACTOR_H

#include <stdint.h>

#include "filters/byte_set.h"
#include "filters/pattern_set.h"

/* The first bytes of a factor are its rarest; the others are there to be sure. */
#define FACTOR_RAREST 4
#define FACTOR_LENGTH 8
/* Of one pattern. */
#define FACTORS_MAXIMUM 64

/* A position that may be anything holds for the end of the text, too: it has all 256 bytes. */
struct factor {
    struct byte_set sets[FACTOR_LENGTH];
};

struct factor_list {
    struct factor factors[FACTORS_MAXIMUM];
    uint32_t count;
    double probability; /* a guess: that a place of an English text has one of them */
};

/* Fills `list`; false if the pattern has no factors. The pattern is one that a set accepts. */
bool pattern_factors(const struct pattern *pattern, struct factor_list *list);

/* Whether `text` has a letter outside ASCII that is `k` or `s` where case does not count: U+017F, U+212A. */
bool pattern_factor_blind(struct slice text);

#endif
