/* Requests from their fields to the text of their answers, with modules that answer at once, later, and not at all. */
#include "engine/answerer.h"

#include <inttypes.h>
#include <stdio.h>

#include "engine/clock.h"
#include "tests/engine/router_fixture.h"

static struct chain *chain;
static struct metrics *metrics;
static struct event_base *base;
static struct questions *questions;
static struct answerer *answerer;
static struct buffer seen; /* "entry channel message", a line each */

static void on_settle(void *context, const struct answer *answer)
{
    (void)context;
    buffer_append_slice(&seen, answer->entry);
    buffer_append_char(&seen, ' ');
    buffer_append_slice(&seen, slice_present(answer->reply_to) ? answer->reply_to : SLICE("-"));
    buffer_append_char(&seen, ' ');
    buffer_append_slice(&seen, slice_present(answer->message) ? answer->message : SLICE("-"));
    if (answer->lines)
        buffer_append_string(&seen, " (among others)");
    buffer_append_char(&seen, '\n');
}

static void set_up(void)
{
    router_fixture_asked = 0;
    router_fixture_tickets = 0;
    metrics = metrics_create();
    chain = router_fixture_chain("{\"to\": [\"@w:x\"], \"slow\": [\"@slow:x\"], \"broken\": [\"@broken:x\"]}",
                                 "keywords", "{\"patterns\": [\"spam\"]}");
    struct questions_settings settings = {
        .waiting = 4, .waiting_per_asker = 3, .waiting_per_room = 3, .cache = 2, .cache_for_ms = 60000};
    struct answerer_callbacks callbacks = {.settle = on_settle};
    base = event_base_new();
    questions = questions_create(base, chain, &settings, metrics);
    answerer = answerer_create(questions, "lab.test", &callbacks, metrics);
}

static void tear_down(void)
{
    answerer_destroy(answerer);
    questions_destroy(questions);
    event_base_free(base);
    chain_destroy(chain);
    metrics_destroy(metrics);
    buffer_free(&seen);
}

static void expect_seen(const char *wanted)
{
    cr_expect_str_eq(buffer_string(&seen), wanted);
    buffer_clear(&seen);
}

static struct request_fields request(const char *callback, const char *args)
{
    static char deadline[32];
    snprintf(deadline, sizeof deadline, "%" PRId64, clock_wall_ms() + 60000);
    return (struct request_fields){.entry = SLICE("1-0"),
                                   .callback = slice_from_string(callback),
                                   .args = slice_from_string(args),
                                   .reply_to = SLICE("lab.test/weir/replies/w1"),
                                   .id = SLICE("q7"),
                                   .deadline = slice_from_string(deadline)};
}

static void take(const char *callback, const char *args)
{
    struct request_fields fields = request(callback, args);
    answerer_take(answerer, &fields);
}

#define ANSWER(json) "1-0 lab.test/weir/replies/w1 VERDICT q7 " json "\n"
#define INTERESTED ANSWER("{\"set\":[\"@w:x\"]}")

TestSuite(answerer, .init = set_up, .fini = tear_down);

Test(answerer, an_event_is_read_and_judged)
{
    take("check_event_for_spam",
         "{\"event\": {\"type\": \"m.room.message\", \"sender\": \"@a:x\", \"room_id\": \"!r:x\", "
         "\"content\": {\"body\": \"nothing but spam\"}}}");
    expect_seen(ANSWER("{\"code\":\"M_FORBIDDEN\",\"fields\":{}}"));
    take("check_event_for_spam",
         "{\"event\": {\"type\": \"m.room.message\", \"sender\": \"@a:x\", \"room_id\": \"!r:x\", "
         "\"content\": {\"body\": \"eggs\"}}}");
    expect_seen(ANSWER("\"NOT_SPAM\""));
    cr_expect_eq(questions_counts(questions).answered, 2);
}

