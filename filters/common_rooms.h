/* Whether two users share a room, as far as what was seen tells: a set of rooms for each user, in the fixed memory of a
 * table that forgets (base/recent_table.h).
 *
 * A user's set has COMMON_ROOMS_SLOTS slots, and a room has its slot in all of them. Of several rooms of one user that
 * fall into one slot the one seen last is known: of twenty rooms that are all but one, mostly. A room of a user takes
 * 64 bytes of the table where it shall be there for certain. Users without a common room are taken for such as have one
 * with a chance of one in eight million at most. */
#ifndef WEIR_FILTERS_COMMON_ROOMS_H
#define WEIR_FILTERS_COMMON_ROOMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/recent_table.h"
#include "base/slice.h"

#define COMMON_ROOMS_SLOTS 256u

/* The user is in the room, or is there no more. `seed` is of all hashes of the table (base/keyed_hash.h). */
void common_rooms_see(struct recent_table *rooms, uint64_t seed, struct slice user, struct slice room, bool is_in);
/* Whether both are known to be in one room. */
bool common_rooms_share(const struct recent_table *rooms, uint64_t seed, struct slice user, struct slice other);

#endif
