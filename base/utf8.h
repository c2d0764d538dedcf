/* Reading UTF-8 strictly: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef WEIR_BASE_UTF8_H
#define WEIR_BASE_UTF8_H

#include <stdint.h>

#include "base/slice.h"

#define UTF8_REPLACEMENT 0xfffdu

/* The code point at *cursor (which must be below `end`), moving it on; UTF8_REPLACEMENT and one byte on where the
 * bytes are not UTF-8. */
uint32_t utf8_decode(const unsigned char **cursor, const unsigned char *end);

/* Writes `point` (a code point, no surrogate) to `output`, four bytes at most; returns how many. */
size_t utf8_encode(uint32_t point, char *output);

/* Whether all of `text` is UTF-8. ASCII costs a comparison for eight bytes. */
bool utf8_valid(struct slice text);

#endif
