/* A binary heap, the largest at its root. */
#include "engine/request_shares.h"

#include <stdlib.h>

#include "base/memory.h"

static void put(struct shares *shares, struct share *share, size_t place)
{
    shares->heap[place] = share;
    share->place = place;
}

static void rise(struct shares *shares, struct share *share)
{
    size_t place = share->place;
    while (place > 0) {
        size_t above = (place - 1) / 2;
        if (shares->heap[above]->weight >= share->weight)
            break;
        put(shares, shares->heap[above], place);
        place = above;
    }
    put(shares, share, place);
}

static void sink(struct shares *shares, struct share *share)
{
    size_t place = share->place;
    for (;;) {
        size_t below = place * 2 + 1;
        if (below >= shares->count)
            break;
        if (below + 1 < shares->count && shares->heap[below + 1]->weight > shares->heap[below]->weight)
            below++;
        if (shares->heap[below]->weight <= share->weight)
            break;
        put(shares, shares->heap[below], place);
        place = below;
    }
    put(shares, share, place);
}

void shares_add(struct shares *shares, struct share *share)
{
    if (shares->count == shares->capacity) {
        shares->capacity = shares->capacity ? shares->capacity * 2 : 8;
        shares->heap = memory_reallocate(shares->heap, shares->capacity * sizeof *shares->heap);
    }
    put(shares, share, shares->count++);
    rise(shares, share);
}

void shares_remove(struct shares *shares, struct share *share)
{
    size_t place = share->place;
    struct share *last = shares->heap[--shares->count];
    if (last == share)
        return;
    put(shares, last, place);
    rise(shares, last);
    sink(shares, last);
}

void shares_change(struct shares *shares, struct share *share, uint64_t weight)
{
    share->weight = weight;
    rise(shares, share);
    sink(shares, share);
}

struct share *shares_largest(const struct shares *shares)
{
    return shares->count ? shares->heap[0] : NULL;
}

void shares_free(struct shares *shares)
{
    free(shares->heap);
    *shares = (struct shares){0};
}