Test(answerer, a_callback_that_no_module_registered_passes)
{
    take("user_may_invite", "{\"inviter\": \"@a:x\", \"invitee\": \"@b:x\", \"room_id\": \"!r:x\"}");
    expect_seen(ANSWER("\"NOT_SPAM\""));
}

Test(answerer, an_argument_that_modules_may_edit_comes_back)
{
    take("on_create_room",
         "{\"requester\": {}, \"config\": {\"preset\": \"public_chat\"}, \"is_requester_admin\": false, "
         "\"request_content\": {\"preset\": \"public_chat\"}}");
    cr_expect_not_null(strstr(buffer_string(&seen), "\"after\":{\"preset\":\"public_chat\"}}"), "%s",
                       buffer_string(&seen));
    buffer_clear(&seen);
}

Test(answerer, states_are_routed)
{
    take("get_users_for_states", "{\"state_updates\": [{\"user_id\": \"@a:x\", \"state\": \"online\"}]}");
    cr_expect_not_null(strstr(buffer_string(&seen), "\"@w:x\""), "%s", buffer_string(&seen));
    cr_expect_not_null(strstr(buffer_string(&seen), "\"user_id\":\"@a:x\""), "%s", buffer_string(&seen));
    buffer_clear(&seen);
}

Test(answerer, interest_is_remembered)
{
    for (int round = 0; round < 3; round++) {
        take("get_interested_users", "{\"user_id\": \"@a:x\"}");
        expect_seen(INTERESTED);
    }
    cr_expect_eq(router_fixture_asked, 1);
    take("get_interested_users", "{\"user_id\": \"@b:x\"}");
    take("get_interested_users", "{\"user_id\": \"@c:x\"}");
    take("get_interested_users", "{\"user_id\": \"@a:x\"}");
    cr_expect_eq(router_fixture_asked, 4);
    struct questions_counts counts = questions_counts(questions);
    cr_expect_eq(counts.cache_hits, 2);
    cr_expect_eq(counts.cache_misses, 4);
    cr_expect_eq(counts.answered, 6);
    buffer_clear(&seen);
    struct chain *next = router_fixture_chain("{\"to\": [\"@v:x\"]}", NULL, NULL);
    questions_use_chain(questions, next);
    chain_destroy(chain);
    chain = next;
    take("get_interested_users", "{\"user_id\": \"@a:x\"}");
    expect_seen(ANSWER("{\"set\":[\"@v:x\"]}"));
}

Test(answerer, an_answer_that_lacks_a_failed_module_is_not_remembered)
{
    take("get_interested_users", "{\"user_id\": \"@broken:x\"}");
    expect_seen(ANSWER("{\"set\":[]}"));
    take("get_interested_users", "{\"user_id\": \"@broken:x\"}");
    expect_seen(ANSWER("{\"set\":[]}"));
    cr_expect_eq(router_fixture_asked, 2);
}

Test(answerer, what_waits_is_answered_in_any_order)
{
    struct request_fields fields = request("get_interested_users", "{\"user_id\": \"@slow:x\"}");
    char entries[3][16];
    char ids[3][16];
    for (int index = 0; index < 3; index++) {
        snprintf(entries[index], sizeof *entries, "%d-0", index);
        snprintf(ids[index], sizeof *ids, "q%d", index);
        fields.entry = slice_from_string(entries[index]);
        fields.id = slice_from_string(ids[index]);
        answerer_take(answerer, &fields);
    }
    /* What was handed in may change: all that is needed was copied. */
    memset(entries, 'x', sizeof entries);
    memset(ids, 'x', sizeof ids);
    expect_seen("");
    cr_expect_eq(answerer_counts(answerer).waiting, 3);
    cr_expect(answerer_is_waiting(answerer, SLICE("1-0")));
    struct service_answer answer = {.arrived = true, .status = 200, .body = SLICE("{}")};
    cr_expect(questions_resume(questions, 3, &answer));
    cr_expect(questions_resume(questions, 1, &answer));
    cr_expect_not(questions_resume(questions, 1, &answer));
    take("user_may_invite", "{\"inviter\": \"@a:x\", \"invitee\": \"@b:x\", \"room_id\": \"!r:x\"}");
    cr_expect(questions_resume(questions, 2, &(struct service_answer){.error = SLICE("timed out")}));
    expect_seen("2-0 lab.test/weir/replies/w1 VERDICT q2 {\"set\":[\"@w:x\"]}\n"
                "0-0 lab.test/weir/replies/w1 VERDICT q0 {\"set\":[\"@w:x\"]}\n" ANSWER(
                    "\"NOT_SPAM\"") "1-0 lab.test/weir/replies/w1 VERDICT q1 {\"set\":[]}\n");
    cr_expect_eq(answerer_counts(answerer).waiting, 0);
    cr_expect_not(answerer_is_waiting(answerer, SLICE("1-0")));
}

