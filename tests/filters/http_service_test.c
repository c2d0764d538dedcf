/* What http_service asks, and what it makes of the answers. */
#include "filters/kept_answers.h"
#include "tests/filters/service_script.h"

#define ALL_OF(callback) "{\"url\": \"https://h.test/\", \"callbacks\": [\"" #callback "\"]}"

Test(http_service, opens_as_configured)
{
    struct service_script script = {0};
    script.fixture.file_content = "PEM";
    cr_assert(script_start(&script, "http_service",
                           "{\"url\": \"https://h.test/x\", \"callbacks\": [\"check_event_for_spam\"], \"timeout_ms\": "
                           "250, \"in_flight\": 7, \"connections\": 2, \"attempts\": 4, \"breaker_failures\": 0, "
                           "\"breaker_pause_ms\": 60, \"verify\": false, \"ca_file\": \"ca.pem\"}",
                           SEMANTICS_LATEST, true),
              "%s", script.fixture.reports);
    cr_expect_str_eq(script.url, "https://h.test/x");
    cr_expect_str_eq(script.authorities, "PEM");
    cr_expect_eq(script.settings.timeout_ms, 250);
    cr_expect_eq(script.settings.in_flight, 7);
    cr_expect_eq(script.settings.connections, 2);
    cr_expect_eq(script.settings.attempts, 4);
    cr_expect_eq(script.settings.breaker_failures, 0);
    cr_expect_eq(script.settings.breaker_pause_ms, 60);
    cr_expect_not(script.settings.verify);
    cr_expect_null(script.settings.authorization);
    cr_expect_not(chain_needs_body(script.fixture.chain));
    cr_expect(chain_uses_body(script.fixture.chain));
    script_end(&script);
}

/* One question about an event: whether the service was asked, and what came of it. */
struct repeated {
    int64_t now_ms;
    enum callback callback;
    const char *event_id;
    bool trial;
    struct service_answer answer; /* if the service is asked */
    bool asked;
    bool denied;
};

static void ask_repeatedly(const char *configuration, const struct repeated *questions, size_t count)
{
    struct service_script script = {0};
    cr_assert(script_start(&script, "http_service", configuration, SEMANTICS_LATEST, true), "%s",
              script.fixture.reports);
    for (size_t index = 0; index < count; index++) {
        const struct repeated *question = &questions[index];
        struct arena arena = {0};
        struct event event = {.event_id = slice_from_string(question->event_id), .room_id = SLICE("!r:h")};
        struct callback_arguments asked = {
            .event = &event, .arena = &arena, .now_ms = question->now_ms, .trial = question->trial};
        struct walk walk;
        enum walk_state state = walk_begin(&walk, script.fixture.chain, question->callback, &asked);
        cr_expect_eq(state == WALK_PENDING, question->asked, "question %zu", index);
        if (state == WALK_PENDING)
            cr_assert_eq(walk_resume(&walk, &question->answer), WALK_ENDED);
        cr_expect_eq(walk.outcome.kind, question->denied ? OUTCOME_DENIED : OUTCOME_PASSED, "question %zu", index);
        arena_free(&arena);
    }
    script_end(&script);
}

#define BOTH_CALLBACKS                                                                                                 \
    "{\"url\": \"http://h/\", \"callbacks\": [\"check_event_for_spam\", \"should_drop_federated_event\"]"
#define SPAM CALLBACK_check_event_for_spam
#define DROP CALLBACK_should_drop_federated_event

