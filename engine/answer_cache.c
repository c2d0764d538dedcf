/* A table of buckets for finding, and a list in the order of use for forgetting, both of places in one array: an answer
 * costs one allocation, for its texts. Place 0 stands for none. */
#include "engine/answer_cache.h"

#include <stdlib.h>
#include <xxhash.h>

#include "base/memory.h"

struct cached_answer {
    uint64_t hash;
    uint64_t good_until_ns;
    char *text; /* the key, and the answer behind it */
    size_t key_length;
    size_t answer_length;
    uint32_t next; /* in its bucket, or of the free places */
    uint32_t newer, older;
};

struct answer_cache {
    struct cached_answer *answers; /* `capacity` of them, behind one that is not used */
    uint32_t *buckets;
    uint64_t bucket_mask;
    uint32_t newest, oldest;
    uint32_t free;
    uint32_t used; /* places that were ever taken */
    size_t count;
    size_t capacity;
    size_t bytes; /* of the texts */
    uint64_t keep_ns;
};

struct answer_cache *answer_cache_create(size_t capacity, uint64_t keep_ns)
{
    struct answer_cache *cache = memory_allocate_zeroed(1, sizeof *cache);
    cache->capacity = capacity < ANSWER_CACHE_CAPACITY ? capacity : ANSWER_CACHE_CAPACITY;
    cache->keep_ns = keep_ns;
    cache->bucket_mask = 15;
    while (cache->bucket_mask < cache->capacity)
        cache->bucket_mask = cache->bucket_mask * 2 + 1;
    cache->answers = memory_allocate_zeroed(cache->capacity + 1, sizeof *cache->answers);
    cache->buckets = memory_allocate_zeroed(cache->bucket_mask + 1, sizeof *cache->buckets);
    return cache;
}

static size_t text_length(const struct cached_answer *answer)
{
    return answer->key_length + answer->answer_length;
}

static void unlink_use(struct answer_cache *cache, const struct cached_answer *answer)
{
    *(answer->newer ? &cache->answers[answer->newer].older : &cache->newest) = answer->older;
    *(answer->older ? &cache->answers[answer->older].newer : &cache->oldest) = answer->newer;
}

static void link_newest(struct answer_cache *cache, uint32_t place)
{
    struct cached_answer *answer = &cache->answers[place];
    answer->newer = 0;
    answer->older = cache->newest;
    *(answer->older ? &cache->answers[answer->older].newer : &cache->oldest) = place;
    cache->newest = place;
}

static uint32_t find(const struct answer_cache *cache, struct slice key, uint64_t hash)
{
    uint32_t place = cache->buckets[hash & cache->bucket_mask];
    for (; place; place = cache->answers[place].next) {
        const struct cached_answer *answer = &cache->answers[place];
        if (answer->hash == hash && slice_equal(slice_of(answer->text, answer->key_length), key))
            break;
    }
    return place;
}

static void drop(struct answer_cache *cache, uint32_t place)
{
    struct cached_answer *answer = &cache->answers[place];
    uint32_t *link = &cache->buckets[answer->hash & cache->bucket_mask];
    while (*link != place)
        link = &cache->answers[*link].next;
    *link = answer->next;
    unlink_use(cache, answer);
    cache->bytes -= text_length(answer);
    cache->count--;
    free(answer->text);
    answer->text = NULL;
    answer->next = cache->free;
    cache->free = place;
}

struct slice answer_cache_find(struct answer_cache *cache, struct slice key, uint64_t now_ns)
{
    uint32_t place = find(cache, key, XXH3_64bits(key.data, key.length));
    const struct cached_answer *answer = &cache->answers[place];
    if (!place)
        return SLICE_ABSENT;
    if (now_ns >= answer->good_until_ns) {
        drop(cache, place);
        return SLICE_ABSENT;
    }
    unlink_use(cache, answer);
    link_newest(cache, place);
    return slice_of(answer->text + answer->key_length, answer->answer_length);
}

/* A place that is free; there is one while fewer than `capacity` are taken. */
static uint32_t take_place(struct answer_cache *cache)
{
    uint32_t place = cache->free;
    if (!place)
        return ++cache->used;
    cache->free = cache->answers[place].next;
    return place;
}

void answer_cache_store(struct answer_cache *cache, struct slice key, struct slice answer, uint64_t now_ns)
{
    uint64_t hash = XXH3_64bits(key.data, key.length);
    uint32_t place = find(cache, key, hash);
    size_t length = key.length + answer.length;
    if (place)
        drop(cache, place);
    if (cache->capacity == 0 || length > ANSWER_CACHE_BYTES / 16)
        return;
    while (cache->count && (cache->count == cache->capacity || cache->bytes + length > ANSWER_CACHE_BYTES))
        drop(cache, cache->oldest);
    place = take_place(cache);
    struct cached_answer *stored = &cache->answers[place];
    uint32_t *bucket = &cache->buckets[hash & cache->bucket_mask];
    *stored = (struct cached_answer){.hash = hash,
                                     .good_until_ns = now_ns + cache->keep_ns,
                                     .text = memory_allocate(length),
                                     .key_length = key.length,
                                     .answer_length = answer.length,
                                     .next = *bucket};
    memcpy(stored->text, key.data, key.length);
    memcpy(stored->text + key.length, answer.data, answer.length);
    *bucket = place;
    link_newest(cache, place);
    cache->bytes += length;
    cache->count++;
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
    free(cache->answers);
    free(cache->buckets);
    free(cache);
}
