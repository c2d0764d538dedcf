/* A slot is a key made of the user and the slot's number, so that users with few rooms take little, and no list of one
 * user can grow. An answer looks for all slots of one user, some 10 us, whoever is asked about. */
#include "filters/common_rooms.h"

#include "base/keyed_hash.h"

/* What stands for no room in a slot. */
#define NO_ROOM 0u

static uint64_t slot_key(uint64_t seed, struct slice user, unsigned slot)
{
    char number = (char)slot;
    return keyed_hash_pair(user, slice_of(&number, 1), seed);
}

void common_rooms_see(struct recent_table *rooms, uint64_t seed, struct slice user, struct slice room, bool is_in)
{
    uint64_t hash = keyed_hash(room, seed);
    uint64_t key = slot_key(seed, user, (unsigned)(hash % COMMON_ROOMS_SLOTS));
    uint32_t value = (uint32_t)(hash >> 32) | 1u, known;
    if (is_in)
        recent_table_put(rooms, key, value);
    else if (recent_table_find(rooms, key, &known) && known == value)
        recent_table_put(rooms, key, NO_ROOM);
}

bool common_rooms_share(const struct recent_table *rooms, uint64_t seed, struct slice user, struct slice other)
{
    for (unsigned slot = 0; slot < COMMON_ROOMS_SLOTS; slot++) {
        uint32_t one, two;
        if (recent_table_find(rooms, slot_key(seed, user, slot), &one) && one != NO_ROOM &&
            recent_table_find(rooms, slot_key(seed, other, slot), &two) && one == two)
            return true;
    }
    return false;
}
