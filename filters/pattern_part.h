/* What is known of a part of a pattern while factors are read off it (pattern_factor.h): all sequences of bytes that it
 * may be, where these can be written out, or the rarest factors that it cannot be without. For pattern_factor.c. */
#ifndef WEIR_FILTERS_PATTERN_PART_H
#define WEIR_FILTERS_PATTERN_PART_H

#include "filters/pattern_factor.h"

/* Sequences at a time, and their length. */
#define SEQUENCES_MAXIMUM FACTORS_MAXIMUM
#define SEQUENCE_MAXIMUM 8

struct sequence {
    struct byte_set sets[SEQUENCE_MAXIMUM];
    uint32_t length;
    bool wide; /* its last part may be a character outside ASCII */
};

/* All that a part may be, if that can be written out. */
struct language {
    struct sequence sequences[SEQUENCES_MAXIMUM];
    uint32_t count;
};

/* What is known of a part of an expression. */
struct part {
    bool exact; /* `language` has all that it matches */
    struct language language;
    struct factor_list best; /* probability 1: none */
};

/* One byte of the set, or a character outside ASCII if it is wide. */
void part_of_set(struct part *part, const struct byte_set *set);
void part_of_nothing_known(struct part *part);
void part_of_empty(struct part *part);

/* The part or nothing. */
void part_make_optional(struct part *part);
/* The part or the other one. */
void part_unite(struct part *part, const struct part *other);
/* The factors of a part that may be exact; false if it has none. */
bool part_factors(struct part *part, struct factor_list *list);

/* A concatenation in the making. */
struct concatenation {
    struct language run; /* what the last parts may be, in a row */
    bool whole;          /* `run` is all of it */
    struct factor_list best;
};

void concatenation_begin(struct concatenation *whole);
/* The part any number of times from `least` on; `more`: perhaps more often. */
void concatenation_append(struct concatenation *whole, const struct part *part, uint32_t least, bool more);
void concatenation_end(struct concatenation *whole, struct part *part);

#endif
