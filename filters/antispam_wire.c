/* An event that jansson cannot hold (U+0000 in a key, deep nesting) is sent as it was stored, with all its members: it
 * must not get past the service by that.
 *
 * The members are named as Synapse's arguments are, but for two callbacks.
 *
 * `msg` and `code` are taken out of a refusal's members: they are names of parameters where Synapse builds the error
 * that its client gets, and with one of them the request would end in 500. */
#include "filters/antispam_wire.h"

#include <string.h>

#include "filters/canonical_json.h"

struct wire_callback {
    enum callback callback;
    uint32_t count;         /* of the arguments that are sent */
    const char *members[3]; /* by argument, where it is named otherwise */
};

static const struct wire_callback wire_callbacks[] = {
    {CALLBACK_check_event_for_spam, 1, {0}},
    {CALLBACK_user_may_join_room, 3, {"user", "room", NULL}},
    {CALLBACK_user_may_invite, 3, {0}},
    {CALLBACK_federated_user_may_invite, 1, {0}},
    {CALLBACK_user_may_send_3pid_invite, 4, {0}},
    {CALLBACK_user_may_create_room, 1, {0}},
    {CALLBACK_user_may_create_room_alias, 2, {0}},
    {CALLBACK_user_may_publish_room, 2, {0}},
    {CALLBACK_check_username_for_spam, 2, {0}},
    {CALLBACK_check_login_for_spam, 5, {0}},
};

static const struct wire_callback *find(enum callback callback)
{
    for (size_t index = 0; index < sizeof wire_callbacks / sizeof *wire_callbacks; index++)
        if (wire_callbacks[index].callback == callback)
            return &wire_callbacks[index];
    return NULL;
}

bool antispam_wire_asks(enum callback callback)
{
    return find(callback) != NULL;
}

struct slice antispam_wire_path(const struct callback_arguments *arguments)
{
    return arena_format(arguments->arena, "/%s", callback_definitions[arguments->callback].name);
}

static json_t *text_or_null(struct slice text)
{
    return slice_present(text) ? json_stringn(text.data, text.length) : json_null();
}

/* What the stream row tells, where there is no body. */
static json_t *row_as_json(const struct event *event)
{
    const struct {
        const char *name;
        struct slice value;
    } members[] = {
        {"room_id", event->room_id}, {"type", event->type},       {"state_key", event->state_key},
        {"sender", event->sender},   {"redacts", event->redacts},
    };
    json_t *row = json_object();
    for (size_t index = 0; index < sizeof members / sizeof *members; index++)
        if (slice_present(members[index].value))
            json_object_set_new(row, members[index].name, text_or_null(members[index].value));
    return row;
}

/* The event as clients get it (Synapse's format_event_for_client_v2), with its id; NULL if its body is no object. */
static json_t *event_for_clients(const struct event *event)
{
    static const char *const left_out[] = {"auth_events", "prev_events", "hashes",    "signatures",
                                           "depth",       "origin",      "prev_state"};
    json_t *json =
        event->has_body ? json_loadb(event->body.data, event->body.length, JSON_ALLOW_NUL, NULL) : row_as_json(event);
    if (!json_is_object(json)) {
        json_decref(json);
        return NULL;
    }
    for (size_t index = 0; index < sizeof left_out / sizeof *left_out; index++)
        json_object_del(json, left_out[index]);
    if (slice_present(event->event_id))
        json_object_set_new(json, "event_id", text_or_null(event->event_id));
    return json;
}

static size_t blanks(struct slice text)
{
    size_t count = 0;
    while (count < text.length && memchr(" \t\r\n", text.data[count], 4))
        count++;
    return count;
}

/* {"event": …} with the body as it is, and the id as its first member. */
static void append_stored(const struct event *event, struct buffer *output)
{
    size_t start = blanks(event->body) + 1; /* behind the brace */
    struct slice members = slice_of(event->body.data + start, event->body.length - start);
    size_t first = blanks(members);
    buffer_append_string(output, "{\"event\":{");
    if (slice_present(event->event_id)) {
        buffer_append_string(output, "\"event_id\":");
        buffer_append_json_string(output, event->event_id);
        if (first < members.length && members.data[first] != '}')
            buffer_append_char(output, ',');
    }
    buffer_append_slice(output, members);
    buffer_append_char(output, '}');
}

/* NULL if the event cannot be held. */
static json_t *question_as_json(const struct callback_arguments *arguments)
{
    const struct callback_definition *definition = &callback_definitions[arguments->callback];
    const struct wire_callback *wire = find(arguments->callback);
    json_t *question = json_object();
    for (uint32_t index = 0; index < wire->count; index++) {
        const struct argument_definition *argument = &definition->arguments[index];
        const char *name = index < 3 && wire->members[index] ? wire->members[index] : argument->name;
        json_t *value = NULL;
        if (argument->type == ARGUMENT_EVENT && arguments->event) {
            value = event_for_clients(arguments->event);
            if (!value) {
                json_decref(question);
                return NULL;
            }
        } else if (arguments->values && index < arguments->count) {
            value = value_to_json(&arguments->values[index]);
        }
        json_object_set_new(question, name, value ? value : json_null());
    }
    return question;
}

bool antispam_wire_append_question(const struct callback_arguments *arguments, size_t maximum, struct buffer *output)
{
    json_t *question = question_as_json(arguments);
    bool good = question && canonical_json_append(question, maximum, output);
    json_decref(question);
    if (good || !arguments->event || !arguments->event->has_body)
        return good;
    append_stored(arguments->event, output);
    return output->length <= maximum;
}

static void refuse(const struct callback_arguments *arguments, json_t *members, struct value *value)
{
    const json_t *errcode = json_object_get(members, "errcode");
    struct slice code = SLICE("M_FORBIDDEN");
    if (json_is_string(errcode)) {
        struct slice text = slice_of(json_string_value(errcode), json_string_length(errcode));
        if (value_code_known(text)) {
            code = arena_copy(arguments->arena, text);
            json_object_del(members, "errcode");
        }
    }
    json_object_del(members, "msg");
    json_object_del(members, "code");
    *value = value_refuse(code);
    value->object = value_own_json(arguments->arena, json_incref(members));
}

bool antispam_wire_read(const struct callback_arguments *arguments, const struct service_answer *answer,
                        struct value *value, const char **problem)
{
    bool passes = answer->status >= 200 && answer->status < 300;
    bool may_refuse = answer->status >= 300 && answer->status < 500 && answer->status != 401;
    json_error_t error;
    json_t *json =
        passes || may_refuse ? json_loadb(answer->body.data, answer->body.length, JSON_DECODE_ANY, &error) : NULL;
    bool good = json && (passes || json_is_object(json));
    if (good && passes)
        *value = (struct value){.kind = VALUE_PASS};
    else if (good)
        refuse(arguments, json, value);
    else if (passes)
        *problem = arena_format(arguments->arena, "the service's answer is no JSON: %s", error.text).data;
    else
        *problem = arena_format(arguments->arena, "the service answered with status %d", answer->status).data;
    json_decref(json);
    return good;
}