Test(http_service, answers_about_events_are_kept)
{
    char longest[KEPT_ANSWER_MAXIMUM + 1], longer[KEPT_ANSWER_MAXIMUM + 2];
    snprintf(longest, sizeof longest, "%-*s", (int)KEPT_ANSWER_MAXIMUM, "{\"code\": \"M_FORBIDDEN\"}");
    snprintf(longer, sizeof longer, "%-*s", (int)KEPT_ANSWER_MAXIMUM + 1, "{\"code\": \"M_FORBIDDEN\"}");
    const struct service_answer deny = script_answer(200, "{\"code\": \"M_FORBIDDEN\"}");
    const struct service_answer pass = script_answer(200, "\"NOT_SPAM\"");
    const struct repeated by_default[] = {
        {1000, SPAM, "$1", false, deny, true, true},
        {1000, SPAM, "$1", false, pass, false, true},
        {60999, SPAM, "$1", false, pass, false, true},
        {999, SPAM, "$1", false, pass, true, false}, /* a clock that went back; the newer answer counts */
        {1000, SPAM, "$1", false, deny, false, false},
        {60999, SPAM, "$1", false, deny, true, true},                         /* after a minute */
        {1000, SPAM, "$2", false, pass, true, false},                         /* another event */
        {61000, DROP, "$1", false, script_answer(200, "false"), true, false}, /* another callback */
        {61000, DROP, "$1", false, script_answer(200, "true"), false, false},
        {61000, SPAM, "$1", true, pass, true, false}, /* a trial is asked, and leaves nothing behind */
        {61000, SPAM, "$1", false, pass, false, true},
        {61000, SPAM, "", false, pass, true, false}, /* without an id */
        {61000, SPAM, "", false, deny, true, true},
        {61000, SPAM, "$long", false, script_answer(200, longer), true, true},
        {61000, SPAM, "$long", false, script_answer(200, longest), true, true},
        {61000, SPAM, "$long", false, pass, false, true},
        /* What fails is asked again. */
        {61000, SPAM, "$3", false, {.error = SLICE("timed out")}, true, false},
        {61000, SPAM, "$3", false, script_answer(500, "{}"), true, false},
        {61000, SPAM, "$3", false, script_answer(200, "<html>"), true, false},
        {61000, SPAM, "$3", false, script_answer(200, "{\"no_such_tag\": 1}"), true, false},
        {61000, SPAM, "$3", false, deny, true, true},
        {61000, SPAM, "$3", false, pass, false, true},
    };
    const struct repeated switched_off[] = {
        {1000, SPAM, "$1", false, deny, true, true},
        {1000, SPAM, "$1", false, pass, true, false},
    };
    const struct repeated shorter[] = {
        {1000, SPAM, "$1", false, deny, true, true},
        {2999, SPAM, "$1", false, pass, false, true},
        {3000, SPAM, "$1", false, pass, true, false},
    };
    ask_repeatedly(BOTH_CALLBACKS "}", by_default, sizeof by_default / sizeof *by_default);
    ask_repeatedly(BOTH_CALLBACKS ", \"cache\": 0}", switched_off, sizeof switched_off / sizeof *switched_off);
    ask_repeatedly(BOTH_CALLBACKS ", \"cache\": 2}", shorter, sizeof shorter / sizeof *shorter);
}

/* A service that says of itself that it failed is asked again. */
Test(http_service, failures_are_not_kept)
{
    struct service_script script = {0};
    struct event event = {.event_id = SLICE("$1")};
    struct service_answer answer =
        script_answer(200, "{\"raise\": {\"code\": 500, \"errcode\": \"M_X\", \"msg\": \"x\"}}");
    cr_assert(script_start(&script, "http_service", ALL_OF(check_event_for_spam), SEMANTICS_LATEST, true));
    for (int time = 0; time < 2; time++) {
        cr_assert_null(judge_event(script.fixture.judge, &event, JUDGE_BOTH));
        struct judgement *parked = judge_park(script.fixture.judge);
        cr_expect_eq(judgement_resume(parked, &answer)->kind, OUTCOME_FAILED);
        judgement_free(parked);
    }
    cr_expect_eq(script.tickets, 2u);
    script_end(&script);
}

