/* What ICU knows of a character, for text_fold.c alone. The library is loaded when it is first asked for: an engine
 * without a module that folds does not carry its pages. */
#ifndef WEIR_FILTERS_TEXT_FOLD_ICU_H
#define WEIR_FILTERS_TEXT_FOLD_ICU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* False with a sentence in `*problem` if it cannot be had. Not for two threads at once. */
bool text_fold_icu_open(const char **problem);

/* Code points that a character folds to; those that fold to more stay what they are. */
#define TEXT_FOLD_POINTS 8

/* What `point` (no ASCII) folds to, in `output`; returns how many, 0: it is left out. Not for two threads at once. */
size_t text_fold_icu(uint32_t point, uint32_t output[TEXT_FOLD_POINTS]);

#endif
