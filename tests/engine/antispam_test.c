/* The words of synapse-http-antispam: its paths, its bodies as arguments, and what is answered. */
#include "engine/antispam.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "engine/callback_body.h"

static void expect_path(const char *path, const char *wanted)
{
    struct slice name;
    bool ours = antispam_path(slice_from_string(path), &name);
    cr_expect_eq(ours, wanted != NULL, "%s", path);
    if (ours && wanted)
        cr_expect(slice_equal(name, slice_from_string(wanted)), "%s: %.*s", path, (int)name.length, name.data);
}

Test(antispam, any_prefix)
{
    expect_path("/antispam/ping", "ping");
    expect_path("/_meowlnir/antispam/!room%3Aexample.org/user_may_invite", "user_may_invite");
    expect_path("/a/b/antispam/check_event_for_spam", "check_event_for_spam");
    expect_path("/api/1/spam_check/user_may_invite", "user_may_invite");
    expect_path("/antispam/antispam", "antispam");
    expect_path("/antispam", NULL);
    expect_path("/antispam/", NULL);
    expect_path("/x/antispam", NULL);
    expect_path("/xantispam/ping", NULL);
    expect_path("/ping", NULL);
    expect_path("antispam/ping", NULL);
    expect_path("", NULL);
}

static void expect_arguments(const char *endpoint, const char *body, enum antispam_reading wanted, const char *text)
{
    struct buffer buffer = {0}, scratch = {0};
    struct slice args;
    const struct antispam_endpoint *found = antispam_find(slice_from_string(endpoint));
    cr_assert(found);
    cr_expect_eq(antispam_arguments(found, slice_from_string(body), &args, &buffer, &scratch), wanted, "%s", body);
    cr_expect(slice_equal(args, slice_from_string(text)), "%s: %.*s", body, (int)args.length, args.data);
    buffer_free(&buffer);
    buffer_free(&scratch);
}

Test(antispam, bodies_are_arguments)
{
    expect_arguments("user_may_join_room", "{\"is_invited\":true,\"room\":\"!r:x\",\"user\":\"@\\u0061:x\"}",
                     ANTISPAM_READ, "{\"user_id\":\"@\\u0061:x\",\"room_id\":\"!r:x\",\"is_invited\":true}");
    expect_arguments("user_may_join_room", "{\"user\":\"@a:x\"}", ANTISPAM_READ,
                     "{\"user_id\":\"@a:x\",\"is_invited\":false}");
    expect_arguments("user_may_create_room", "{\"user_id\":\"@a:x\"}", ANTISPAM_READ,
                     "{\"user_id\":\"@a:x\",\"room_config\":{}}");
    expect_arguments("user_may_create_room", "[]", ANTISPAM_NOT_OBJECT, "{\"room_config\":{}}");
    expect_arguments("user_may_create_room", "{", ANTISPAM_NOT_JSON, "{\"room_config\":{}}");
    expect_arguments("check_event_for_spam", "{\"event\":{}}", ANTISPAM_READ, "{\"event\":{}}");
    expect_arguments("check_event_for_spam", "<html>", ANTISPAM_READ, "<html>");
}

/* Every argument of the callback must be given by the body or by the table: a row that forgot one would let everything
 * pass. */
