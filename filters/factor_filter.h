/* Whether a text has any of many factors (pattern_factor.h): asked before patterns are searched for, since most texts
 * have none, and far cheaper than the search. */
#ifndef WEIR_FILTERS_FACTOR_FILTER_H
#define WEIR_FILTERS_FACTOR_FILTER_H

#include "filters/pattern_factor.h"

/* More factors than this tell too little to be worth asking. */
#define FACTOR_FILTER_MAXIMUM 512
/* Nor are more patterns read for theirs. */
#define FACTOR_FILTER_PATTERNS_MAXIMUM 512

struct factor_filter;

/* NULL if some pattern has no factors, or if they are too many or too common to tell much. */
struct factor_filter *factor_filter_create(const struct pattern *patterns, uint32_t count);
void factor_filter_destroy(struct factor_filter *filter);

/* False: no pattern matches `text` (valid UTF-8). True: one may. */
bool factor_filter_passes(const struct factor_filter *filter, struct slice text);

#endif
