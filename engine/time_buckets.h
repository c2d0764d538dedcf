/* Counts over time in a bounded number of steps of equal length, for a picture: a second each at first, and longer ones
 * by and by, as the time that they cover grows. */
#ifndef WEIR_ENGINE_TIME_BUCKETS_H
#define WEIR_ENGINE_TIME_BUCKETS_H

#include <stdbool.h>
#include <stdint.h>

#define TIME_BUCKETS 120u

struct time_buckets {
    int64_t start_ms;  /* since 1970: where the first step begins, at a multiple of the width (in UTC) */
    int64_t width_ms;  /* 0: nothing was counted */
    uint32_t used;     /* steps up to the last that was counted in */
    uint32_t series;   /* counts in each step */
    uint64_t *counts;  /* TIME_BUCKETS times `series` */
    uint32_t level;    /* of the widths */
    int64_t latest_ms; /* the first and the latest moment that was counted */
    int64_t first_ms;
};

void time_buckets_init(struct time_buckets *buckets, uint32_t series);
void time_buckets_free(struct time_buckets *buckets);

/* The counts of the step in which `now_ms` lies, `series` of them; they live until the next call. Moments may come in
 * any order. NULL if `now_ms` is not between 1 and the year 9999. */
uint64_t *time_buckets_at(struct time_buckets *buckets, int64_t now_ms);
uint64_t time_buckets_count(const struct time_buckets *buckets, uint32_t step, uint32_t series);

#endif
