/* The room's state as a question brings it along (ARGUMENT_STATE): a JSON list of events. Who may do what in the room,
 * by the rules of the Matrix specification ("Permissions"). */
#ifndef WEIR_FILTERS_ROOM_STATE_H
#define WEIR_FILTERS_ROOM_STATE_H

#include "filters/callback.h"

/* More than any level: of the creators of a room of version 12 on. */
#define ROOM_POWER_INFINITE INT64_MAX

/* The state that the question has with it; NULL where nobody told it: an observed event, a request without it, or a
 * callback that has none; and of a room that has none yet. Borrowed. */
const json_t *room_state_of(const struct callback_arguments *arguments);

/* The event that the state has there; NULL if there is none. Borrowed. Costs a look at each event of the state. */
const json_t *room_state_find(const json_t *state, struct slice type, struct slice state_key);

/* The power level of a user; that of one who has none of their own is the room's default. Without
 * m.room.power_levels the creator has 100. */
int64_t room_state_power(const json_t *state, struct slice user);
/* The most that anybody has, whether they are in the room or not. */
int64_t room_state_highest_power(const json_t *state);

#endif