Test(antispam, every_endpoint_has_its_arguments)
{
    struct buffer scratch = {0}, text = {0};
    for (size_t index = 0; index < antispam_endpoint_count; index++) {
        const struct antispam_endpoint *endpoint = &antispam_endpoints[index];
        if (endpoint->callback == CALLBACK_UNKNOWN)
            continue;
        cr_expect(endpoint->refusal && *endpoint->refusal);
        const struct callback_definition *definition = &callback_definitions[endpoint->callback];
        json_t *body = json_object();
        for (uint32_t place = 0; place < definition->argument_count; place++) {
            const char *member = definition->arguments[place].name;
            for (const struct antispam_change *change = endpoint->changes; change->argument; change++)
                if (strcmp(change->argument, member) == 0)
                    member = change->member;
            static const char *const samples[] = {
                [ARGUMENT_TEXT] = "\"x\"",   [ARGUMENT_TEXT_OR_NULL] = "null",
                [ARGUMENT_BOOLEAN] = "true", [ARGUMENT_JSON] = "[[null,\"127.0.0.1\"]]",
                [ARGUMENT_COPY] = "{}",      [ARGUMENT_EVENT] = "{}"};
            json_object_set_new(body, member,
                                json_loads(samples[definition->arguments[place].type], JSON_DECODE_ANY, NULL));
        }
        char *sent = json_dumps(body, JSON_COMPACT);
        struct slice args;
        cr_expect_eq(antispam_arguments(endpoint, slice_from_string(sent), &args, &text, &scratch), ANTISPAM_READ);
        json_t *object = json_loadb(args.data, args.length, 0, NULL);
        struct arena arena = {0};
        struct callback_arguments arguments = {0};
        const char *problem = "";
        cr_expect(callback_read_arguments(endpoint->callback, object, &arena, &arguments, &problem), "%s: %s",
                  endpoint->name, problem);
        arena_free(&arena);
        json_decref(object);
        json_decref(body);
        free(sent);
    }
    buffer_free(&scratch);
    buffer_free(&text);
}

static void expect_answer(const struct question_end *end, enum antispam_ending wanted, int status, const char *text)
{
    struct buffer body = {0};
    struct antispam_answer answer = {.body = &body};
    enum antispam_ending ending = antispam_answer(antispam_find(SLICE("user_may_invite")), end, &answer);
    cr_expect_eq(ending, wanted);
    cr_expect_eq(answer.status, status);
    cr_expect_str_eq(buffer_string(&body), text);
    json_t *json = json_loads(buffer_string(&body), 0, NULL);
    cr_expect_eq(json != NULL, status < 500, "what is no verdict must be no JSON");
    cr_expect_eq(strcmp(answer.content_type, "application/json") == 0, status < 500);
    json_decref(json);
    buffer_free(&body);
}

static void expect_outcome(enum outcome_kind kind, struct value value, enum antispam_ending wanted, int status,
                           const char *text)
{
    const struct outcome outcome = {.kind = kind, .result = {.value = value}};
    const struct question_end end = {.ending = kind == OUTCOME_FAILED ? QUESTION_RAISED : QUESTION_ANSWERED,
                                     .outcome = &outcome};
    expect_answer(&end, wanted, status, text);
}

#define SENTENCE "\"error\":\"This invite is refused by the rules of this homeserver\""

Test(antispam, refusals_and_passes)
{
    expect_outcome(OUTCOME_PASSED, (struct value){.kind = VALUE_NOT_SPAM}, ANTISPAM_PASSED, 200, "{}");
    expect_outcome(OUTCOME_DENIED, value_boolean(false), ANTISPAM_REFUSED, 403,
                   "{\"errcode\":\"M_FORBIDDEN\"," SENTENCE "}");
    expect_outcome(OUTCOME_DENIED, value_text(SLICE("be \"nice\"")), ANTISPAM_REFUSED, 403,
                   "{\"errcode\":\"M_FORBIDDEN\",\"error\":\"be \\\"nice\\\"\"}");
    struct value code = value_code(SLICE("M_LIMIT_EXCEEDED"));
    expect_outcome(OUTCOME_DENIED, code, ANTISPAM_REFUSED, 403, "{\"errcode\":\"M_LIMIT_EXCEEDED\"," SENTENCE "}");
    code.object = json_pack("{s:i,s:s,s:{s:s},s:i,s:s}", "retry_after_ms", 5, "msg", "x", "a b", "c", "d", "code", 7,
                            "error", "slow down");
    expect_outcome(
        OUTCOME_DENIED, code, ANTISPAM_REFUSED, 403,
        "{\"errcode\":\"M_LIMIT_EXCEEDED\",\"error\":\"slow down\",\"retry_after_ms\":5,\"a b\":{\"c\":\"d\"}}");
    json_decref(code.object);
    code.object = json_pack("{s:s,s:i}", "errcode", "M_SAFETY", "error", 5);
    expect_outcome(OUTCOME_DENIED, code, ANTISPAM_REFUSED, 403, "{\"errcode\":\"M_SAFETY\"," SENTENCE "}");
    json_decref(code.object);
}

