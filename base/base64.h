/* Base64 as Matrix writes it: without padding, in the standard alphabet or the one for addresses ("-" and "_"). */
#ifndef WEIR_BASE_BASE64_H
#define WEIR_BASE_BASE64_H

#include "base/buffer.h"

enum base64_alphabet { BASE64_STANDARD, BASE64_URL_SAFE };

/* Appends it, without padding. */
void base64_append(struct buffer *output, const void *bytes, size_t length, enum base64_alphabet alphabet);

/* Reads either alphabet, also mixed, with or without padding, into `bytes`, which has room for `room`. False unless all
 * of it is Base64 of exactly `room` bytes. Bits that stand for nothing may be anything, as for Python's decoder. */
bool base64_read(struct slice text, void *bytes, size_t room);

#endif
