/* State comes from a homeserver that has checked it, and yet: a level that is no number counts as 0, and old rooms
 * write some as texts, which Synapse takes up to room version 9. */
#include "filters/room_state.h"

#include <stdlib.h>

#include "filters/room_version.h"

const json_t *room_state_of(const struct callback_arguments *arguments)
{
    const struct callback_definition *definition = &callback_definitions[arguments->callback];
    for (uint32_t index = 0; arguments->values && index < definition->argument_count; index++) {
        const struct value *value = &arguments->values[index];
        if (definition->arguments[index].type == ARGUMENT_STATE)
            return index < arguments->count && value->kind == VALUE_JSON && json_array_size(value->object)
                       ? value->object
                       : NULL;
    }
    return NULL;
}

static bool is_text(const json_t *json, struct slice text)
{
    return json_is_string(json) && slice_equal(slice_of(json_string_value(json), json_string_length(json)), text);
}

const json_t *room_state_find(const json_t *state, struct slice type, struct slice state_key)
{
    for (size_t index = 0; index < json_array_size(state); index++) {
        const json_t *event = json_array_get(state, index);
        if (is_text(json_object_get(event, "type"), type) && is_text(json_object_get(event, "state_key"), state_key))
            return event;
    }
    return NULL;
}

static int64_t level_of(const json_t *json)
{
    if (json_is_integer(json))
        return json_integer_value(json);
    if (json_is_real(json)) {
        double real = json_real_value(json);
        return real > -1e15 && real < 1e15 ? (int64_t)real : 0;
    }
    return json_is_string(json) ? strtoll(json_string_value(json), NULL, 10) : 0;
}

static const json_t *content_of(const json_t *state, struct slice type)
{
    return json_object_get(room_state_find(state, type, SLICE("")), "content");
}

/* Whether the room is of a version whose creators stand above all levels. */
static bool has_mighty_creators(const json_t *create)
{
    const char *name = json_string_value(json_object_get(json_object_get(create, "content"), "room_version"));
    const struct room_version *version = name ? room_version_find(slice_from_string(name)) : NULL;
    return version && version->room_id_is_hash;
}

static bool is_creator(const json_t *create, bool mighty, struct slice user)
{
    const json_t *content = json_object_get(create, "content");
    const json_t *others = mighty ? json_object_get(content, "additional_creators") : NULL;
    for (size_t index = 0; index < json_array_size(others); index++)
        if (is_text(json_array_get(others, index), user))
            return true;
    return is_text(json_object_get(create, "sender"), user) ||
           (!mighty && is_text(json_object_get(content, "creator"), user));
}

int64_t room_state_power(const json_t *state, struct slice user)
{
    const json_t *create = room_state_find(state, SLICE("m.room.create"), SLICE(""));
    const json_t *levels = content_of(state, SLICE("m.room.power_levels"));
    bool mighty = has_mighty_creators(create);
    bool creator = is_creator(create, mighty, user);
    if (mighty && creator)
        return ROOM_POWER_INFINITE;
    if (!levels)
        return creator ? 100 : 0;
    const json_t *level = user.data ? json_object_getn(json_object_get(levels, "users"), user.data, user.length) : NULL;
    return level_of(level ? level : json_object_get(levels, "users_default"));
}

int64_t room_state_highest_power(const json_t *state)
{
    if (has_mighty_creators(room_state_find(state, SLICE("m.room.create"), SLICE(""))))
        return ROOM_POWER_INFINITE;
    const json_t *levels = content_of(state, SLICE("m.room.power_levels"));
    if (!levels)
        return 100;
    int64_t highest = level_of(json_object_get(levels, "users_default"));
    const char *user;
    json_t *level;
    json_object_foreach(json_object_get(levels, "users"), user, level)
    {
        int64_t power = level_of(level);
        highest = power > highest ? power : highest;
    }
    return highest;
}