Test(answerer, what_waits_is_asked_again_of_another_chain)
{
    take("get_interested_users", "{\"user_id\": \"@slow:x\"}");
    take("get_interested_users", "{\"user_id\": \"@slow:x\"}");
    expect_seen("");
    struct chain *next = router_fixture_chain("{\"to\": [\"@v:x\"], \"slow\": [\"@slow:x\"]}", NULL, NULL);
    questions_use_chain(questions, next);
    chain_destroy(chain);
    chain = next;
    expect_seen("");
    cr_expect_eq(answerer_counts(answerer).waiting, 2);
    cr_expect_not(questions_resume(questions, 1, &(struct service_answer){.arrived = true}));
    cr_expect(questions_resume(questions, 3, &(struct service_answer){.arrived = true}));
    expect_seen(ANSWER("{\"set\":[\"@v:x\"]}"));
    next = router_fixture_chain("{\"to\": [\"@u:x\"]}", NULL, NULL);
    questions_use_chain(questions, next);
    chain_destroy(chain);
    chain = next;
    expect_seen(ANSWER("{\"set\":[\"@u:x\"]}"));
    cr_expect_eq(answerer_counts(answerer).waiting, 0);
}

Test(answerer, what_cannot_be_asked_is_answered_with_a_failure)
{
    static const struct {
        const char *callback, *args, *part;
    } cases[] = {
        {"no_such_callback", "{}", "names no callback"},
        {NULL, "{}", "names no callback"},
        {"user_may_invite", NULL, "`args` is missing"},
        {"user_may_invite", "{\"inviter\": ", "no JSON object"},
        {"user_may_invite", "[]", "must be an object"},
        {"user_may_invite", "{\"inviter\": \"@a:x\"}", "`invitee` must be a text"},
        {"user_may_invite", "{\"inviter\": 5, \"invitee\": \"@b:x\", \"room_id\": \"!r:x\"}",
         "`inviter` must be a text"},
        {"check_event_for_spam", "{}", "`event` must be an object"},
        {"check_event_for_spam", "{\"event\": {\"content\": 5}}", "no JSON object with an object"},
        {"get_users_for_states", "{\"state_updates\": [{}]}", "user_id"},
        {"user_may_create_room_with_invites", "{}", "`semantics`"},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        take(cases[index].callback, cases[index].args);
        const char *text = buffer_string(&seen);
        cr_expect_eq(strncmp(text, ANSWER("{\"raise\":"), strlen(ANSWER("{\"raise\":")) - 1), 0, "%s", text);
        cr_expect_not_null(strstr(text, cases[index].part), "%s", text);
        buffer_clear(&seen);
    }
    struct request_fields fields = request("user_may_invite", "{}");
    const char *const deadlines[] = {NULL, "", "soon", "1e12", "99999999999999999999"};
    for (size_t index = 0; index < sizeof deadlines / sizeof *deadlines; index++) {
        fields.deadline = slice_from_string(deadlines[index]);
        answerer_take(answerer, &fields);
        cr_expect_not_null(strstr(buffer_string(&seen), "milliseconds since 1970"));
        buffer_clear(&seen);
    }
    cr_expect_eq(questions_counts(questions).malformed,
                 sizeof cases / sizeof *cases + sizeof deadlines / sizeof *deadlines);
}

