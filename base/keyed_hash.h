/* 64-bit hashes of texts that strangers choose, for tables that keep the hash alone in place of the text.
 *
 * Two texts with one hash would share an entry, and texts with alike hashes crowd each other out. With a seed that
 * nobody outside knows, nobody can look for such texts. The running engine draws one at its start; a replay, `weir
 * explain` and the tests leave it at 0, so that they decide alike each time. What the seed can change in a decision is
 * only which entries give way in a full table. A table keeps the seed that it was made with, in its snapshot too. */
#ifndef WEIR_BASE_KEYED_HASH_H
#define WEIR_BASE_KEYED_HASH_H

#include <stdint.h>

#include "base/slice.h"

/* Of tables that are made from now on. Set before there are threads. */
extern uint64_t keyed_hash_seed;

/* Draws `keyed_hash_seed` from the system. */
void keyed_hash_draw_seed(void);

/* An absent text has the hash of an empty one. */
uint64_t keyed_hash(struct slice text, uint64_t seed);
/* Of two texts together: no other two give the same but by accident, wherever the border between them lies. */
uint64_t keyed_hash_pair(struct slice first, struct slice second, uint64_t seed);

#endif