/* Where no event is asked about, the same question may have another answer each time. */
Test(http_service, answers_about_anything_else_are_not_kept)
{
    struct service_script script = {0};
    struct service_answer answer = script_answer(200, "\"NOT_SPAM\"");
    cr_assert(script_start(&script, "http_service", ALL_OF(user_may_join_room), SEMANTICS_LATEST, true));
    for (int time = 0; time < 2; time++)
        script_ask(&script, CALLBACK_user_may_join_room,
                   "{\"user_id\": \"@a:h\", \"room_id\": \"!r:h\", \"is_invited\": false}", &answer);
    cr_expect_eq(script.tickets, 2u);
    script_end(&script);
}

/* Far more events than there are places: the newest are there, and nothing is answered for another. */
Test(http_service, kept_answers_are_bounded)
{
    struct kept_answers *table = kept_answers_create(1000000);
    unsigned found = 0, newest = 0;
    char id[32], text[32];
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t number = 1; number <= 5 * (int64_t)KEPT_ANSWERS; number++) {
            struct event event = {.event_id =
                                      slice_of(id, (size_t)snprintf(id, sizeof id, "$%lld", (long long)number))};
            struct callback_arguments arguments = {.callback = SPAM, .event = &event, .now_ms = 1000 + number};
            struct service_answer answer = {.arrived = true, .status = 200};
            answer.body = slice_of(text, (size_t)snprintf(text, sizeof text, "%lld", (long long)number));
            if (pass == 0) {
                kept_answers_put(table, &arguments, &answer);
                continue;
            }
            struct service_answer kept;
            arguments.now_ms = 100000;
            if (!kept_answers_find(table, &arguments, &kept))
                continue;
            cr_expect(slice_equal(kept.body, answer.body));
            found++;
            newest += number > 5 * (int64_t)KEPT_ANSWERS - 100;
        }
    }
    cr_expect_eq(found, KEPT_ANSWERS);
    cr_expect_geq(newest, 99u);
    kept_answers_destroy(table);
}

#define AUTHORIZED                                                                                                     \
    "{\"url\": \"http://h/\", \"callbacks\": [\"check_event_for_spam\"], \"authorization_path\": \"token\"}"

Test(http_service, authorization_path)
{
    static const struct {
        const char *content;
        const char *value; /* NULL: refused */
    } cases[] = {
        {"Bearer secret", "Bearer secret"},
        {" \n\tBearer secret \r\n", "Bearer secret"},
        {"", NULL},
        {" \n", NULL},
        {"Bearer one\r\nX-Other: two", NULL},
        {NULL, NULL},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        struct service_script script = {.fixture.file_content = cases[index].content};
        cr_expect_eq(script_start(&script, "http_service", AUTHORIZED, SEMANTICS_LATEST, true),
                     cases[index].value != NULL);
        if (cases[index].value)
            cr_expect_str_eq(script.authorization, cases[index].value);
        else
            cr_expect_not_null(strstr(script.fixture.reports, "authorization_path: token: "), "%s",
                               script.fixture.reports);
        script_end(&script);
    }
}

