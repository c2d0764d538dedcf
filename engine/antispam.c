/* The module of Synapse can be told three things only: pass, refuse, and that there is no verdict, for which its
 * `fail_open` has one. So a failure must never look like a refusal, which is what any JSON object is: it is plain text.
 *
 * The members `msg` and `code` are names of parameters where Synapse builds the error that its client gets; with one of
 * them in our answer the request would end in 500. */
#include "engine/antispam.h"

#include <stdlib.h>

#include "base/json_members.h"

const struct antispam_endpoint antispam_endpoints[] = {
    {"check_event_for_spam",
     CALLBACK_check_event_for_spam,
     "This message is refused by the rules of this homeserver",
     {{0}}},
    {"user_may_join_room",
     CALLBACK_user_may_join_room,
     "The rules of this homeserver do not let you join this room",
     {{"user_id", "user", NULL}, {"room_id", "room", NULL}, {"is_invited", "is_invited", "false"}}},
    {"user_may_invite", CALLBACK_user_may_invite, "This invite is refused by the rules of this homeserver", {{0}}},
    {"federated_user_may_invite",
     CALLBACK_federated_user_may_invite,
     "This invite is refused by the rules of this homeserver",
     {{0}}},
    {"user_may_send_3pid_invite",
     CALLBACK_user_may_send_3pid_invite,
     "This invite is refused by the rules of this homeserver",
     {{0}}},
    {"user_may_create_room",
     CALLBACK_user_may_create_room,
     "The rules of this homeserver do not let you create this room",
     {{"user_id", "user_id", NULL}, {"room_config", "room_config", "{}"}}},
    {"user_may_create_room_alias",
     CALLBACK_user_may_create_room_alias,
     "The rules of this homeserver do not let you create this alias",
     {{0}}},
    {"user_may_publish_room",
     CALLBACK_user_may_publish_room,
     "The rules of this homeserver do not let you publish this room",
     {{0}}},
    {"check_username_for_spam",
     CALLBACK_check_username_for_spam,
     "This user is hidden by the rules of this homeserver",
     {{0}}},
    {"check_login_for_spam",
     CALLBACK_check_login_for_spam,
     "This login is refused by the rules of this homeserver",
     {{0}}},
    /* A patched Synapse asks this before it lets another server's user join a restricted room. A rule for
     * user_may_join_room, which is about our own users, would be the wrong one to ask. */
    {"accept_make_join", CALLBACK_UNKNOWN, NULL, {{0}}},
};
const size_t antispam_endpoint_count = sizeof antispam_endpoints / sizeof *antispam_endpoints;

/* The next segment of a path that begins with a slash, taken off it. */
static struct slice next_segment(struct slice *path)
{
    const char *start = path->data + 1;
    size_t room = path->length - 1;
    const char *slash = memchr(start, '/', room);
    size_t length = slash ? (size_t)(slash - start) : room;
    *path = slice_of(start + length, room - length);
    return slice_of(start, length);
}

bool antispam_path(struct slice path, struct slice *name)
{
    bool ours = false;
    struct slice segment = SLICE_ABSENT;
    while (path.length && *path.data == '/') {
        ours = ours || slice_equal(segment, SLICE("antispam")) || slice_equal(segment, SLICE("spam_check"));
        segment = next_segment(&path);
    }
    *name = segment;
    return ours && segment.length > 0;
}

const struct antispam_endpoint *antispam_find(struct slice name)
{
    for (size_t index = 0; index < antispam_endpoint_count; index++)
        if (slice_equal(name, slice_from_string(antispam_endpoints[index].name)))
            return &antispam_endpoints[index];
    return NULL;
}

static size_t change_count(const struct antispam_endpoint *endpoint)
{
    size_t count = 0;
    while (endpoint->changes[count].argument)
        count++;
    return count;
}

enum antispam_reading antispam_arguments(const struct antispam_endpoint *endpoint, struct slice body,
                                         struct slice *args, struct buffer *text, struct buffer *scratch)
{
    static const enum antispam_reading readings[] = {[JSON_MEMBERS_FOUND] = ANTISPAM_READ,
                                                     [JSON_MEMBERS_NOT_JSON] = ANTISPAM_NOT_JSON,
                                                     [JSON_MEMBERS_NOT_OBJECT] = ANTISPAM_NOT_OBJECT};
    const char *members[ANTISPAM_CHANGES_MAXIMUM];
    struct slice values[ANTISPAM_CHANGES_MAXIMUM];
    size_t count = change_count(endpoint);
    *args = body;
    if (!count)
        return ANTISPAM_READ;
    for (size_t index = 0; index < count; index++)
        members[index] = endpoint->changes[index].member;
    enum json_members_status status = json_members_find(body, members, count, values, scratch);
    buffer_clear(text);
    for (size_t index = 0; index < count; index++) {
        const struct antispam_change *change = &endpoint->changes[index];
        struct slice value = slice_present(values[index]) ? values[index] : slice_from_string(change->otherwise);
        if (!slice_present(value))
            continue;
        buffer_append_format(text, "%c\"%s\":", text->length ? ',' : '{', change->argument);
        buffer_append_slice(text, value);
    }
    buffer_append_string(text, text->length ? "}" : "{}");
    *args = buffer_slice(text);
    return readings[status];
}

