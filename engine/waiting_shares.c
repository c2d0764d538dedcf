/* Only names that have something waiting are kept, so that the table is bounded by what may wait altogether. */
#include "engine/waiting_shares.h"

#include <stdlib.h>
#include <uthash.h>
#include <xxhash.h>

#include "base/memory.h"

struct share {
    uint64_t hash;
    size_t count;
    UT_hash_handle hh;
};

struct waiting_shares {
    size_t limit;
    struct share *shares;
};

static struct share *find(const struct waiting_shares *shares, uint64_t hash)
{
    struct share *share;
    HASH_FIND(hh, shares->shares, &hash, sizeof hash, share);
    return share;
}

struct waiting_shares *waiting_shares_create(size_t limit)
{
    struct waiting_shares *shares = memory_allocate_zeroed(1, sizeof *shares);
    shares->limit = limit;
    return shares;
}

void waiting_shares_destroy(struct waiting_shares *shares)
{
    if (!shares)
        return;
    /* The entries keep their order when the table is gone. */
    struct share *share = shares->shares;
    HASH_CLEAR(hh, shares->shares);
    while (share) {
        struct share *next = share->hh.next;
        free(share);
        share = next;
    }
    free(shares);
}

uint64_t waiting_shares_hash(struct slice name)
{
    if (!slice_present(name) || name.length == 0)
        return 0;
    uint64_t hash = XXH3_64bits(name.data, name.length);
    return hash ? hash : 1;
}

bool waiting_shares_full(const struct waiting_shares *shares, uint64_t hash)
{
    const struct share *share = hash ? find(shares, hash) : NULL;
    return share && share->count >= shares->limit;
}

void waiting_shares_take(struct waiting_shares *shares, uint64_t hash)
{
    if (!hash)
        return;
    struct share *share = find(shares, hash);
    if (!share) {
        share = memory_allocate_zeroed(1, sizeof *share);
        share->hash = hash;
        HASH_ADD(hh, shares->shares, hash, sizeof share->hash, share);
    }
    share->count++;
}

void waiting_shares_give_back(struct waiting_shares *shares, uint64_t hash)
{
    struct share *share = hash ? find(shares, hash) : NULL;
    if (!share || --share->count > 0)
        return;
    HASH_DEL(shares->shares, share);
    free(share);
}

size_t waiting_shares_count(const struct waiting_shares *shares)
{
    return HASH_COUNT(shares->shares);
}
