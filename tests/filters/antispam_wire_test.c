/* What http_service asks a server for synapse-http-antispam, and what it makes of the answers. */
#include "tests/filters/service_script.h"

#define JOIN "{\"user_id\": \"@a:h\", \"room_id\": \"!r:h\", \"is_invited\": false}"
#define ANTISPAM(callback)                                                                                             \
    "{\"url\": \"http://h/antispam\", \"protocol\": \"antispam\", \"on_error\": \"pass\", \"callbacks\": "             \
    "[\"" #callback "\"]}"

Test(antispam_wire, questions)
{
    static const struct {
        enum callback callback;
        const char *configuration;
        const char *arguments;
        const char *path;
        const char *question;
    } cases[] = {
        {CALLBACK_user_may_join_room, ANTISPAM(user_may_join_room), JOIN, "/user_may_join_room",
         "{\"is_invited\":false,\"room\":\"!r:h\",\"user\":\"@a:h\"}"},
        {CALLBACK_user_may_create_room, ANTISPAM(user_may_create_room),
         "{\"user_id\": \"@a:h\", \"room_config\": {\"name\": \"x\"}}", "/user_may_create_room",
         "{\"user_id\":\"@a:h\"}"},
        {CALLBACK_check_login_for_spam, ANTISPAM(check_login_for_spam),
         "{\"user_id\": \"@a:h\", \"device_id\": null, \"initial_display_name\": null, \"request_info\": [[null, "
         "\"1.2.3.4\"]], \"auth_provider_id\": null}",
         "/check_login_for_spam",
         "{\"auth_provider_id\":null,\"device_id\":null,\"initial_display_name\":null,\"request_info\":[[null,\"1.2.3."
         "4\"]],"
         "\"user_id\":\"@a:h\"}"},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        struct service_script script = {0};
        struct service_answer answer = script_answer(200, "{}");
        cr_assert(script_start(&script, "http_service", cases[index].configuration, SEMANTICS_LATEST, true), "%s",
                  script.fixture.reports);
        cr_expect_eq(strncmp(script_ask(&script, cases[index].callback, cases[index].arguments, &answer), "passed ", 7),
                     0);
        cr_expect_str_eq(script.path, cases[index].path);
        cr_expect_str_eq(buffer_string(&script.question), cases[index].question);
        script_end(&script);
    }
}

/* The event as clients get it; without a body what the row tells. */
Test(antispam_wire, questions_about_events)
{
    struct service_script script = {0};
    struct event event = {.event_id = SLICE("$1")};
    struct event row = {
        .event_id = SLICE("$2"), .room_id = SLICE("!r:h"), .type = SLICE("m.x"), .state_key = SLICE("")};
    struct service_answer answer = script_answer(200, "{}");
    cr_assert(script_start(&script, "http_service", ANTISPAM(check_event_for_spam), SEMANTICS_LATEST, true));
    cr_assert_eq(
        judge_read(script.fixture.judge,
                   SLICE("{\"type\": \"m.x\", \"sender\": \"@a:h\", \"room_id\": \"!r:h\", \"content\": {\"n\": "
                         "1}, \"depth\": 3, \"auth_events\": [], \"prev_events\": [], \"hashes\": {}, "
                         "\"signatures\": {}, \"origin\": \"h\", \"prev_state\": []}"),
                   &event),
        EVENT_READ_OK);
    cr_assert_null(judge_event(script.fixture.judge, &event, JUDGE_BOTH));
    cr_expect_str_eq(buffer_string(&script.question),
                     "{\"event\":{\"content\":{\"n\":1},\"event_id\":\"$1\",\"room_id\":\"!r:h\",\"sender\":\"@a:h\","
                     "\"type\":\"m.x\"}}");
    struct judgement *parked = judge_park(script.fixture.judge);
    cr_expect_eq(judgement_resume(parked, &answer)->kind, OUTCOME_PASSED);
    judgement_free(parked);
    cr_assert_null(judge_event(script.fixture.judge, &row, JUDGE_BOTH));
    cr_expect_str_eq(buffer_string(&script.question),
                     "{\"event\":{\"event_id\":\"$2\",\"room_id\":\"!r:h\",\"state_key\":\"\",\"type\":\"m.x\"}}");
    judgement_free(judge_park(script.fixture.judge));
    script_end(&script);
}

