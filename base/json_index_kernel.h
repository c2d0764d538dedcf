/* Between json_index.c and its kernel, which is a file of its own because it is compiled for its own instructions. */
#ifndef WEIR_BASE_JSON_INDEX_KERNEL_H
#define WEIR_BASE_JSON_INDEX_KERNEL_H

#include "base/json_index.h"

typedef bool json_index_kernel(struct json_index *index, struct slice text);
json_index_kernel json_index_build_avx512;

/* What goes on from block to block about escapes; begins zeroed. */
struct json_index_escapes {
    uint32_t end; /* behind the last one that was read */
    bool any;
    bool faulty;
};

/* Reads the escapes of the block at `base`, whose backslashes are given. Returns which bytes are the second one of an
 * escape, a bit each: a quote there ends no string. */
uint64_t json_index_escaped(struct slice text, uint32_t base, uint64_t backslashes, struct json_index_escapes *escapes);

#endif