Test(http_service, bad_configurations)
{
    static const struct {
        const char *configuration;
        enum semantics semantics;
        const char *report;
    } cases[] = {
        {"{\"callbacks\": [\"check_event_for_spam\"]}", SEMANTICS_LATEST, ": has no `url: URL`"},
        {"{\"url\": \"h.test\", \"callbacks\": [\"check_event_for_spam\"]}", SEMANTICS_LATEST,
         "url: must begin with http:// or https://"},
        {"{\"url\": \"http://impossible/\", \"callbacks\": [\"check_event_for_spam\"]}", SEMANTICS_LATEST,
         "url: that cannot be"},
        {"{\"url\": \"http://h.test/\"}", SEMANTICS_LATEST, ": has no `callbacks: [NAME, …]`"},
        {"{\"url\": \"http://h.test/\", \"callbacks\": [\"on_new_event\", \"chek_event_for_spam\"]}", SEMANTICS_LATEST,
         "callbacks[1]: there is no callback `chek_event_for_spam`; did you mean `check_event_for_spam`?"},
        {"{\"url\": \"http://h.test/\", \"callbacks\": [\"nonsense\"]}", SEMANTICS_LATEST,
         "callbacks[0]: there is no callback `nonsense`\n"},
        {"{\"url\": \"http://h.test/\", \"callbacks\": [\"check_login_for_spam\"]}", SEMANTICS_147,
         "callbacks[0]: `check_login_for_spam` does not exist with `semantics: 1.47`"},
        {"{\"url\": \"http://h.test/\", \"callbacks\": [\"auth_checkers\"], \"login_types\": [\"m.login.password\"]}",
         SEMANTICS_LATEST, "login_types[0]: must be `TYPE:FIELD,FIELD`"},
        {"{\"url\": \"http://h.test/\", \"callbacks\": [\"auth_checkers\"], \"login_types\": [\"a:b\", \":x\", "
         "\"y:\"]}",
         SEMANTICS_LATEST, "login_types[2]: must be `TYPE:FIELD,FIELD`"},
        {"{\"url\": \"http://h.test/\", \"callbacks\": [\"auth_checkers\"], \"ca_file\": \"x\"}", SEMANTICS_LATEST,
         "ca_file: x: no such file"},
        {"{\"url\": \"http://h.test/\", \"callbacks\": [\"auth_checkers\"], \"authorization\": \"a\", "
         "\"authorization_path\": \"b\"}",
         SEMANTICS_LATEST, "authorization_path: cannot be used together with `authorization`"},
        {"{\"url\": \"http://h.test/\", \"protocol\": \"antispam\", \"callbacks\": [\"check_event_for_spam\", "
         "\"check_event_allowed\"]}",
         SEMANTICS_LATEST, "callbacks[1]: synapse-http-antispam does not ask `check_event_allowed`"},
        {"{\"url\": \"http://h.test/\", \"callbacks\": [\"auth_checkers\"], \"on_error\": \"refuse\"}",
         SEMANTICS_LATEST, "on_error: must be one of pass, deny"},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        struct service_script script = {0};
        cr_expect_not(script_start(&script, "http_service", cases[index].configuration, cases[index].semantics, true));
        cr_expect_not_null(strstr(script.fixture.reports, cases[index].report), "%s", script.fixture.reports);
        script_end(&script);
    }
}

Test(http_service, asks_about_an_event)
{
    struct service_script script = {0};
    const struct outcome *outcome;
    struct event event = {.event_id = SLICE("$1")};
    cr_assert(script_start(&script, "http_service",
                           "{\"url\": \"http://h.test\", \"callbacks\": [\"check_event_allowed\"]}", SEMANTICS_LATEST,
                           true));
    cr_assert_eq(
        judge_read(script.fixture.judge,
                   SLICE("{\"type\": \"m.room.message\", \"sender\": \"@a:example.org\", \"room_id\": \"!r:h\", "
                         "\"content\": {\"body\": \"\xc3\xa9\\u00e9\", \"msgtype\": \"m.text\"}}"),
                   &event),
        EVENT_READ_OK);
    cr_assert_null(judge_event(script.fixture.judge, &event, JUDGE_BOTH));
    cr_expect_str_eq(buffer_string(&script.question),
                     "{\"callback\":\"check_event_allowed\",\"event_id\":\"$1\",\"args\":{\"event\":{\"type\": "
                     "\"m.room.message\", \"sender\": \"@a:example.org\", \"room_id\": \"!r:h\", \"content\": "
                     "{\"body\": \"\xc3\xa9\\u00e9\", \"msgtype\": \"m.text\"}}}}");
    struct judgement *parked = judge_park(script.fixture.judge);
    struct service_answer answer =
        script_answer(200, "[true, {\"content\": {\"body\": \"x\", \"msgtype\": \"m.text\"}}]");
    cr_assert_not_null(outcome = judgement_resume(parked, &answer));
    cr_expect_eq(outcome->kind, OUTCOME_CHANGED);
    judgement_free(parked);
    /* Without a body: what the row tells. */
    struct event row = {
        .event_id = SLICE("$2"), .room_id = SLICE("!r:h"), .type = SLICE("m.room.topic"), .state_key = SLICE("")};
    cr_assert_null(judge_event(script.fixture.judge, &row, JUDGE_BOTH));
    cr_expect_str_eq(
        buffer_string(&script.question),
        "{\"callback\":\"check_event_allowed\",\"event_id\":\"$2\",\"args\":{\"event\":{\"event_id\":\"$2\","
        "\"room_id\":\"!r:h\",\"type\":\"m.room.topic\",\"state_key\":\"\"}}}");
    parked = judge_park(script.fixture.judge);
    answer = script_answer(200, "[false, null]");
    cr_assert_not_null(outcome = judgement_resume(parked, &answer));
    cr_expect_eq(outcome->kind, OUTCOME_DENIED);
    judgement_free(parked);
    script_end(&script);
}

