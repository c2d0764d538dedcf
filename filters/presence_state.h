/* A user's presence, as Synapse's UserPresenceState has it (synapse/storage/databases/main/presence.py): what presence
 * routers are asked about, and what they route. */
#ifndef WEIR_FILTERS_PRESENCE_STATE_H
#define WEIR_FILTERS_PRESENCE_STATE_H

#include <jansson.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/slice.h"

struct presence_state {
    struct slice user_id;
    struct slice state; /* "online", "unavailable", "offline", "busy" */
    int64_t last_active_ts;
    int64_t last_federation_update_ts;
    int64_t last_user_sync_ts;
    struct slice status_message; /* `status_msg`; absent for null */
    bool currently_active;
};

/* Equal in every field, as Python compares them: two states that differ in one are both kept in a set. */
bool presence_state_equal(const struct presence_state *left, const struct presence_state *right);
uint64_t presence_state_hash(const struct presence_state *state);

/* The object with Synapse's field names, as a row of `presence_routes` holds it. */
void presence_state_append_json(const struct presence_state *state, struct buffer *output);
/* Reads such an object, copying into the arena; absent members are 0, null or false, but user_id must be a text. */
bool presence_state_read_json(const json_t *json, struct arena *arena, struct presence_state *state);

#endif
