/* An event is remembered under its reference hash, which covers its content by the content hash: whoever comes with
 * another content under the same id is refused before. What the hashes do not cover (`unsigned`, `signatures`) is not
 * shown to the modules, for then the first who asks would decide by it what all others hear. */
#include "engine/policy_check.h"

#include <stdlib.h>

#include "base/base64.h"
#include "base/memory.h"
#include "engine/answer_cache.h"
#include "engine/clock.h"
#include "engine/log.h"
#include "filters/canonical_json.h"
#include "filters/event_format.h"
#include "filters/event_hash.h"

#define MILLISECOND_NS UINT64_C(1000000)
/* What is remembered of an event that was refused; of others it is the signature. */
#define REFUSED "refused"

static const char refused_sentence[] = "This event has been rejected as probable spam";
static const char no_version_sentence[] = "the version of the room is not known here";

/* An event that is being asked of the chain. */
struct asking {
    struct asking *next, **place;
    struct policy_checks *checks;
    struct question *question; /* NULL while it is asked */
    struct buffer name;        /* what it is remembered and waited for by */
    struct buffer text;        /* what is signed */
    struct buffer event_id;
};

struct policy_checks {
    struct policy_checks_settings settings;
    struct shared_waits *waits;
    struct answer_cache *results;
    struct asking *asked;
    struct log_gate failed_gate;
    uint64_t *remembered;
    uint64_t *shared;
};

static void end(struct policy_check *check, enum policy_ending ending, const char *sentence)
{
    check->ended(check->context, &(struct policy_result){.ending = ending, .sentence = sentence});
}

static struct slice text_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_string(value) ? slice_of(json_string_value(value), json_string_length(value)) : SLICE_ABSENT;
}

/* ---- asking the chain */

static void unlink_asking(const struct asking *asking)
{
    *asking->place = asking->next;
    if (asking->next)
        asking->next->place = asking->place;
}

static void asking_free(struct asking *asking)
{
    buffer_free(&asking->name);
    buffer_free(&asking->text);
    buffer_free(&asking->event_id);
    free(asking);
}

static struct policy_result judge(struct asking *asking, const struct question_end *question, struct buffer *signature)
{
    struct policy_checks *checks = asking->checks;
    const char *why = "it took too long";
    if (question->ending == QUESTION_ANSWERED && question->outcome && question->outcome->kind == OUTCOME_PASSED) {
        signing_key_sign(checks->settings.key, buffer_slice(&asking->text), signature);
        answer_cache_store(checks->results, buffer_slice(&asking->name), buffer_slice(signature), clock_now_ns());
        return (struct policy_result){.ending = POLICY_SIGNED, .signature = buffer_slice(signature)};
    }
    if (question->ending == QUESTION_ANSWERED) {
        answer_cache_store(checks->results, buffer_slice(&asking->name), SLICE(REFUSED), clock_now_ns());
        return (struct policy_result){.ending = POLICY_REFUSED, .sentence = refused_sentence};
    }
    if (question->ending == QUESTION_OVERLOADED)
        return (struct policy_result){.ending = POLICY_OVERLOADED, .sentence = "too many events are being checked"};
    if (question->ending == QUESTION_RAISED)
        why = "a module failed";
    else if (question->ending == QUESTION_MALFORMED)
        why = question->problem;
    uint64_t suppressed;
    if (log_gate_pass(&checks->failed_gate, &suppressed))
        log_warning("an event could not be checked and was not signed; the servers that asked treat it as refused",
                    LOG_TEXT("event_id", buffer_slice(&asking->event_id)), LOG_STRING("reason", why),
                    LOG_INTEGER("suppressed", suppressed));
    return (struct policy_result){.ending = POLICY_FAILED, .sentence = "the event could not be checked now"};
}

static void on_question_ended(void *context, const struct question_end *question)
{
    struct asking *asking = context;
    struct buffer signature = {0};
    struct policy_result result = judge(asking, question, &signature);
    shared_waits_wake(asking->checks->waits, buffer_slice(&asking->name), &result);
    buffer_free(&signature);
    unlink_asking(asking);
    asking_free(asking);
}

static void on_result(void *context, const void *result)
{
    struct policy_check *check = context;
    check->ended(check->context, result);
}

/* The event as the modules see it: what its hashes cover, with its id and its room's. */
static void append_args(const json_t *event, struct slice event_id, struct slice room_id, struct buffer *args)
{
    static const char *const left_out[] = {"unsigned", "signatures", "age_ts", "outlier", "destinations"};
    json_t *shown = json_copy((json_t *)(uintptr_t)event);
    for (size_t index = 0; index < sizeof left_out / sizeof *left_out; index++)
        json_object_del(shown, left_out[index]);
    json_object_set_new(shown, "event_id", json_stringn(event_id.data, event_id.length));
    json_object_set_new(shown, "room_id", json_stringn(room_id.data, room_id.length));
    buffer_append_string(args, "{\"event\":");
    canonical_json_append(shown, EVENT_HASH_TEXT_MAXIMUM, args);
    buffer_append_char(args, '}');
    json_decref(shown);
}

