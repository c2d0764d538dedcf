/* Several runs of bytes in one, each behind its length: what a module with several tables saves. Lengths have 8 bytes
 * in the machine's order. */
#ifndef WEIR_BASE_PARTS_H
#define WEIR_BASE_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

/* Begins a part; what is appended until parts_end, which gets what this returned, belongs to it. */
size_t parts_begin(struct buffer *output);
void parts_end(struct buffer *output, size_t start);

/* Takes the next part off `parts`; absent if there is none, or not the whole of it. */
struct slice parts_take(struct slice *parts);

/* What stands before the parts of a module that remembers: the version of its format, and the seed of its hashes. */
void parts_put_head(struct buffer *output, uint64_t version, uint64_t seed);
/* Takes that off `parts`; false if it is not there, or of another version. */
bool parts_take_head(struct slice *parts, uint64_t version, uint64_t *seed);

#endif