Test(http_service, asks_about_arguments_of_every_type)
{
    static const struct {
        enum callback callback;
        const char *configuration;
        const char *arguments;
    } cases[] = {
        {CALLBACK_user_may_join_room, ALL_OF(user_may_join_room),
         "{\"user_id\":\"@a:h\",\"room_id\":\"!r:h\",\"is_invited\":true}"},
        {CALLBACK_check_registration_for_spam, ALL_OF(check_registration_for_spam),
         "{\"email_threepid\":null,\"username\":null,\"request_info\":[[\"agent\",\"1.2.3.4\"]],\"auth_provider_id\":"
         "\"oidc\"}"},
        {CALLBACK_user_may_create_room, ALL_OF(user_may_create_room),
         "{\"user_id\":\"@a:h\",\"room_config\":{\"name\":\"\xc3\xa9 \\\"q\\\"\",\"n\":1.5}}"},
        {CALLBACK_check_threepid_can_be_invited, ALL_OF(check_threepid_can_be_invited),
         "{\"medium\":\"email\",\"address\":\"a@b\",\"state\":[{\"type\":\"m.room.create\"}]}"},
        {CALLBACK_is_user_allowed_to_upload_media_of_size, ALL_OF(is_user_allowed_to_upload_media_of_size),
         "{\"user_id\":\"@a:h\",\"size\":12345678901}"},
        {CALLBACK_on_media_upload_limit_exceeded, ALL_OF(on_media_upload_limit_exceeded),
         "{\"user_id\":\"@a:h\",\"limit\":{\"max_bytes\":1,\"time_period_ms\":2},\"sent_bytes\":3,\"attempted_bytes\":"
         "4}"},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        struct service_script script = {0};
        struct buffer expected = {0};
        struct service_answer answer = script_answer(200, "null");
        cr_assert(script_start(&script, "http_service", cases[index].configuration, SEMANTICS_LATEST, true));
        script_ask(&script, cases[index].callback, cases[index].arguments, &answer);
        buffer_append_format(&expected, "{\"callback\":\"%s\",\"args\":%s}",
                             callback_definitions[cases[index].callback].name, cases[index].arguments);
        cr_expect_str_eq(buffer_string(&script.question), buffer_string(&expected));
        buffer_free(&expected);
        script_end(&script);
    }
}

#define UPDATES                                                                                                        \
    "{\"state_updates\": [{\"user_id\": \"@b:h\", \"state\": \"online\", \"last_active_ts\": 1}, {\"user_id\": "       \
    "\"@a:h\", \"state\": \"offline\"}, {\"user_id\": \"@b:h\", \"state\": \"busy\"}]}"
