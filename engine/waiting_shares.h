/* Who has how many questions waiting: a count for each name (an asker, a room), with a bound that is the same for all.
 * Names are told apart by a 64-bit hash. */
#ifndef WEIR_ENGINE_WAITING_SHARES_H
#define WEIR_ENGINE_WAITING_SHARES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct waiting_shares;

/* Each name may have `limit` at once. */
struct waiting_shares *waiting_shares_create(size_t limit);
void waiting_shares_destroy(struct waiting_shares *shares);

/* The hash of a name, for the functions below; 0 for an absent or an empty one, which is never counted. */
uint64_t waiting_shares_hash(struct slice name);
/* Whether that name may have no more. */
bool waiting_shares_full(const struct waiting_shares *shares, uint64_t hash);
void waiting_shares_take(struct waiting_shares *shares, uint64_t hash);
void waiting_shares_give_back(struct waiting_shares *shares, uint64_t hash);
/* Names that have any. */
size_t waiting_shares_count(const struct waiting_shares *shares);

#endif
