/* A short word in a text: for modules that ask of every event whether something occurs in it at all. */
#ifndef WEIR_BASE_TEXT_FIND_H
#define WEIR_BASE_TEXT_FIND_H

#include "base/slice.h"

/* The first place where `word` (one byte at least) occurs in `text`, byte for byte; NULL if it does not. */
const char *text_find(struct slice text, struct slice word);

#endif