Test(antispam_wire, answers)
{
    static const struct {
        int status;
        const char *body;
        const char *outcome; /* NULL: no verdict */
    } cases[] = {
        {200, "{}", "passed \"NOT_SPAM\""},
        {202, "{\"errcode\": \"M_FORBIDDEN\"}", "passed \"NOT_SPAM\""},
        {200, "[1]", "passed \"NOT_SPAM\""},
        {204, "", NULL},
        {200, "<html>", NULL},
        {403, "{\"errcode\": \"M_LIMIT_EXCEEDED\", \"error\": \"slow\"}",
         "denied {\"code\":\"M_LIMIT_EXCEEDED\",\"fields\":{\"error\":\"slow\"}}"},
        {400, "{\"error\": \"no\"}", "denied {\"code\":\"M_FORBIDDEN\",\"fields\":{\"error\":\"no\"}}"},
        {403, "{\"errcode\": \"M_SAFETY\"}", "denied {\"code\":\"M_FORBIDDEN\",\"fields\":{\"errcode\":\"M_SAFETY\"}}"},
        {403, "{\"errcode\": 5}", "denied {\"code\":\"M_FORBIDDEN\",\"fields\":{\"errcode\":5}}"},
        {403, "{\"msg\": \"x\", \"code\": 1}", "denied {\"code\":\"M_FORBIDDEN\",\"fields\":{}}"},
        {403, "\"no\"", NULL},
        {403, "Forbidden", NULL},
        {401, "{\"errcode\": \"M_UNKNOWN_TOKEN\"}", NULL},
        {503, "{\"errcode\": \"M_UNKNOWN\"}", NULL},
        {101, "{}", NULL},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        struct service_script script = {0};
        struct service_answer answer = script_answer(cases[index].status, cases[index].body);
        cr_assert(script_start(&script, "http_service", ANTISPAM(user_may_join_room), SEMANTICS_LATEST, true));
        cr_expect_str_eq(script_ask(&script, CALLBACK_user_may_join_room, JOIN, &answer),
                         cases[index].outcome ? cases[index].outcome : "passed \"NOT_SPAM\"");
        cr_expect_eq(script.unusable, cases[index].outcome ? 0u : 1u, "%d %s", cases[index].status, cases[index].body);
        script_end(&script);
    }
}

/* Its sender must not get past the service by that. */
Test(antispam_wire, an_event_that_cannot_be_taken_apart_is_sent_as_it_is)
{
    struct service_script script = {0};
    struct event event = {.event_id = SLICE("$1")};
    cr_assert(script_start(&script, "http_service", ANTISPAM(check_event_for_spam), SEMANTICS_LATEST, true));
    cr_assert_eq(judge_read(script.fixture.judge,
                            SLICE(" {\"type\": \"m.x\", \"sender\": \"@a:h\", \"room_id\": \"!r:h\", \"content\": "
                                  "{\"a\\u0000b\": 1}, \"depth\": 1}"),
                            &event),
                 EVENT_READ_OK);
    cr_assert_null(judge_event(script.fixture.judge, &event, JUDGE_BOTH));
    cr_expect_str_eq(buffer_string(&script.question),
                     "{\"event\":{\"event_id\":\"$1\",\"type\": \"m.x\", \"sender\": \"@a:h\", \"room_id\": "
                     "\"!r:h\", \"content\": {\"a\\u0000b\": 1}, \"depth\": 1}}");
    judgement_free(judge_park(script.fixture.judge));
    script_end(&script);
}