Test(answerer, those_who_take_several_answers_in_one_message_are_known)
{
    struct request_fields fields = request("user_may_invite", "{\"inviter\": \"@a:x\", \"invitee\": \"@b:x\", "
                                                              "\"room_id\": \"!r:x\"}");
    fields.lines = SLICE("1");
    answerer_take(answerer, &fields);
    expect_seen("1-0 lab.test/weir/replies/w1 VERDICT q7 \"NOT_SPAM\" (among others)\n");
}

Test(answerer, what_is_not_asked_is_answered_all_the_same)
{
    struct request_fields fields = request("user_may_invite", "{}");
    answerer_turn_away(answerer, &fields);
    expect_seen(ANSWER("{\"overloaded\":true}"));
    answerer_refuse(answerer, &fields, "it was delivered too often");
    cr_expect_not_null(strstr(buffer_string(&seen), "it was delivered too often"), "%s", buffer_string(&seen));
    buffer_clear(&seen);
    fields.reply_to = SLICE("lab.test");
    answerer_turn_away(answerer, &fields);
    answerer_refuse(answerer, &fields, "it was delivered too often");
    expect_seen("1-0 - -\n1-0 - -\n");
    cr_expect_eq(answerer_counts(answerer).unanswerable, 2);
}

Test(answerer, too_many_that_wait_are_turned_away)
{
    struct request_fields fields = request("get_interested_users", "{\"user_id\": \"@slow:x\"}");
    static const char *const entries[] = {"1-0", "2-0", "3-0", "4-0"};
    for (size_t index = 0; index < 4; index++) {
        fields.entry = slice_from_string(entries[index]);
        answerer_take(answerer, &fields);
    }
    expect_seen("4-0 lab.test/weir/replies/w1 VERDICT q7 {\"overloaded\":true}\n");
    cr_expect_eq(router_fixture_asked, 3);
    cr_expect(questions_resume(questions, 2, &(struct service_answer){.error = SLICE("timed out")}));
    expect_seen("2-0 lab.test/weir/replies/w1 VERDICT q7 {\"set\":[]}\n");
    fields.entry = SLICE("5-0");
    answerer_take(answerer, &fields);
    expect_seen("");
    cr_expect_eq(answerer_counts(answerer).waiting, 3);
}

Test(answerer, what_waits_is_dropped_when_nobody_waits_for_it)
{
    char deadline[32];
    struct request_fields fields = request("get_interested_users", "{\"user_id\": \"@slow:x\"}");
    snprintf(deadline, sizeof deadline, "%" PRId64, clock_wall_ms() + 50);
    answerer_take(answerer, &fields);
    fields.entry = SLICE("2-0");
    fields.deadline = slice_from_string(deadline);
    answerer_take(answerer, &fields);
    expect_seen("");
    while (answerer_counts(answerer).waiting > 1)
        event_base_loop(base, EVLOOP_ONCE);
    expect_seen("2-0 - -\n");
    cr_expect_eq(questions_counts(questions).expired, 1);
    cr_expect_not(questions_resume(questions, 2, &(struct service_answer){.arrived = true}));
    cr_expect(answerer_is_waiting(answerer, SLICE("1-0")));
}

Test(answerer, what_is_too_late_is_dropped)
{
    struct request_fields fields = request("user_may_invite", "{}");
    fields.deadline = SLICE("1700000000000");
    answerer_take(answerer, &fields);
    expect_seen("1-0 - -\n");
    cr_expect_eq(questions_counts(questions).expired, 1);
}

