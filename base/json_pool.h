/* Memory for one yyjson document at a time, kept from document to document: reading allocates nothing once the pool has
 * grown to the largest text. A document is gone when the next one is read; it is never freed. */
#ifndef WEIR_BASE_JSON_POOL_H
#define WEIR_BASE_JSON_POOL_H

#include <yyjson.h>

#include "base/slice.h"

struct json_pool {
    void *memory; /* zeroed: empty */
    size_t size;
};

void json_pool_free(struct json_pool *pool);

/* An allocator good for reading one text of `length` bytes with `flags`; what was read from the pool before is gone. */
yyjson_alc json_pool_allocator(struct json_pool *pool, size_t length, yyjson_read_flag flags);

/* Reads `text` as one JSON value; NULL if it is none. The text is not changed. */
yyjson_doc *json_pool_read(struct json_pool *pool, struct slice text, yyjson_read_flag flags);

#endif
