/* uthash keeps its items in the order in which they were added; an item that is asked for is taken out and added again,
 * so that the first is always the one to go. */
#include "engine/answer_cache.h"

#include <stdlib.h>
#include <uthash.h>

#include "base/memory.h"

struct cached_answer {
    UT_hash_handle hh;
    uint64_t good_until_ns;
    size_t key_length;
    size_t answer_length;
    char text[]; /* the key, and the answer behind it */
};

struct answer_cache {
    struct cached_answer *first;
    size_t capacity;
    uint64_t keep_ns;
    size_t bytes;
};

struct answer_cache *answer_cache_create(size_t capacity, uint64_t keep_ns)
{
    struct answer_cache *cache = memory_allocate_zeroed(1, sizeof *cache);
    cache->capacity = capacity;
    cache->keep_ns = keep_ns;
    return cache;
}

static size_t size_of(const struct cached_answer *answer)
{
    return sizeof *answer + answer->key_length + answer->answer_length;
}

static void drop(struct answer_cache *cache, struct cached_answer *answer)
{
    cache->bytes -= size_of(answer);
    HASH_DEL(cache->first, answer);
    free(answer);
}

static struct cached_answer *find(struct answer_cache *cache, struct slice key)
{
    struct cached_answer *answer;
    HASH_FIND(hh, cache->first, key.data, key.length, answer);
    return answer;
}

static void add(struct answer_cache *cache, struct cached_answer *answer)
{
    HASH_ADD_KEYPTR(hh, cache->first, answer->text, answer->key_length, answer);
}

struct slice answer_cache_find(struct answer_cache *cache, struct slice key, uint64_t now_ns)
{
    struct cached_answer *answer = find(cache, key);
    if (!answer)
        return SLICE_ABSENT;
    if (now_ns >= answer->good_until_ns) {
        drop(cache, answer);
        return SLICE_ABSENT;
    }
    HASH_DEL(cache->first, answer);
    add(cache, answer);
    return slice_of(answer->text + answer->key_length, answer->answer_length);
}

void answer_cache_store(struct answer_cache *cache, struct slice key, struct slice answer, uint64_t now_ns)
{
    struct cached_answer *old = find(cache, key);
    if (old)
        drop(cache, old);
    if (cache->capacity == 0 || key.length + answer.length > ANSWER_CACHE_BYTES / 16)
        return;
    struct cached_answer *stored = memory_allocate_zeroed(1, sizeof *stored + key.length + answer.length);
    stored->good_until_ns = now_ns + cache->keep_ns;
    stored->key_length = key.length;
    stored->answer_length = answer.length;
    memcpy(stored->text, key.data, key.length);
    memcpy(stored->text + key.length, answer.data, answer.length);
    add(cache, stored);
    cache->bytes += size_of(stored);
    while (HASH_COUNT(cache->first) > cache->capacity || cache->bytes > ANSWER_CACHE_BYTES)
        drop(cache, cache->first);
}

void answer_cache_clear(struct answer_cache *cache)
{
    struct cached_answer *next = cache->first;
    HASH_CLEAR(hh, cache->first);
    cache->bytes = 0;
    while (next) {
        struct cached_answer *answer = next;
        next = answer->hh.next;
        free(answer);
    }
}

size_t answer_cache_count(const struct answer_cache *cache)
{
    return HASH_COUNT(cache->first);
}

void answer_cache_destroy(struct answer_cache *cache)
{
    if (!cache)
        return;
    answer_cache_clear(cache);
    free(cache);
}
