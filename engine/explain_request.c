/* The event is taken as the text that was sent, so that the places in it are those of the sender's bytes. */
#include "engine/explain_request.h"

#include "base/json_members.h"

/* Texts of the body. */
struct request_members {
    struct slice callback;
    struct slice args;
    struct slice event;
};

/* A JSON text of a name: no callback has an escape in it. */
static enum callback callback_named(struct slice json)
{
    return json.length > 2 && *json.data == '"' ? callback_find(slice_of(json.data + 1, json.length - 2))
                                                : CALLBACK_UNKNOWN;
}

/* NULL, or what is wrong with the body, with its errcode. */
static const char *read_members(struct slice body, struct request_members *members, const char **errcode)
{
    static const char *const names[] = {"callback", "args", "event"};
    struct slice values[3];
    struct buffer scratch = {0};
    enum json_members_status status = json_members_find(body, names, 3, values, &scratch);
    buffer_free(&scratch);
    *members = (struct request_members){values[0], values[1], values[2]};
    *errcode = status == JSON_MEMBERS_NOT_JSON ? "M_NOT_JSON" : "M_BAD_JSON";
    if (status == JSON_MEMBERS_NOT_JSON)
        return "the body is not valid JSON";
    if (status == JSON_MEMBERS_NOT_OBJECT || (!slice_present(members->callback) && !slice_present(members->event)))
        return "the body must be an object with `event`, with `event_id`, or with `callback` and `args`";
    if (slice_present(members->args) && !slice_present(members->callback))
        return "`args` belongs to `callback`";
    if (slice_present(members->callback) && callback_named(members->callback) == CALLBACK_UNKNOWN)
        return "`callback` names no callback of Synapse's module API";
    return NULL;
}

static bool explain_members(const struct explain_settings *settings, const struct request_members *members,
                            struct buffer *output, struct buffer *problem)
{
    if (!slice_present(members->callback))
        return explain_event(settings, members->event, SLICE_ABSENT, output, problem);
    json_t *args = NULL;
    if (slice_present(members->args) &&
        !(args = json_loadb(members->args.data, members->args.length, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL))) {
        buffer_append_string(problem, "`args` has a number that is too large, or is nested too deeply");
        return false;
    }
    bool good = explain_callback(settings, callback_named(members->callback), args, members->event, output, problem);
    json_decref(args);
    return good;
}

bool explain_request(const struct explain_settings *settings, struct slice body, struct buffer *output,
                     const char **errcode, struct buffer *problem)
{
    struct request_members members;
    const char *wrong = read_members(body, &members, errcode);
    if (!wrong)
        return explain_members(settings, &members, output, problem);
    buffer_append_string(problem, wrong);
    return false;
}

bool explain_request_event_id(struct slice body, struct buffer *event_id)
{
    static const char *const names[] = {"event_id", "callback", "event"};
    struct slice values[3];
    struct buffer scratch = {0};
    enum json_members_status status = json_members_find(body, names, 3, values, &scratch);
    buffer_free(&scratch);
    if (status != JSON_MEMBERS_FOUND || !slice_present(values[0]) || slice_present(values[1]) ||
        slice_present(values[2]))
        return false;
    json_t *text = json_loadb(values[0].data, values[0].length, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    bool is_text = json_is_string(text);
    if (is_text)
        buffer_append(event_id, json_string_value(text), json_string_length(text));
    json_decref(text);
    return is_text;
}
