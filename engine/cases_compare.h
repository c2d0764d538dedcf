/* Whether what came of a question is what a case expects. */
#ifndef WEIR_ENGINE_CASES_COMPARE_H
#define WEIR_ENGINE_CASES_COMPARE_H

#include "engine/cases_ask.h"

/* True if it is; else false with "expected …, got …" appended to `difference`. */
bool case_compare(const struct case_expectation *expectation, const struct case_answer *answer,
                  struct buffer *difference);

#endif