/* `asking` has its name, text and id. It may end, and the check with it, within the call. */
static void ask(struct policy_check *check, struct asking *asking, struct slice room_id)
{
    struct policy_checks *checks = check->checks;
    struct buffer args = {0};
    append_args(check->event, buffer_slice(&asking->event_id), room_id, &args);
    struct question_asked asked = {.callback = CALLBACK_check_event_for_spam,
                                   .args = buffer_slice(&args),
                                   .asker = check->asker,
                                   .deadline_ms = check->deadline_ms,
                                   .ended = on_question_ended,
                                   .context = asking};
    struct question *question = questions_ask(checks->settings.questions, &asked);
    if (question)
        asking->question = question;
    buffer_free(&args);
}

/* ---- reading the event */

/* Policy servers are not asked about the event that names them, so that a room can always get rid of them; whoever asks
 * all the same is not stopped. */
static bool names_policy_server(const json_t *event)
{
    struct slice type = text_of(event, "type");
    return slice_equal(text_of(event, "state_key"), SLICE("")) &&
           (slice_equal(type, SLICE("m.room.policy")) || slice_equal(type, SLICE("org.matrix.msc4284.policy")));
}

static void end_remembered(struct policy_check *check, struct slice remembered)
{
    bool refused = slice_equal(remembered, SLICE(REFUSED));
    ++*check->checks->remembered;
    check->ended(check->context, &(struct policy_result){.ending = refused ? POLICY_REFUSED : POLICY_SIGNED,
                                                         .signature = refused ? SLICE_ABSENT : remembered,
                                                         .sentence = refused ? refused_sentence : NULL});
}

static void end_signed(struct policy_check *check, struct slice text)
{
    struct buffer signature = {0};
    signing_key_sign(check->checks->settings.key, text, &signature);
    check->ended(check->context,
                 &(struct policy_result){.ending = POLICY_SIGNED, .signature = buffer_slice(&signature)});
    buffer_free(&signature);
}

static struct asking *asking_create(struct policy_checks *checks, const struct asking *draft)
{
    struct asking *asking = memory_allocate_zeroed(1, sizeof *asking);
    *asking = *draft;
    asking->checks = checks;
    asking->next = checks->asked;
    asking->place = &checks->asked;
    if (asking->next)
        asking->next->place = &asking->next;
    checks->asked = asking;
    return asking;
}

/* What is remembered, else what others wait for, else the chain says. `draft` lends its buffers until it is asked. */
static void find_result(struct policy_check *check, struct asking *draft, struct slice room_id)
{
    struct policy_checks *checks = check->checks;
    struct slice name = buffer_slice(&draft->name);
    struct slice remembered = answer_cache_find(checks->results, name, clock_now_ns());
    if (names_policy_server(check->event)) {
        end_signed(check, buffer_slice(&draft->text));
        return;
    }
    if (slice_present(remembered)) {
        end_remembered(check, remembered);
        return;
    }
    check->waiter = (struct shared_waiter){.woken = on_result, .context = check};
    if (!shared_waits_join(checks->waits, name, &check->waiter)) {
        ++*checks->shared;
        return;
    }
    struct asking *asking = asking_create(checks, draft);
    *draft = (struct asking){0};
    ask(check, asking, room_id);
}

static bool is_served(const struct policy_checks *checks, struct slice room_id)
{
    const struct string_table *only = checks->settings.only_rooms;
    return !only || string_table_find(only, room_id) != STRING_TABLE_NONE;
}

static void read_event(struct policy_check *check, const struct room_version *version)
{
    unsigned char hash[EVENT_HASH_SIZE];
    struct asking draft = {0};
    struct buffer made_room = {0};
    const char *problem = event_format_problem(check->event, version);
    if (!problem && !event_hash_content_right(check->event))
        problem = "the content hash is not that of the event";
    if (!problem && !event_hash_reference_text(check->event, version, &draft.text))
        problem = "it is too large, or nested too deep";
    if (problem) {
        end(check, POLICY_MALFORMED, problem);
    } else {
        event_hash_of(buffer_slice(&draft.text), hash);
        event_hash_append_id(check->event, version, hash, &draft.event_id);
        buffer_append_format(&draft.name, "%s ", version->name);
        base64_append(&draft.name, hash, sizeof hash, BASE64_STANDARD);
        struct slice room_id = text_of(check->event, "room_id");
        if (!slice_present(room_id)) {
            buffer_append_char(&made_room, '!');
            buffer_append(&made_room, draft.event_id.data + 1, draft.event_id.length - 1);
            room_id = buffer_slice(&made_room);
        }
        find_result(check, &draft, room_id);
    }
    buffer_free(&made_room);
    buffer_free(&draft.name);
    buffer_free(&draft.text);
    buffer_free(&draft.event_id);
}

/* ---- finding the room's version */