#define STATE(user, state, active)                                                                                     \
    "{\"user_id\":\"" user "\",\"state\":\"" state "\",\"last_active_ts\":" active                                     \
    ",\"last_federation_update_ts\":0,\"last_user_sync_ts\":0,\"status_msg\":null,\"currently_active\":false}"
#define LOGIN "{\"username\": \"bob\", \"login_type\": \"m.login.password\", \"login_dict\": {\"password\": \"x\"}}"
#define REGISTRATION                                                                                                   \
    "{\"email_threepid\": null, \"username\": \"bob\", \"request_info\": [], \"auth_provider_id\": null}"
#define CREATION "{\"requester\": {}, \"config\": {\"name\": \"old\"}, \"is_requester_admin\": false}"
#define USER "{\"user_id\": \"@a:h\"}"
#define JOIN "{\"user_id\": \"@a:h\", \"room_id\": \"!r:h\", \"is_invited\": false}"

static const struct reply_case {
    enum callback callback;
    const char *configuration;
    const char *arguments;
    const char *reply;
    const char *outcome; /* with `on_error: pass`; NULL: the reply is of no use */
} replies[] = {
    {CALLBACK_user_may_join_room, ALL_OF(user_may_join_room), JOIN, "\"NOT_SPAM\"", "passed \"NOT_SPAM\""},
    {CALLBACK_user_may_join_room, ALL_OF(user_may_join_room), JOIN, "{\"code\": \"M_LIMIT_EXCEEDED\"}",
     "denied {\"code\":\"M_LIMIT_EXCEEDED\",\"fields\":{}}"},
    {CALLBACK_user_may_join_room, ALL_OF(user_may_join_room), JOIN, "{\"pass\": true}", "passed \"NOT_SPAM\""},
    {CALLBACK_user_may_join_room, ALL_OF(user_may_join_room), JOIN,
     "{\"raise\": {\"code\": 429, \"errcode\": \"M_X\", \"msg\": \"slow\"}}",
     "failed {\"raise\":{\"type\":\"SynapseError\",\"code\":429,\"errcode\":\"M_X\",\"msg\":\"slow\"}}"},
    {CALLBACK_user_may_join_room, ALL_OF(user_may_join_room), JOIN, "{\"no_such_tag\": true}", NULL},
    {CALLBACK_user_may_join_room, ALL_OF(user_may_join_room), JOIN, "{\"code\": \"M_INVENTED\"}", NULL},
    {CALLBACK_user_may_join_room, ALL_OF(user_may_join_room), JOIN, "", NULL},
    {CALLBACK_user_may_join_room, ALL_OF(user_may_join_room), JOIN, "<html>", NULL},
    {CALLBACK_user_may_join_room, ALL_OF(user_may_join_room), JOIN, "null null", NULL},
    {CALLBACK_check_registration_for_spam, ALL_OF(check_registration_for_spam), REGISTRATION, "\"SHADOW_BAN\"",
     "denied {\"behaviour\":\"SHADOW_BAN\"}"},
    {CALLBACK_get_interested_users, ALL_OF(get_interested_users), USER, "[\"@x:h\", \"@y:h\", \"@x:h\"]",
     "passed {\"set\":[\"@x:h\",\"@y:h\"]}"},
    {CALLBACK_get_interested_users, ALL_OF(get_interested_users), USER, "\"ALL\"", "passed {\"str\":\"ALL\"}"},
    {CALLBACK_get_interested_users, ALL_OF(get_interested_users), USER, "[\"@x:h\", 1]", NULL},
    {CALLBACK_get_users_for_states, ALL_OF(get_users_for_states), UPDATES, "{}", "passed {\"dict\":{}}"},
    {CALLBACK_get_users_for_states, ALL_OF(get_users_for_states), UPDATES,
     "{\"@x:h\": [\"@b:h\", \"@b:h\"], \"@y:h\": []}",
     "passed {\"dict\":{\"@x:h\":{\"set\":[" STATE("@b:h", "online", "1") "," STATE("@b:h", "busy",
                                                                                    "0") "]},\"@y:h\":{\"set\":[]}}}"},
    {CALLBACK_get_users_for_states, ALL_OF(get_users_for_states), UPDATES,
     "{\"@x:h\": [{\"user_id\": \"@c:h\", \"state\": \"online\"}, \"@a:h\"]}",
     "passed {\"dict\":{\"@x:h\":{\"set\":[" STATE("@c:h", "online", "0") "," STATE("@a:h", "offline", "0") "]}}}"},
    {CALLBACK_get_users_for_states, ALL_OF(get_users_for_states), UPDATES, "{\"@x:h\": [\"@nobody:h\"]}", NULL},
    {CALLBACK_get_users_for_states, ALL_OF(get_users_for_states), UPDATES, "{\"@x:h\": \"@b:h\"}", NULL},
    {CALLBACK_get_users_for_states, ALL_OF(get_users_for_states), UPDATES, "{\"@x:h\": [{\"state\": \"online\"}]}",
     NULL},
    {CALLBACK_auth_checkers, ALL_OF(auth_checkers), LOGIN, "\"@bob:h\"",
     "passed {\"tuple\":[{\"str\":\"@bob:h\"},{\"none\":true}]}"},
    {CALLBACK_auth_checkers, ALL_OF(auth_checkers), LOGIN, "[\"@bob:h\", null]",
     "passed {\"tuple\":[{\"str\":\"@bob:h\"},{\"none\":true}]}"},
    {CALLBACK_auth_checkers, ALL_OF(auth_checkers), LOGIN, "null", "passed {\"none\":true}"},
    {CALLBACK_get_media_config_for_user, ALL_OF(get_media_config_for_user), USER, "{\"m.upload.size\": 5}",
     "passed {\"json\":{\"m.upload.size\":5}}"},
    {CALLBACK_get_media_upload_limits_for_user, ALL_OF(get_media_upload_limits_for_user), USER,
     "[{\"limit\": [1, 2]}, {\"limit\": [3, 4]}]", "passed {\"list\":[{\"limit\":[3,4]},{\"limit\":[1,2]}]}"},
    {CALLBACK_on_create_room, ALL_OF(on_create_room), CREATION, "{\"name\": \"new\", \"topic\": \"t\"}",
     "passed {\"none\":true} {\"name\":\"new\",\"topic\":\"t\"}"},
    {CALLBACK_on_create_room, ALL_OF(on_create_room), CREATION, "null", "passed {\"none\":true} {\"name\":\"old\"}"},
};

