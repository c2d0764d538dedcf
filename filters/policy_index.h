/* From 64-bit keys to chains of numbers, of which some come and go while others are looked for: the index of the rules
 * of policy lists. Who owns the numbered things keeps the links of the chains, and compares what it finds, since two
 * things may have one key.
 *
 * 16 bytes and a byte of filter for each place, at most half of which are taken; a look-up that misses costs a bit of
 * the filter. Not for hostile growth: the owner bounds the count. */
#ifndef WEIR_FILTERS_POLICY_INDEX_H
#define WEIR_FILTERS_POLICY_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POLICY_INDEX_NONE UINT32_MAX

/* A chain: its first number, and how many it has. */
struct policy_bucket {
    uint64_t key;
    uint32_t first; /* POLICY_INDEX_NONE with a count of 0 */
    uint32_t count;
};

struct policy_index {
    struct policy_bucket *buckets;
    uint64_t *filter;
    uint64_t mask; /* of places; 0: nothing was ever added */
    size_t used;   /* places that are taken, also by chains that are empty now */
};

/* A zeroed struct is an empty index. */
void policy_index_free(struct policy_index *index);

/* Whether there may be a chain of `key`; false is certain. */
static inline bool policy_index_may_have(const struct policy_index *index, uint64_t key)
{
    return index->mask && index->filter[(key >> 32 & (index->mask * 8 + 7)) / 64] >> (key >> 32 & 63) & 1;
}

/* The chain of `key`, or NULL. Lives until the next addition. */
static inline const struct policy_bucket *policy_index_find(const struct policy_index *index, uint64_t key)
{
    if (!policy_index_may_have(index, key))
        return NULL;
    for (uint64_t place = key & index->mask; index->buckets[place].key; place = (place + 1) & index->mask)
        if (index->buckets[place].key == key)
            return &index->buckets[place];
    return NULL;
}

/* The same, made if it is new: for the owner to put a number at its front, or take one out. `key` must not be 0. */
struct policy_bucket *policy_index_take(struct policy_index *index, uint64_t key);

/* Bytes allocated. */
size_t policy_index_memory(const struct policy_index *index);

#endif