static void use_version(struct policy_check *check, struct slice name)
{
    const struct room_version *version = room_version_find(name);
    if (version)
        read_event(check, version);
    else
        end(check, POLICY_UNKNOWN_ROOM,
            slice_present(name) ? "rooms of that version are not served" : no_version_sentence);
}

/* The id of the room, in `made` if it must be made; absent if the event has none. */
static struct slice find_room_id(const json_t *event, struct buffer *made)
{
    unsigned char hash[EVENT_HASH_SIZE];
    struct buffer text = {0};
    struct slice room_id = text_of(event, "room_id");
    const struct room_version *version = room_version_find(text_of(json_object_get(event, "content"), "room_version"));
    if (slice_present(room_id) || !event_format_creates_room(event) || !version || !version->room_id_is_hash)
        return room_id;
    if (event_hash_reference_text(event, version, &text)) {
        event_hash_of(buffer_slice(&text), hash);
        buffer_append_char(made, '!');
        base64_append(made, hash, sizeof hash, BASE64_URL_SAFE);
        room_id = buffer_slice(made);
    }
    buffer_free(&text);
    return room_id;
}

/* An event that creates a room says which version it has. */
static struct slice version_without_database(const struct policy_check *check)
{
    const json_t *content = json_object_get(check->event, "content");
    if (!event_format_creates_room(check->event))
        return slice_from_string(check->checks->settings.default_room_version);
    return json_object_get(content, "room_version") ? text_of(content, "room_version") : SLICE("1");
}

static void locate(struct policy_check *check);

static void on_room(void *context, const void *result)
{
    (void)result;
    locate(context);
}

static void locate_in_database(struct policy_check *check, struct slice room_id)
{
    struct slice name;
    struct policy_rooms *rooms = check->checks->settings.rooms;
    enum policy_rooms_status status = policy_rooms_find(rooms, room_id, &name);
    if (status == POLICY_ROOMS_WANTED && !check->waited_for_room) {
        check->waited_for_room = true;
        check->waiter = (struct shared_waiter){.woken = on_room, .context = check};
        policy_rooms_wait(rooms, room_id, &check->waiter);
    } else if (status == POLICY_ROOMS_KNOWN && slice_present(check->server) &&
               !policy_rooms_allow(rooms, room_id, check->server)) {
        end(check, POLICY_KEPT_OUT, "the room does not let your server take part");
    } else if (status == POLICY_ROOMS_KNOWN) {
        use_version(check, name);
    } else if (status == POLICY_ROOMS_UNKNOWN_ROOM) {
        use_version(check, slice_from_string(check->checks->settings.default_room_version));
    } else if (status == POLICY_ROOMS_TOO_MANY) {
        end(check, POLICY_OVERLOADED, "too many rooms are being looked up");
    } else {
        end(check, POLICY_FAILED, "the version of the room cannot be looked up now");
    }
}

static void locate(struct policy_check *check)
{
    struct buffer made = {0};
    struct slice room_id = find_room_id(check->event, &made);
    if (!slice_present(room_id))
        end(check, POLICY_MALFORMED, "`room_id` must be a room id");
    else if (!is_served(check->checks, room_id))
        end(check, POLICY_UNKNOWN_ROOM, "the room is not served here");
    else if (check->checks->settings.rooms)
        locate_in_database(check, room_id);
    else
        use_version(check, version_without_database(check));
    buffer_free(&made);
}

void policy_check_begin(struct policy_checks *checks, struct policy_check *check)
{
    check->checks = checks;
    check->waiter = (struct shared_waiter){0};
    check->waited_for_room = false;
    locate(check);
}

void policy_check_leave(struct policy_check *check)
{
    shared_waits_leave(&check->waiter);
}

struct policy_checks *policy_checks_create(const struct policy_checks_settings *settings, struct metrics *metrics)
{
    static const struct metric_definition remembered = {
        "weir_policy_remembered_total", METRIC_COUNTER,
        "Requests to sign an event that were answered with what had come of an earlier one.", NULL};
    static const struct metric_definition shared = {
        "weir_policy_shared_total", METRIC_COUNTER,
        "Requests to sign an event that joined another one about the same event.", NULL};
    struct policy_checks *checks = memory_allocate_zeroed(1, sizeof *checks);
    checks->settings = *settings;
    checks->waits = shared_waits_create();
    checks->results = answer_cache_create(settings->cache, (uint64_t)settings->cache_for_ms * MILLISECOND_NS);
    checks->remembered = metrics_register(metrics, &remembered, 1, NULL, NULL);
    checks->shared = metrics_register(metrics, &shared, 1, NULL, NULL);
    return checks;
}

void policy_checks_destroy(struct policy_checks *checks)
{
    if (!checks)
        return;
    struct asking *asking = checks->asked;
    while (asking) {
        struct asking *next = asking->next;
        questions_forget(checks->settings.questions, asking->question);
        asking_free(asking);
        asking = next;
    }
    shared_waits_destroy(checks->waits);
    answer_cache_destroy(checks->results);
    free(checks);
}