Test(http_service, reads_replies)
{
    for (size_t index = 0; index < sizeof replies / sizeof *replies; index++) {
        const struct reply_case *reply = &replies[index];
        struct service_script script = {0};
        struct service_answer answer = script_answer(200, reply->reply);
        cr_assert(script_start(&script, "http_service", reply->configuration, SEMANTICS_LATEST, true), "%s",
                  script.fixture.reports);
        const char *outcome = script_ask(&script, reply->callback, reply->arguments, &answer);
        if (reply->outcome)
            cr_expect_str_eq(outcome, reply->outcome, "%s", reply->reply);
        else
            cr_expect_eq(strncmp(outcome, "passed ", 7), 0, "%s: %s", reply->reply, outcome);
        cr_expect_eq(script.unusable, reply->outcome ? 0u : 1u, "%s: %s", reply->reply, script.complaint);
        script_end(&script);
    }
}

/* Whatever goes wrong, `on_error` decides, and the service hears of it where the answer was its own. */
Test(http_service, on_error_decides)
{
    static const char *const configurations[] = {
        "{\"url\": \"http://h/\", \"callbacks\": [\"user_may_join_room\"]}",
        "{\"url\": \"http://h/\", \"callbacks\": [\"user_may_join_room\"], \"on_error\": \"deny\"}",
    };
    const struct {
        struct service_answer answer;
        const char *refusal;
        bool complains;
    } cases[] = {
        {{.error = SLICE("no answer within 5 ms")}, NULL, false},
        {{0}, "too many", false},
        {script_answer(500, "\"NOT_SPAM\""), NULL, true},
        {script_answer(302, "\"NOT_SPAM\""), NULL, true},
        {script_answer(200, "no JSON"), NULL, true},
        {script_answer(200, "{\"set\": 1}"), NULL, true},
    };
    for (size_t deny = 0; deny < 2; deny++) {
        for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
            struct service_script script = {.refusal = cases[index].refusal};
            cr_assert(script_start(&script, "http_service", configurations[deny], SEMANTICS_LATEST, true));
            cr_expect_str_eq(script_ask(&script, CALLBACK_user_may_join_room, JOIN, &cases[index].answer),
                             deny ? "denied {\"code\":\"M_FORBIDDEN\",\"fields\":{}}" : "passed \"NOT_SPAM\"");
            cr_expect_eq(script.unusable, cases[index].complains ? 1u : 0u);
            script_end(&script);
        }
    }
    struct service_script nobody = {0};
    cr_assert(script_start(&nobody, "http_service", configurations[1], SEMANTICS_LATEST, false));
    cr_expect_str_eq(script_ask(&nobody, CALLBACK_user_may_join_room, JOIN, NULL),
                     "denied {\"code\":\"M_FORBIDDEN\",\"fields\":{}}");
    script_end(&nobody);
}

