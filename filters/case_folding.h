/* Unicode's simple case folding of UTF-8, so that caseless literals and globs become comparisons of bytes. */
#ifndef WEIR_FILTERS_CASE_FOLDING_H
#define WEIR_FILTERS_CASE_FOLDING_H

#include <stdint.h>

#include "base/slice.h"

/* The lowest code point that compares caselessly with `point`. ASCII is left as it is. */
uint32_t case_fold_point(uint32_t point);

/* Whether `text` is ASCII throughout: then folding would not change it. */
bool case_fold_is_ascii(struct slice text);

/* Writes `text` (valid UTF-8) folded to `output`, which has room for text.length bytes: no code point grows. Returns
 * the bytes written. ASCII letters keep their case, and two texts that differ in case may still differ in that
 * afterwards: compare them with ASCII letters caseless. */
size_t case_fold_text(struct slice text, char *output);

#endif
