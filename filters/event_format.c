/* Not the rules of authorisation: an event may be well formed and forbidden. */
#include "filters/event_format.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "filters/canonical_json.h"
#include "filters/server_name.h"
#include "filters/user_id.h"

/* Of an identifier, in bytes; older events in old rooms counted characters, which no server sends any more. */
#define IDENTIFIER_MAXIMUM 255u
/* Integers that a double holds exactly. */
#define STRICT_INTEGER ((INT64_C(1) << 53) - 1)
/* Synapse's limits. */
#define PREV_EVENTS_MAXIMUM 20u
#define AUTH_EVENTS_MAXIMUM 10u

struct member {
    const char *key;
    json_type type;
    bool optional;
    const char *problem;
};

/* Those of every room version. */
static const struct member members[] = {
    {"type", JSON_STRING, false, "`type` must be a text of at most 255 bytes"},
    {"sender", JSON_STRING, false, "`sender` must be a user id of at most 255 bytes"},
    {"state_key", JSON_STRING, true, "`state_key` must be a text of at most 255 bytes"},
    {"content", JSON_OBJECT, false, "`content` must be an object"},
    {"hashes", JSON_OBJECT, false, "`hashes` must be an object"},
    {"signatures", JSON_OBJECT, false, "`signatures` must be an object"},
    {"unsigned", JSON_OBJECT, true, "`unsigned` must be an object"},
    {"origin_server_ts", JSON_INTEGER, false, "`origin_server_ts` must be an integer"},
    {"depth", JSON_INTEGER, false, "`depth` must be an integer"},
    {"prev_events", JSON_ARRAY, false, "`prev_events` must be a list of at most 20 events"},
    {"auth_events", JSON_ARRAY, false, "`auth_events` must be a list of at most 10 events"},
};

static bool fits(const json_t *value, json_type type)
{
    return json_typeof(value) == type && (type != JSON_STRING || json_string_length(value) <= IDENTIFIER_MAXIMUM);
}

static struct slice text_of(const json_t *event, const char *key)
{
    const json_t *value = json_object_get(event, key);
    return json_is_string(value) ? slice_of(json_string_value(value), json_string_length(value)) : SLICE_ABSENT;
}

/* An event of another room is named by its id; in the oldest rooms by its id and its hashes. */
static bool names_events(const json_t *list, const struct room_version *version)
{
    size_t index;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)list, index, item)
    {
        const json_t *id = version->event_id == EVENT_ID_GIVEN ? json_array_get(item, 0) : item;
        if (!json_is_string(id) || json_string_length(id) > IDENTIFIER_MAXIMUM)
            return false;
    }
    return true;
}

bool event_format_creates_room(const json_t *event)
{
    return slice_equal(text_of(event, "type"), SLICE("m.room.create")) &&
           slice_equal(text_of(event, "state_key"), SLICE(""));
}

static bool room_id_right(const json_t *event, const struct room_version *version)
{
    struct slice room_id = text_of(event, "room_id");
    if (version->room_id_is_hash && event_format_creates_room(event))
        return !json_object_get(event, "room_id");
    return slice_present(room_id) && room_id.length > 1 && room_id.length <= IDENTIFIER_MAXIMUM &&
           room_id.data[0] == '!';
}

static bool event_id_right(const json_t *event, const struct room_version *version)
{
    struct slice event_id = text_of(event, "event_id");
    if (version->event_id != EVENT_ID_GIVEN)
        return true;
    return slice_present(event_id) && event_id.length > 1 && event_id.length <= IDENTIFIER_MAXIMUM &&
           event_id.data[0] == '$';
}

/* Whether every number in it may be in an event; `value` is no deeper than jansson's parser goes. */
static bool numbers_strict(const json_t *value) /* NOLINT(misc-no-recursion) */
{
    const char *key;
    size_t index;
    json_t *item;
    if (json_is_integer(value))
        return json_integer_value(value) <= STRICT_INTEGER && json_integer_value(value) >= -STRICT_INTEGER;
    if (json_is_real(value))
        return false;
    if (json_is_object(value)) {
        json_object_foreach((json_t *)(uintptr_t)value, key, item)
        {
            if (!numbers_strict(item))
                return false;
        }
    }
    json_array_foreach((json_t *)(uintptr_t)value, index, item)
    {
        if (!numbers_strict(item))
            return false;
    }
    return true;
}

static bool size_right(const json_t *event)
{
    struct buffer text = {0};
    bool right = canonical_json_append(event, EVENT_FORMAT_SIZE_MAXIMUM, &text);
    buffer_free(&text);
    return right;
}

const char *event_format_problem(const json_t *event, const struct room_version *version)
{
    if (!json_is_object(event))
        return "an event must be an object";
    for (size_t index = 0; index < sizeof members / sizeof *members; index++) {
        const json_t *value = json_object_get(event, members[index].key);
        if (value ? !fits(value, members[index].type) : !members[index].optional)
            return members[index].problem;
    }
    const json_t *prev_events = json_object_get(event, "prev_events");
    const json_t *auth_events = json_object_get(event, "auth_events");
    if (!user_id_valid(text_of(event, "sender")))
        return "`sender` must be a user id of at most 255 bytes";
    if (json_array_size(prev_events) > PREV_EVENTS_MAXIMUM || !names_events(prev_events, version))
        return "`prev_events` must be a list of at most 20 events";
    if (json_array_size(auth_events) > AUTH_EVENTS_MAXIMUM || !names_events(auth_events, version))
        return "`auth_events` must be a list of at most 10 events";
    if (!room_id_right(event, version))
        return "`room_id` must be a room id of at most 255 bytes";
    if (!event_id_right(event, version))
        return "`event_id` must be an event id of at most 255 bytes";
    if (version->strict_numbers && !numbers_strict(event))
        return "a number in it is no integer of at most 53 bits";
    return size_right(event) ? NULL : "it is larger than 65,536 bytes, or nested too deep";
}
