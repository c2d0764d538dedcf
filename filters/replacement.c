/* A replacement is rare, so it goes through a JSON tree. Synapse takes eight members of the dict and ignores the rest;
 * of these room_id, type and state_key must be the event's, and the sender one of this server's users. */
#include "filters/replacement.h"

#include <stdlib.h>

/* A member of the event that is taken from the dict. */
static const struct member {
    const char *name;
    bool required;
    bool object;       /* an object, {} where it is missing */
    const char *fixed; /* what is wrong if it changes; NULL: it may */
    size_t offset;     /* of the event's field, where it is fixed */
} members[] = {
    {"type", true, false, "the replacement changes `type`", offsetof(struct event, type)},
    {"sender", true, false, NULL, 0},
    {"room_id", false, false, "the replacement changes `room_id`", offsetof(struct event, room_id)},
    {"state_key", false, false, "the replacement changes `state_key`", offsetof(struct event, state_key)},
    {"content", false, true, NULL, 0},
    {"unsigned", false, true, NULL, 0},
    {"redacts", false, false, NULL, 0},
    {"origin_server_ts", false, false, NULL, 0},
};

/* The event as a dict: its body, and what only the row told. */
static json_t *event_as_json(const struct event *event)
{
    json_t *object = event->has_body ? json_loadb(event->body.data, event->body.length, 0, NULL) : json_object();
    const struct {
        const char *name;
        struct slice value;
    } fields[] = {{"type", event->type}, {"room_id", event->room_id}, {"state_key", event->state_key}};
    for (size_t index = 0; object && index < sizeof fields / sizeof *fields; index++)
        if (slice_present(fields[index].value))
            json_object_set_new(object, fields[index].name,
                                json_stringn(fields[index].value.data, fields[index].value.length));
    return object;
}

/* All members that the dict stands for. */
static json_t *whole_dict(const struct event *event, const struct value *replacement)
{
    if (replacement->kind != VALUE_EVENT)
        return value_to_json(replacement);
    json_t *dict = event_as_json(event);
    if (dict && json_object_update(dict, replacement->object) != 0) {
        json_decref(dict);
        return NULL;
    }
    return dict;
}

static struct slice text_of(const json_t *json)
{
    return json_is_string(json) ? slice_of(json_string_value(json), json_string_length(json)) : SLICE_ABSENT;
}

static bool is_local(struct slice sender, const char *server_name)
{
    const char *colon = sender.length && sender.data[0] == '@' ? memchr(sender.data, ':', sender.length) : NULL;
    return colon && slice_equal(slice_of(colon + 1, sender.length - (size_t)(colon + 1 - sender.data)),
                                slice_from_string(server_name));
}

static bool check_members(const json_t *dict, const struct event *event, const char *server_name, const char **problem)
{
    for (size_t index = 0; index < sizeof members / sizeof *members; index++) {
        const struct member *member = &members[index];
        const json_t *value = json_object_get(dict, member->name);
        if ((member->required && !json_is_string(value)) || (member->object && value && !json_is_object(value))) {
            *problem = member->object ? "a member of the replacement that must be an object is none"
                                      : "the replacement has no `type` or no `sender`";
            return false;
        }
        const struct slice *field = (const struct slice *)(const void *)((const char *)event + member->offset);
        if (member->fixed && !slice_equal(text_of(value), *field)) {
            *problem = member->fixed;
            return false;
        }
    }
    struct slice sender = text_of(json_object_get(dict, "sender"));
    if (!slice_equal(sender, event->sender) && !is_local(sender, server_name)) {
        *problem = "the replacement's sender is no user of this server";
        return false;
    }
    const json_t *content = json_object_get(dict, "content");
    if (slice_equal(event->type, SLICE("m.room.message")) &&
        (!json_is_string(json_object_get(content, "body")) || !json_is_string(json_object_get(content, "msgtype")))) {
        *problem = "the replacement's content has no text `body` or no text `msgtype`";
        return false;
    }
    return true;
}

static json_t *taken_members(const json_t *dict)
{
    json_t *taken = json_object();
    for (size_t index = 0; index < sizeof members / sizeof *members; index++) {
        json_t *value = json_object_get(dict, members[index].name);
        if (value)
            json_object_set(taken, members[index].name, value);
        else if (members[index].object)
            json_object_set_new(taken, members[index].name, json_object());
    }
    return taken;
}

struct slice replacement_build(const struct event *event, const struct value *replacement, const char *server_name,
                               struct arena *arena, const char **problem)
{
    struct slice text = SLICE_ABSENT;
    json_t *dict = whole_dict(event, replacement);
    if (!json_is_object(dict)) {
        *problem = "the replacement is no event";
    } else if (check_members(dict, event, server_name, problem)) {
        json_t *taken = taken_members(dict);
        char *dumped = json_dumps(taken, JSON_COMPACT);
        text = arena_copy(arena, slice_from_string(dumped));
        free(dumped);
        json_decref(taken);
    }
    json_decref(dict);
    return text;
}