Test(antispam, failures)
{
    struct arena arena = {0};
    expect_outcome(OUTCOME_FAILED, value_raise_error(&arena, 429, SLICE("M_UNKNOWN"), SLICE("later")), ANTISPAM_REFUSED,
                   403, "{\"errcode\":\"M_UNKNOWN\",\"error\":\"later\"}");
    expect_outcome(OUTCOME_FAILED, value_raise(&arena, RAISED_OTHER, "oops"), ANTISPAM_FAILED, 503,
                   "a module failed\n");
    expect_outcome(OUTCOME_FAILED, value_raise(&arena, RAISED_MODULE_FAILED, "oops"), ANTISPAM_FAILED, 503,
                   "a module failed\n");
    arena_free(&arena);
    expect_answer(&(struct question_end){.ending = QUESTION_OVERLOADED}, ANTISPAM_OVERLOADED, 503,
                  "too many requests wait\n");
    expect_answer(&(struct question_end){.ending = QUESTION_EXPIRED}, ANTISPAM_EXPIRED, 504,
                  "a module did not answer in time\n");
    expect_answer(&(struct question_end){.ending = QUESTION_MALFORMED, .problem = "x"}, ANTISPAM_MALFORMED, 200, "{}");
}

Test(antispam, pings)
{
    struct buffer answer = {0}, scratch = {0};
    cr_expect(antispam_answer_ping(SLICE("{\"id\":\"aBc\\n\"}"), &answer, &scratch));
    cr_expect_str_eq(buffer_string(&answer), "{\"id\":\"aBc\\n\",\"status\":\"ok\"}");
    const char *const wrong[] = {"", "{}", "{\"id\":5}", "[\"id\"]", "{\"id\":\"x\""};
    for (size_t index = 0; index < sizeof wrong / sizeof *wrong; index++)
        cr_expect_not(antispam_answer_ping(slice_from_string(wrong[index]), &answer, &scratch), "%s", wrong[index]);
    buffer_free(&answer);
    buffer_free(&scratch);
}

static void expect_body(const char *text, const char *args, int64_t timeout_ms, const char *errcode)
{
    struct callback_body body;
    struct buffer scratch = {0};
    cr_expect_eq(callback_body_read(slice_from_string(text), &body, &scratch), errcode == NULL, "%s", text);
    if (errcode) {
        cr_expect_str_eq(body.errcode, errcode);
        cr_expect(body.problem && *body.problem);
    } else {
        cr_expect(slice_equal(body.args, slice_from_string(args)), "%s", text);
        cr_expect_eq(body.timeout_ms, timeout_ms);
    }
    buffer_free(&scratch);
}

Test(callback_body, args_and_timeout)
{
    expect_body("{\"args\":{\"a\":[1]}}", "{\"a\":[1]}", 0, NULL);
    expect_body(" { \"timeout_ms\" : 50 , \"args\" : { } } ", "{ }", 50, NULL);
    expect_body("{\"args\":{},\"timeout_ms\":null,\"x\":1}", "{}", 0, NULL);
    expect_body("{\"args\":{},\"timeout_ms\":999999999999}", "{}", 999999999999, NULL);
    const char *const wrong[] = {"{}",
                                 "[]",
                                 "\"args\"",
                                 "{\"args\":[]}",
                                 "{\"args\":null}",
                                 "{\"args\":{},\"timeout_ms\":0}",
                                 "{\"args\":{},\"timeout_ms\":-5}",
                                 "{\"args\":{},\"timeout_ms\":1.5}",
                                 "{\"args\":{},\"timeout_ms\":\"5\"}",
                                 "{\"args\":{},\"timeout_ms\":1e3}",
                                 "{\"args\":{},\"timeout_ms\":9999999999999}"};
    for (size_t index = 0; index < sizeof wrong / sizeof *wrong; index++)
        expect_body(wrong[index], NULL, 0, "M_BAD_JSON");
    expect_body("", NULL, 0, "M_NOT_JSON");
    expect_body("{\"args\":{}", NULL, 0, "M_NOT_JSON");
    expect_body("{\"args\":{}}}", NULL, 0, "M_NOT_JSON");
}
