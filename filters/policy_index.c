/* Open addressing. A chain that became empty keeps its place until the table grows: the same rules are often taken back
 * and made again. The filter has a bit for each key, eight for each place of the table, in as many bytes as there are
 * places: most keys that are asked for are those of no rule, and then the table, which is far larger than any cache,
 * stays untouched. */
#include "filters/policy_index.h"

#include <stdlib.h>

#include "base/memory.h"

#define PLACES_AT_FIRST 64u

void policy_index_free(struct policy_index *index)
{
    free(index->buckets);
    free(index->filter);
    *index = (struct policy_index){0};
}

static struct policy_bucket *place_of(const struct policy_index *index, uint64_t key)
{
    uint64_t place = key & index->mask;
    while (index->buckets[place].key && index->buckets[place].key != key)
        place = (place + 1) & index->mask;
    return &index->buckets[place];
}

static void set_bit(struct policy_index *index, uint64_t key)
{
    uint64_t bit = key >> 32 & (index->mask * 8 + 7);
    index->filter[bit / 64] |= 1ull << (bit & 63);
}

/* As large as the chains need that are not empty. */
static void grow(struct policy_index *index)
{
    uint64_t before = index->mask ? index->mask + 1 : 0, places = PLACES_AT_FIRST;
    size_t alive = 0;
    for (uint64_t place = 0; place < before; place++)
        alive += index->buckets[place].count > 0;
    while (places < (alive + 1) * 4)
        places *= 2;
    struct policy_bucket *old = index->buckets;
    uint64_t *old_filter = index->filter;
    index->buckets = memory_allocate_zeroed(places, sizeof *index->buckets);
    index->filter = memory_allocate_zeroed(places / 8, sizeof *index->filter);
    index->mask = places - 1;
    index->used = alive;
    for (uint64_t place = 0; place < before; place++) {
        if (!old[place].count)
            continue;
        *place_of(index, old[place].key) = old[place];
        set_bit(index, old[place].key);
    }
    free(old);
    free(old_filter);
}

struct policy_bucket *policy_index_take(struct policy_index *index, uint64_t key)
{
    if ((index->used + 1) * 2 > index->mask)
        grow(index);
    struct policy_bucket *bucket = place_of(index, key);
    if (!bucket->key) {
        *bucket = (struct policy_bucket){.key = key, .first = POLICY_INDEX_NONE};
        set_bit(index, key);
        index->used++;
    }
    return bucket;
}

size_t policy_index_memory(const struct policy_index *index)
{
    return index->mask ? (index->mask + 1) * (sizeof *index->buckets + 1) : 0;
}