Test(http_service, asks_nothing_too_large)
{
    struct service_script script = {0};
    struct buffer arguments = {0};
    cr_assert(script_start(&script, "http_service",
                           "{\"url\": \"http://h/\", \"callbacks\": [\"user_may_join_room\"], \"on_error\": \"deny\"}",
                           SEMANTICS_LATEST, true));
    buffer_append_string(&arguments, "{\"room_id\": \"!r:h\", \"is_invited\": false, \"user_id\": \"");
    memset(buffer_reserve(&arguments, SERVICE_QUESTION_MAXIMUM), 'x', SERVICE_QUESTION_MAXIMUM);
    arguments.length += SERVICE_QUESTION_MAXIMUM;
    buffer_append_string(&arguments, "\"}");
    cr_expect_str_eq(script_ask(&script, CALLBACK_user_may_join_room, buffer_string(&arguments), NULL),
                     "denied {\"code\":\"M_FORBIDDEN\",\"fields\":{}}");
    cr_expect_eq(script.tickets, 0u);
    buffer_free(&arguments);
    script_end(&script);
}

Test(http_service, login_types)
{
    struct service_script script = {0};
    struct arena arena = {0};
    struct buffer text = {0};
    cr_assert(script_start(&script, "http_service",
                           "{\"url\": \"http://h/\", \"callbacks\": [\"auth_checkers\"], \"login_types\": "
                           "[\"m.login.password:password\", \"my.type:one, two\"]}",
                           SEMANTICS_LATEST, true));
    struct value types = chain_login_types(script.fixture.chain, &arena);
    value_append_json(&types, &text);
    cr_expect_not_null(strstr(buffer_string(&text), "\"m.login.password\":"), "%s", buffer_string(&text));
    cr_expect_not_null(strstr(buffer_string(&text), "{\"str\":\"one\"},{\"str\":\"two\"}"), "%s", buffer_string(&text));
    struct service_answer answer = script_answer(200, "\"@bob:h\"");
    cr_expect_str_eq(script_ask(&script, CALLBACK_auth_checkers,
                                "{\"username\": \"bob\", \"login_type\": \"my.type\", \"login_dict\": {}}", &answer),
                     "passed {\"tuple\":[{\"str\":\"@bob:h\"},{\"none\":true}]}");
    buffer_free(&text);
    arena_free(&arena);
    script_end(&script);
}
