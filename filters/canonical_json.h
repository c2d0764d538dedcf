/* Canonical JSON (Matrix specification, appendices): the one text of a value, which signatures and hashes are made of,
 * and which a service gets that wants to check them. */
#ifndef WEIR_FILTERS_CANONICAL_JSON_H
#define WEIR_FILTERS_CANONICAL_JSON_H

#include <jansson.h>

#include "base/buffer.h"

#define CANONICAL_JSON_DEPTH_MAXIMUM 1024

/* Appends it: members sorted by their keys' code points, no white space, UTF-8, only the escapes that JSON demands.
 * Numbers with a fraction, which events should not have and those of old rooms may, are written as Python writes them.
 * False, with `output` as it was, above `maximum` bytes or CANONICAL_JSON_DEPTH_MAXIMUM. */
bool canonical_json_append(const json_t *value, size_t maximum, struct buffer *output);

#endif
