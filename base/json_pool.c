/* yyjson needs about twelve times the text in the worst case, known before it starts, so that a pool can be sized once
 * and never runs out in the middle. */
#include "base/json_pool.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/memory.h"

#define POOL_LEAST (64u << 10)

void json_pool_free(struct json_pool *pool)
{
    free(pool->memory);
    *pool = (struct json_pool){0};
}

yyjson_alc json_pool_allocator(struct json_pool *pool, size_t length, yyjson_read_flag flags)
{
    size_t needed = yyjson_read_max_memory_usage(length, flags) + 64;
    if (needed > pool->size) {
        free(pool->memory);
        pool->size = needed < POOL_LEAST ? POOL_LEAST : needed;
        pool->memory = memory_allocate(pool->size);
    }
    yyjson_alc allocator;
    yyjson_alc_pool_init(&allocator, pool->memory, pool->size);
    return allocator;
}

yyjson_doc *json_pool_read(struct json_pool *pool, struct slice text, yyjson_read_flag flags)
{
    yyjson_alc allocator = json_pool_allocator(pool, text.length, flags);
    return yyjson_read_opts((char *)(uintptr_t)text.data, text.length, flags, &allocator, NULL);
}
