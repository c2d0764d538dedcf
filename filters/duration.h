/* Durations and rates as people write them in a configuration: "500ms", "10m", "7d"; "10/m", "50/h", "5/10s". */
#ifndef WEIR_FILTERS_DURATION_H
#define WEIR_FILTERS_DURATION_H

#include <stdbool.h>

#include "base/buffer.h"

/* So many in each period. */
struct rate {
    int64_t count;
    int64_t period_ms;
};

/* Milliseconds of a whole number with one of the units ms, s, m, h, d, w; false if the text is no duration. */
bool duration_read(const char *text, int64_t *milliseconds);
/* In the largest unit that needs no fraction: "90m". */
void duration_append(struct buffer *output, int64_t milliseconds);

/* A whole number of at least 1, a `/`, and a duration above 0 whose number may be left out where it is 1. */
bool rate_read(const char *text, struct rate *rate);

#endif
