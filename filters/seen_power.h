/* Who has power in which room, as the events tell that go by: for modules that are asked where nobody tells them the
 * room's state (filters/room_state.h), above all about events from other servers.
 *
 * It is what was seen: a room whose power levels were set before anybody looked is not known until somebody tells its
 * state, and what Synapse stored
 * but did not take into the room's state is believed. Levels count from 0 to 100. Of each room those users are kept who
 * have a level of their own that matters, at most SEEN_POWER_USERS; of the rooms, those that were asked about last. A
 * room takes some 150 bytes and 9 for each of those users. Not for several threads. */
#ifndef WEIR_FILTERS_SEEN_POWER_H
#define WEIR_FILTERS_SEEN_POWER_H

#include "base/buffer.h"
#include "filters/callback.h"

#define SEEN_POWER_USERS 256u
#define SEEN_POWER_UNKNOWN (-1)

struct seen_power;

/* `rooms`: how many are known at a time, at least 1. `least`, above 0: levels below it are all the same to the caller.
 */
struct seen_power *seen_power_create(uint32_t rooms, int64_t least, uint64_t seed);
void seen_power_destroy(struct seen_power *power);

/* Learns from an event that was stored, if it makes a room or sets its power levels. */
void seen_power_see(struct seen_power *power, const struct callback_arguments *arguments);
/* Takes the place of what is known of the room: its state, as the homeserver tells it. Nothing if that has neither the
 * room's creation nor its power levels. */
void seen_power_learn(struct seen_power *power, struct slice room, const json_t *state);
/* The level of the user, from 0 to 100, or anything below `least` for one that is; SEEN_POWER_UNKNOWN of a room that is
 * not known. */
int64_t seen_power_of(struct seen_power *power, struct slice room, struct slice user);
/* How many rooms are known. */
uint32_t seen_power_rooms(const struct seen_power *power);

/* Appends all that the table holds, but for the seed. */
void seen_power_save(const struct seen_power *power, struct buffer *output);
/* Takes the place of all that the table holds; `seed` is for the hashes from now on. False, and the table is empty, if
 * no table of the same `least` has saved that. */
bool seen_power_restore(struct seen_power *power, struct slice saved, uint64_t seed);

#endif
