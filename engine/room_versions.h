/* The versions of rooms, from Synapse's database: what is remembered of them, and who waits for others. */
#ifndef WEIR_ENGINE_ROOM_VERSIONS_H
#define WEIR_ENGINE_ROOM_VERSIONS_H

#include <event2/event.h>

#include "engine/configuration.h"
#include "engine/shared_wait.h"
#include "filters/room_version.h"

struct room_versions;

enum room_versions_status {
    ROOM_VERSIONS_KNOWN,
    ROOM_VERSIONS_UNKNOWN_ROOM, /* the homeserver does not have the room, or knows no version of it */
    ROOM_VERSIONS_WANTED,       /* it has to be asked for: room_versions_wait */
    ROOM_VERSIONS_FAILED,       /* the database cannot be asked now */
};

/* Connects in the background. */
struct room_versions *room_versions_create(struct event_base *base, const struct postgres_settings *settings);
/* Nobody may wait any more. */
void room_versions_destroy(struct room_versions *versions);

/* Looks for a room. `*name` is its version, until the next call. A room that was just made is not known for a few
 * seconds. */
enum room_versions_status room_versions_find(struct room_versions *versions, struct slice room_id, struct slice *name);
/* Asks for it, unless that is under way: after ROOM_VERSIONS_WANTED alone. `waiter` is woken, never from within this
 * call, when it is worth to look again; the result is NULL, or a sentence if the database failed. */
void room_versions_wait(struct room_versions *versions, struct slice room_id, struct shared_waiter *waiter);

#endif