Test(answerer, answers_go_to_channels_of_replies_only)
{
    struct request_fields fields = request("user_may_invite", "{}");
    const char *const channels[] = {NULL,
                                    "",
                                    "lab.test",
                                    "lab.test/weir",
                                    "lab.test/weir/replies/",
                                    "other.test/weir/replies/x",
                                    "lab.test/weir/replies/a b",
                                    "lab.test/weir/replies/a\n"};
    for (size_t index = 0; index < sizeof channels / sizeof *channels; index++) {
        fields.reply_to = slice_from_string(channels[index]);
        answerer_take(answerer, &fields);
        expect_seen("1-0 - -\n");
    }
    fields = request("user_may_invite", "{}");
    const char *const ids[] = {NULL, "", "a b", "a\nb", "caf\xc3\xa9"};
    for (size_t index = 0; index < sizeof ids / sizeof *ids; index++) {
        fields.id = slice_from_string(ids[index]);
        answerer_take(answerer, &fields);
        expect_seen("1-0 - -\n");
    }
    cr_expect_eq(answerer_counts(answerer).unanswerable, 13);
}

Test(answerer, every_callback_of_the_table_can_be_asked)
{
    const char *args = "{\"event\": {\"type\": \"m.room.member\", \"content\": {\"membership\": \"join\"}}, "
                       "\"state_updates\": [], \"user\": \"@a:x\", \"user_id\": \"@a:x\", \"room\": \"!r:x\", "
                       "\"room_id\": \"!r:x\"}";
    for (int callback = 0; callback < CALLBACK_COUNT; callback++) {
        take(callback_definitions[callback].name, args);
        cr_expect_not_null(strstr(buffer_string(&seen), "VERDICT q7 "), "%s", callback_definitions[callback].name);
        buffer_clear(&seen);
    }
    struct questions_counts counts = questions_counts(questions);
    cr_expect_eq(answerer_counts(answerer).requests, CALLBACK_COUNT);
    cr_expect_eq(counts.answered + counts.raised + counts.malformed, CALLBACK_COUNT);
    cr_expect_geq(counts.answered, 8);
}

/* An event alone is read as it stands; anything else about it the long way, with the same outcome. */
Test(answerer, an_event_is_judged_alike_however_its_arguments_are_written)
{
#define EVENT(type)                                                                                                    \
    "{\"type\":\"" type "\",\"content\":{\"body\":\"all \\u0073pam\"},\"sender\":\"@a:x\",\"room_id\":\"!r:x\"}"
    static const char *const denied[] = {
        "{\"event\":" EVENT("m.room.message") "}",
        " {\n\t\"event\" :\r" EVENT("m.room.message") " } ",
        "{\"event\":" EVENT("m.room.message") ",\"other\":1}",
        "{\"other\":{},\"event\":" EVENT("m.room.message") "}",
        "{\"event\":{},\"event\":" EVENT("m.room.message") "}",
        "{\"event\":" EVENT("m.room.member") "}",
        "{\"ev\\u0065nt\":" EVENT("m.room.message") "}",
    };
    static const char *const malformed[] = {
        "{\"event\":" EVENT("m.room.message") "}}",
        "{\"event\":" EVENT("m.room.message") "",
        "{\"event\":" EVENT("m.room.message") ",}",
        "{\"event\":}",
        "{\"event\":[" EVENT("m.room.message") "]}",
        "{\"event\"}",
        "{\"event\":" EVENT("m.room.message") "{}}",
        "{\"event\":\""
        "\"}",
    };
    for (size_t index = 0; index < sizeof denied / sizeof *denied; index++) {
        take("check_event_for_spam", denied[index]);
        expect_seen(ANSWER("{\"code\":\"M_FORBIDDEN\",\"fields\":{}}"));
    }
    for (size_t index = 0; index < sizeof malformed / sizeof *malformed; index++) {
        take("check_event_for_spam", malformed[index]);
        cr_expect_not_null(strstr(buffer_string(&seen), "VERDICT q7 {\"raise\":"), "%s", malformed[index]);
        buffer_clear(&seen);
    }
#undef EVENT
}
