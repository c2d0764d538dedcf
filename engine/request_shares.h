/* Who has the largest share: a heap of parties by weight, each of which knows its place, so that a change of its weight
 * costs the logarithm of their number. */
#ifndef WEIR_ENGINE_REQUEST_SHARES_H
#define WEIR_ENGINE_REQUEST_SHARES_H

#include <stddef.h>
#include <stdint.h>

/* A part of whatever has it; it must stay where it is while it is in a heap. */
struct share {
    uint64_t weight;
    size_t place;
};

/* A zeroed struct is empty. */
struct shares {
    struct share **heap;
    size_t count, capacity;
};

void shares_free(struct shares *shares);
/* Adds one that is in no heap, with the weight that it has. */
void shares_add(struct shares *shares, struct share *share);
void shares_remove(struct shares *shares, struct share *share);
void shares_change(struct shares *shares, struct share *share, uint64_t weight);
/* The largest, or NULL. */
struct share *shares_largest(const struct shares *shares);

#endif
