/* An event of a case: what `event` says in full, with the short forms put into it. */
#include "engine/cases_reader.h"

/* Puts a text of the case into the event; false if there is none. What is for all cases gives way to what `event` says.
 */
static bool put_text(struct case_reading *reading, json_t *object, const char *key, const char *member)
{
    if (!yaml_map_find(reading->item, key) && json_object_get(object, member))
        return false;
    const char *text = case_text(reading, key);
    if (text)
        json_object_set_new(object, member, json_string(text));
    return text != NULL;
}

/* What most events have alike. */
static void put_default(json_t *event, const char *member, const char *localpart, const char *server_name)
{
    if (json_object_get(event, member))
        return;
    struct buffer text = {0};
    buffer_append_format(&text, "%s:%s", localpart, server_name);
    json_object_set_new(event, member, json_string(buffer_string(&text)));
    buffer_free(&text);
}

static void put_content(struct case_reading *reading, json_t *event)
{
    const struct yaml_node *given = case_find(reading, "content");
    json_t *content = json_incref(json_object_get(event, "content"));
    if (given && given->kind != YAML_KIND_MAP) {
        case_error(reading, "content", "must be a map, but is %s", yaml_kind_text(given->kind));
    } else if (given) {
        json_decref(content);
        content = yaml_node_to_json(given);
    }
    if (!content)
        content = json_object();
    if (put_text(reading, content, "text", "body") && !json_object_get(content, "msgtype"))
        json_object_set_new(content, "msgtype", json_string("m.text"));
    if (put_text(reading, content, "html", "formatted_body"))
        json_object_set_new(content, "format", json_string("org.matrix.custom.html"));
    put_text(reading, content, "membership", "membership");
    json_object_set_new(event, "content", content);
}

/* Whether the case, beside what is for all of them, has an event. */
static bool has_event(const struct case_reading *reading)
{
    static const char *const keys[] = {"event", "sender", "room",    "type",      "state_key",
                                       "text",  "html",   "content", "membership"};
    for (size_t index = 0; index < sizeof keys / sizeof *keys; index++)
        if (yaml_map_find(reading->item, keys[index]))
            return true;
    return false;
}

json_t *case_read_event(struct case_reading *reading)
{
    if (!has_event(reading))
        return NULL;
    const struct yaml_node *given = case_find(reading, "event");
    if (given && given->kind != YAML_KIND_MAP) {
        case_error(reading, "event", "must be a map, but is %s", yaml_kind_text(given->kind));
        given = NULL;
    }
    json_t *event = given ? yaml_node_to_json(given) : json_object();
    put_text(reading, event, "sender", "sender");
    put_text(reading, event, "room", "room_id");
    put_text(reading, event, "type", "type");
    put_text(reading, event, "state_key", "state_key");
    put_content(reading, event);
    bool member = case_find(reading, "membership") != NULL;
    put_default(event, "sender", "@somebody", reading->server_name);
    put_default(event, "room_id", "!room", reading->server_name);
    if (!json_object_get(event, "type"))
        json_object_set_new(event, "type", json_string(member ? "m.room.member" : "m.room.message"));
    if (member && !json_object_get(event, "state_key"))
        json_object_set(event, "state_key", json_object_get(event, "sender"));
    return event;
}
