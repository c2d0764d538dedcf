/* Several runs of bytes in one, each behind its length: what a module with several tables saves. Lengths have 8 bytes
 * in the machine's order. */
#ifndef WEIR_BASE_PARTS_H
#define WEIR_BASE_PARTS_H

#include "base/buffer.h"

/* Begins a part; what is appended until parts_end, which gets what this returned, belongs to it. */
size_t parts_begin(struct buffer *output);
void parts_end(struct buffer *output, size_t start);

/* Takes the next part off `parts`; absent if there is none, or not the whole of it. */
struct slice parts_take(struct slice *parts);

#endif
