/* A table of buckets for finding, and a list in the order of use for forgetting. */
#include "engine/answer_cache.h"

#include <stdlib.h>
#include <xxhash.h>

#include "base/memory.h"

struct cached_answer {
    struct cached_answer *next;    /* in its bucket */
    struct cached_answer **holder; /* what points to it there */
    struct cached_answer *newer, *older;
    uint64_t hash;
    uint64_t good_until_ns;
    size_t key_length;
    size_t answer_length;
    char text[]; /* the key, and the answer behind it */
};

struct answer_cache {
    struct cached_answer **buckets;
    size_t bucket_mask;
    struct cached_answer *newest, *oldest;
    size_t count;
    size_t capacity;
    size_t bytes;
    uint64_t keep_ns;
};

struct answer_cache *answer_cache_create(size_t capacity, uint64_t keep_ns)
{
    struct answer_cache *cache = memory_allocate_zeroed(1, sizeof *cache);
    cache->capacity = capacity;
    cache->keep_ns = keep_ns;
    while (cache->bucket_mask + 1 < capacity)
        cache->bucket_mask = cache->bucket_mask * 2 + 1;
    cache->buckets = memory_allocate_zeroed(cache->bucket_mask + 1, sizeof(struct cached_answer *));
    return cache;
}

static size_t size_of(const struct cached_answer *answer)
{
    return sizeof *answer + answer->key_length + answer->answer_length;
}

static void unlink_use(struct answer_cache *cache, struct cached_answer *answer)
{
    *(answer->newer ? &answer->newer->older : &cache->newest) = answer->older;
    *(answer->older ? &answer->older->newer : &cache->oldest) = answer->newer;
}

static void link_newest(struct answer_cache *cache, struct cached_answer *answer)
{
    answer->newer = NULL;
    answer->older = cache->newest;
    *(answer->older ? &answer->older->newer : &cache->oldest) = answer;
    cache->newest = answer;
}

static struct cached_answer *find(const struct answer_cache *cache, struct slice key, uint64_t hash)
{
    struct cached_answer *answer = cache->buckets[hash & cache->bucket_mask];
    while (answer && !(answer->hash == hash && slice_equal(slice_of(answer->text, answer->key_length), key)))
        answer = answer->next;
    return answer;
}

static void link_bucket(struct answer_cache *cache, struct cached_answer *answer)
{
    answer->holder = &cache->buckets[answer->hash & cache->bucket_mask];
    answer->next = *answer->holder;
    if (answer->next)
        answer->next->holder = &answer->next;
    *answer->holder = answer;
}

static void unlink_bucket(struct cached_answer *answer)
{
    *answer->holder = answer->next;
    if (answer->next)
        answer->next->holder = answer->holder;
}

static void drop(struct answer_cache *cache, struct cached_answer *answer)
{
    unlink_bucket(answer);
    unlink_use(cache, answer);
    cache->bytes -= size_of(answer);
    cache->count--;
    free(answer);
}

struct slice answer_cache_find(struct answer_cache *cache, struct slice key, uint64_t now_ns)
{
    struct cached_answer *answer = find(cache, key, XXH3_64bits(key.data, key.length));
    if (!answer)
        return SLICE_ABSENT;
    if (now_ns >= answer->good_until_ns) {
        drop(cache, answer);
        return SLICE_ABSENT;
    }
    unlink_use(cache, answer);
    link_newest(cache, answer);
    return slice_of(answer->text + answer->key_length, answer->answer_length);
}

void answer_cache_store(struct answer_cache *cache, struct slice key, struct slice answer, uint64_t now_ns)
{
    uint64_t hash = XXH3_64bits(key.data, key.length);
    struct cached_answer *old = find(cache, key, hash);
    if (old)
        drop(cache, old);
    if (cache->capacity == 0 || key.length + answer.length > ANSWER_CACHE_BYTES / 16)
        return;
    struct cached_answer *stored = memory_allocate(sizeof *stored + key.length + answer.length);
    stored->hash = hash;
    stored->good_until_ns = now_ns + cache->keep_ns;
    stored->key_length = key.length;
    stored->answer_length = answer.length;
    memcpy(stored->text, key.data, key.length);
    memcpy(stored->text + key.length, answer.data, answer.length);
    link_bucket(cache, stored);
    link_newest(cache, stored);
    cache->bytes += size_of(stored);
    cache->count++;
    while (cache->count > cache->capacity || cache->bytes > ANSWER_CACHE_BYTES)
        drop(cache, cache->oldest);
}

void answer_cache_clear(struct answer_cache *cache)
{
    while (cache->count)
        drop(cache, cache->oldest);
}

size_t answer_cache_count(const struct answer_cache *cache)
{
    return cache->count;
}

void answer_cache_destroy(struct answer_cache *cache)
{
    if (!cache)
        return;
    answer_cache_clear(cache);
    free(cache->buckets);
    free(cache);
}
