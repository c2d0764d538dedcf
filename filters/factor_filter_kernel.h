/* Between factor_filter.c and its kernel, which is a file of its own because it is compiled for its own instructions.
 */
#ifndef WEIR_FILTERS_FACTOR_FILTER_KERNEL_H
#define WEIR_FILTERS_FACTOR_FILTER_KERNEL_H

#include "filters/factor_filter.h"

/* Factors are thrown into as many buckets as a number of 32 bits can tell apart; a byte of it is a group of eight. */
#define FACTOR_BUCKETS 32
#define FACTOR_GROUPS (FACTOR_BUCKETS / 8)

struct factor_filter {
    /* By group, place in the factor, and byte of the text: the buckets with a factor that has the byte at that place.
     * All bytes above U+007F share one answer. */
    unsigned char groups[FACTOR_GROUPS][FACTOR_RAREST][128] __attribute__((aligned(64)));
    unsigned char wide[FACTOR_GROUPS][FACTOR_RAREST];
    uint32_t buckets[FACTOR_RAREST][256]; /* the same, all groups at once */
    struct factor *factors;               /* bucket by bucket */
    uint32_t begins[FACTOR_BUCKETS + 1];
};

/* Whether a factor of one of `buckets` is really at `place`. */
bool factor_filter_confirms(const struct factor_filter *filter, uint32_t buckets, struct slice text, size_t place);

/* factor_filter_passes, in two ways. */
bool factor_filter_scan_plainly(const struct factor_filter *filter, struct slice text);
bool factor_filter_scan_avx512(const struct factor_filter *filter, struct slice text);

#endif
