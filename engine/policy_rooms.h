/* What a policy server has to know of rooms, from Synapse's database: their versions, and which servers they keep out.
 */
#ifndef WEIR_ENGINE_POLICY_ROOMS_H
#define WEIR_ENGINE_POLICY_ROOMS_H

#include <event2/event.h>

#include "engine/configuration.h"
#include "engine/shared_wait.h"
#include "filters/room_version.h"

struct policy_rooms;

enum policy_rooms_status {
    POLICY_ROOMS_KNOWN,
    POLICY_ROOMS_UNKNOWN_ROOM, /* the homeserver does not have the room, or knows no version of it */
    POLICY_ROOMS_WANTED,       /* it has to be asked for: policy_rooms_wait */
    POLICY_ROOMS_TOO_MANY,     /* likewise, but too many are being asked for already */
};

/* Connects in the background. */
struct policy_rooms *policy_rooms_create(struct event_base *base, const struct postgres_settings *settings);
/* Nobody may wait any more. */
void policy_rooms_destroy(struct policy_rooms *rooms);

/* Looks for a room. `*name` is its version, until the next call. A room that was just made may be unknown for a few
 * seconds, and a new list of servers for a minute. */
enum policy_rooms_status policy_rooms_find(struct policy_rooms *rooms, struct slice room_id, struct slice *name);
/* Whether the room, which must have been found, lets a server take part. Yes where its list is not known, since the
 * database cannot be asked. */
bool policy_rooms_allow(struct policy_rooms *rooms, struct slice room_id, struct slice server_name);
/* Asks for it, unless that is under way: after POLICY_ROOMS_WANTED alone. `waiter` is woken, never from within this
 * call, when it is worth to look again, which takes as long as the database cannot be asked. The result is NULL. */
void policy_rooms_wait(struct policy_rooms *rooms, struct slice room_id, struct shared_waiter *waiter);

#endif
