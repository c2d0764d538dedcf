/* Rooms whose state modules of a chain follow (followed_rooms of filters/module.h): for whoever knows that state. */
#ifndef WEIR_FILTERS_CHAIN_FOLLOWED_H
#define WEIR_FILTERS_CHAIN_FOLLOWED_H

#include "filters/chain.h"

/* Whether any module follows a room. */
bool chain_follows_rooms(const struct chain *chain);

/* Called for each room that a module follows, once for each such module. `known`: the module took over the state of one
 * that followed the room before, in this process (chain_state_hand_over). `members`: it follows the room's members,
 * too. `room_id` lives as long as the chain. */
typedef void chain_room_function(void *context, struct slice room_id, bool known, bool members);
void chain_followed_rooms(const struct chain *chain, chain_room_function *each, void *context);

/* An event of the state of `event->room_id`, for the modules that follow it; a member's for those that follow them. It
 * has its body; without one its content is gone (it was redacted), and without an id as well nothing stands there any
 * more. Not while the chain is asked by another thread. */
void chain_state_event(struct chain *chain, const struct event *event, int64_t ordering);

#endif
