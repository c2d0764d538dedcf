/* Any number of patterns for the benches, by a fixed formula: of the kinds that lists of spam hold, a few per cent of
 * the recorded texts hit. */
#ifndef WEIR_BENCH_PATTERNS_H
#define WEIR_BENCH_PATTERNS_H

#include "base/buffer.h"
#include "filters/pattern_set.h"

/* The formula has that many different patterns of each syntax. */
#define PATTERNS_MAXIMUM 100000u

/* Appends pattern number `index` of that syntax, without a line break; no two are equal. */
void patterns_append(struct buffer *output, enum pattern_syntax syntax, unsigned index);

/* Appends the first `count` of them, one a line, as `patterns_file` has them. */
void patterns_append_lines(struct buffer *output, enum pattern_syntax syntax, unsigned count);

#endif
