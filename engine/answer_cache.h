/* Answers that are asked for again and again, by a text such as a user id: bounded in number and bytes, each good for a
 * time. The one that was asked for least recently goes first. */
#ifndef WEIR_ENGINE_ANSWER_CACHE_H
#define WEIR_ENGINE_ANSWER_CACHE_H

#include <stdint.h>

#include "base/slice.h"

struct answer_cache;

/* At most `capacity` answers (0: none is kept; no more than ANSWER_CACHE_CAPACITY), each for `keep_ns`. */
struct answer_cache *answer_cache_create(size_t capacity, uint64_t keep_ns);
void answer_cache_destroy(struct answer_cache *cache);

/* The answer of `key`, until the next change of the cache; absent if there is none at `now_ns` (monotonic). */
struct slice answer_cache_find(struct answer_cache *cache, struct slice key, uint64_t now_ns);
/* Copies both. An answer that alone would take a good part of the cache's memory is not kept. */
void answer_cache_store(struct answer_cache *cache, struct slice key, struct slice answer, uint64_t now_ns);
void answer_cache_clear(struct answer_cache *cache);
size_t answer_cache_count(const struct answer_cache *cache);

#define ANSWER_CACHE_CAPACITY 10000000u
/* Keys and answers together may take so much; one answer a sixteenth of it. */
#define ANSWER_CACHE_BYTES ((size_t)64 << 20)

#endif