bool antispam_is_json(struct slice body, struct buffer *scratch)
{
    return json_members_find(body, NULL, 0, NULL, scratch) != JSON_MEMBERS_NOT_JSON;
}

bool antispam_answer_ping(struct slice body, struct buffer *answer, struct buffer *scratch)
{
    static const char *const names[] = {"id"};
    struct slice id;
    if (json_members_find(body, names, 1, &id, scratch) != JSON_MEMBERS_FOUND || !id.length || *id.data != '"')
        return false;
    buffer_append_string(answer, "{\"id\":");
    buffer_append_slice(answer, id);
    buffer_append_string(answer, ",\"status\":\"ok\"}");
    return true;
}

void antispam_let_pass(struct antispam_answer *answer)
{
    answer->status = 200;
    answer->content_type = "application/json";
    buffer_append_string(answer->body, "{}");
}

/* What a client is told; an absent code or text has a default. */
struct refusal {
    struct slice code;
    struct slice text;
    const json_t *fields; /* further members, which win over the two as in Synapse; or NULL */
};

static struct slice text_member(const json_t *fields, const char *name, struct slice otherwise)
{
    const json_t *member = json_object_get(fields, name);
    return json_is_string(member) ? slice_of(json_string_value(member), json_string_length(member)) : otherwise;
}

static bool is_own_member(const char *key)
{
    return strcmp(key, "errcode") == 0 || strcmp(key, "error") == 0 || strcmp(key, "msg") == 0 ||
           strcmp(key, "code") == 0;
}

static void refuse(const struct antispam_endpoint *endpoint, const struct refusal *refusal,
                   struct antispam_answer *answer)
{
    struct slice code = slice_present(refusal->code) ? refusal->code : SLICE("M_FORBIDDEN");
    struct slice text = slice_present(refusal->text) ? refusal->text : slice_from_string(endpoint->refusal);
    struct buffer *body = answer->body;
    const char *key;
    json_t *member;
    answer->status = 403;
    answer->content_type = "application/json";
    buffer_append_string(body, "{\"errcode\":");
    buffer_append_json_string(body, text_member(refusal->fields, "errcode", code));
    buffer_append_string(body, ",\"error\":");
    buffer_append_json_string(body, text_member(refusal->fields, "error", text));
    json_object_foreach((json_t *)(uintptr_t)refusal->fields, key, member)
    {
        char *json = is_own_member(key) ? NULL : json_dumps(member, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_ENCODE_ANY);
        if (!json)
            continue;
        buffer_append_char(body, ',');
        buffer_append_json_string(body, slice_from_string(key));
        buffer_append_char(body, ':');
        buffer_append_string(body, json);
        free(json);
    }
    buffer_append_char(body, '}');
}

/* No JSON. */
static void fail(int status, const char *sentence, struct antispam_answer *answer)
{
    answer->status = status;
    answer->content_type = "text/plain; charset=utf-8";
    buffer_append_string(answer->body, sentence);
    buffer_append_char(answer->body, '\n');
}

static enum antispam_ending answer_outcome(const struct antispam_endpoint *endpoint, const struct outcome *outcome,
                                           struct antispam_answer *answer)
{
    const struct value *value = &outcome->result.value;
    struct refusal refusal = {0};
    if (outcome->kind == OUTCOME_PASSED || outcome->kind == OUTCOME_CHANGED) {
        antispam_let_pass(answer);
        return ANTISPAM_PASSED;
    }
    if (value->kind == VALUE_RAISED && value->raised->kind != RAISED_SYNAPSE_ERROR) {
        fail(503, "a module failed", answer);
        return ANTISPAM_FAILED;
    }
    if (value->kind == VALUE_RAISED) {
        refusal = (struct refusal){value->raised->errcode, value->raised->text, value->raised->fields};
    } else if (value->kind == VALUE_CODE) {
        refusal.code = value->text;
        refusal.fields = value->object;
    } else if (value->kind == VALUE_TEXT) {
        refusal.text = value->text;
    }
    refuse(endpoint, &refusal, answer);
    return ANTISPAM_REFUSED;
}

enum antispam_ending antispam_answer(const struct antispam_endpoint *endpoint, const struct question_end *end,
                                     struct antispam_answer *answer)
{
    if (!end) {
        fail(503, "this server is shutting down", answer);
        return ANTISPAM_STOPPED;
    }
    switch (end->ending) {
    case QUESTION_ANSWERED:
    case QUESTION_RAISED:
        if (end->outcome)
            return answer_outcome(endpoint, end->outcome, answer);
        antispam_let_pass(answer); /* remembered, which no refusal is */
        return ANTISPAM_PASSED;
    case QUESTION_OVERLOADED:
        fail(503, "too many requests wait", answer);
        return ANTISPAM_OVERLOADED;
    case QUESTION_EXPIRED:
        fail(504, "a module did not answer in time", answer);
        return ANTISPAM_EXPIRED;
    case QUESTION_MALFORMED:
        break;
    }
    antispam_let_pass(answer);
    return ANTISPAM_MALFORMED;
}
