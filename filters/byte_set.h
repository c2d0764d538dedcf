/* Which bytes a place of a text may have, and a guess of how often an English text has one of them there. */
#ifndef WEIR_FILTERS_BYTE_SET_H
#define WEIR_FILTERS_BYTE_SET_H

#include <stdbool.h>
#include <stdint.h>

struct byte_set {
    uint64_t bits[4];
};

/* All of them: a place of which nothing is known. */
extern const struct byte_set byte_set_every;

static inline bool byte_set_has(const struct byte_set *set, unsigned char byte)
{
    return set->bits[byte / 64] >> byte % 64 & 1;
}

static inline void byte_set_add(struct byte_set *set, unsigned char byte)
{
    set->bits[byte / 64] |= 1ull << byte % 64;
}

/* From `first` to `last`, both included, at most 255. */
void byte_set_add_range(struct byte_set *set, unsigned first, unsigned last);

/* Any byte of a character outside ASCII. */
static inline void byte_set_add_wide(struct byte_set *set)
{
    set->bits[2] = set->bits[3] = ~0ull;
}

static inline bool byte_set_is_wide(const struct byte_set *set)
{
    return set->bits[2] || set->bits[3];
}

/* For each letter of ASCII that it has, the other case. */
void byte_set_add_cases(struct byte_set *set);

/* 0 to 1. */
double byte_set_probability(const struct byte_set *set);

#endif
