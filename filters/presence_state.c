/* States are compared and hashed whole, as the sets that Synapse's routers build do. */
#include "filters/presence_state.h"

#include <xxhash.h>

bool presence_state_equal(const struct presence_state *left, const struct presence_state *right)
{
    return left == right ||
           (left->last_active_ts == right->last_active_ts &&
            left->last_federation_update_ts == right->last_federation_update_ts &&
            left->last_user_sync_ts == right->last_user_sync_ts && left->currently_active == right->currently_active &&
            slice_equal(left->user_id, right->user_id) && slice_equal(left->state, right->state) &&
            slice_equal(left->status_message, right->status_message));
}

/* The user and the times tell nearly all states apart; what is left out costs a comparison at most. */
uint64_t presence_state_hash(const struct presence_state *state)
{
    return XXH3_64bits_withSeed(state->user_id.data, state->user_id.length,
                                (uint64_t)state->last_active_ts * 31 + (uint64_t)state->last_user_sync_ts);
}

static void append_integer(struct buffer *output, const char *name, int64_t value)
{
    buffer_append_string(output, name);
    buffer_append_integer(output, value);
}

void presence_state_append_json(const struct presence_state *state, struct buffer *output)
{
    buffer_append_string(output, "{\"user_id\":");
    buffer_append_json_string(output, state->user_id);
    buffer_append_string(output, ",\"state\":");
    buffer_append_json_string(output, state->state);
    append_integer(output, ",\"last_active_ts\":", state->last_active_ts);
    append_integer(output, ",\"last_federation_update_ts\":", state->last_federation_update_ts);
    append_integer(output, ",\"last_user_sync_ts\":", state->last_user_sync_ts);
    buffer_append_string(output, ",\"status_msg\":");
    buffer_append_json_string(output, state->status_message);
    buffer_append_string(output,
                         state->currently_active ? ",\"currently_active\":true}" : ",\"currently_active\":false}");
}

static struct slice text_member(const json_t *json, const char *name, struct arena *arena)
{
    const json_t *member = json_object_get(json, name);
    return json_is_string(member) ? arena_copy(arena, slice_of(json_string_value(member), json_string_length(member)))
                                  : SLICE_ABSENT;
}

static int64_t integer_member(const json_t *json, const char *name)
{
    return (int64_t)json_integer_value(json_object_get(json, name));
}

bool presence_state_read_json(const json_t *json, struct arena *arena, struct presence_state *state)
{
    *state = (struct presence_state){.user_id = text_member(json, "user_id", arena),
                                     .state = text_member(json, "state", arena),
                                     .last_active_ts = integer_member(json, "last_active_ts"),
                                     .last_federation_update_ts = integer_member(json, "last_federation_update_ts"),
                                     .last_user_sync_ts = integer_member(json, "last_user_sync_ts"),
                                     .status_message = text_member(json, "status_msg", arena),
                                     .currently_active = json_is_true(json_object_get(json, "currently_active"))};
    return slice_present(state->user_id);
}
