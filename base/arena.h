/* Memory for one question: what its answers need is allocated in a run and given back at once.
 *
 * Blocks are kept from question to question, so that the steady state allocates nothing. */
#ifndef WEIR_BASE_ARENA_H
#define WEIR_BASE_ARENA_H

#include "base/slice.h"

struct arena_block;
struct arena_deferred;

/* A zeroed struct is an empty arena. */
struct arena {
    struct arena_block *block; /* being filled; older ones behind it */
    size_t used;               /* bytes of `block` */
    struct arena_deferred *deferred;
};

/* Zeroed memory, aligned for anything, until arena_reset. */
void *arena_allocate(struct arena *arena, size_t size);
/* A copy with a NUL behind it, which the slice does not count; an absent slice stays absent. */
struct slice arena_copy(struct arena *arena, struct slice text);
/* A formatted text, as arena_copy. */
struct slice arena_format(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Calls `release` with `pointer` at the next reset: for what has an owner count of its own. */
void arena_defer(struct arena *arena, void (*release)(void *pointer), void *pointer);

/* Ends the question. The largest block is kept, up to 64 KiB. */
void arena_reset(struct arena *arena);
void arena_free(struct arena *arena);

#endif
