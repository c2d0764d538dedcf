/* JSON as Python's json module reads and writes it, which is what Synapse's rows are made of (replication.md 2.1,
 * items 6 and 9). */
#ifndef WEIR_REPLICATION_JSON_H
#define WEIR_REPLICATION_JSON_H

#include <yyjson.h>

#include "base/buffer.h"
#include "base/slice.h"

/* Reads one value with nothing but white space around it. Integers above 64 bits and numbers above the largest double
 * come as raw text (YYJSON_TYPE_RAW). Refused, where Python would read on: nesting deeper than
 * COMMAND_JSON_DEPTH_MAXIMUM and lone surrogate escapes. NULL with a sentence in `*problem` if it fails. `allocator`
 * may be NULL. The caller frees the document. */
yyjson_doc *json_read(struct slice text, const yyjson_alc *allocator, const char **problem);

/* Appends `value` as Synapse writes it: no spaces, ASCII only and U+007F escaped too, key order kept, of a repeated key
 * the last value at the place of the first, floats as Python's repr. `value` is from json_read, which bounds the
 * recursion. False with a sentence in `*problem` for a number without finite value (1e400), which Synapse refuses to
 * write; `output` then holds a part of the text. */
bool json_write(yyjson_val *value, struct buffer *output, const char **problem);

#endif
