/* Floods: what is one too many, for whom, and when it is let through again. */
#include "base/keyed_hash.h"
#include "filters/chain_state.h"
#include "tests/filters/module_fixture.h"

#define START 1700000000000

/* Whether the event is denied when these callbacks are asked. */
static bool body_denied(struct module_fixture *fixture, const char *body, unsigned ask)
{
    struct event event = {0};
    cr_assert_eq(judge_read(fixture->judge, slice_from_string(body), &event), EVENT_READ_OK, "%s", body);
    fixture->outcome = *judge_event(fixture->judge, &event, ask);
    return fixture->outcome.kind != OUTCOME_PASSED;
}

/* The same for an event of that sender, room and type, without an id. */
static bool denied(struct module_fixture *fixture, int64_t now_ms, const char *sender, const char *room,
                   const char *type)
{
    char body[512];
    snprintf(body, sizeof body, "{\"sender\":\"%s\",\"room_id\":\"%s\",\"type\":\"%s\",\"content\":{}}", sender, room,
             type);
    judge_set_time(fixture->judge, now_ms, false);
    return body_denied(fixture, body, JUDGE_EVENT_FOR_SPAM);
}

static bool message_denied(struct module_fixture *fixture, int64_t now_ms, const char *sender)
{
    return denied(fixture, now_ms, sender, "!r:x", "m.room.message");
}

/* The same with an id, asked about as an observed event is. */
static bool event_denied(struct module_fixture *fixture, int64_t now_ms, int number)
{
    char body[256];
    snprintf(body, sizeof body,
             "{\"event_id\":\"$%d\",\"sender\":\"@a:x\",\"room_id\":\"!r:x\",\"type\":\"m.t\",\"content\":{}}", number);
    judge_set_time(fixture->judge, now_ms, false);
    return body_denied(fixture, body, JUDGE_BOTH);
}

Test(rate, a_burst_and_then_the_rate)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "rate", "{\"rules\": [{\"rate\": \"10/m\", \"burst\": 3}]}"), "%s",
              fixture.reports);
    cr_expect(chain_needs_body(fixture.chain));
    cr_expect(chain_reads_time(fixture.chain));
    uint32_t index;
    cr_expect_not(chain_concurrent(fixture.chain, &index));
    for (int count = 0; count < 3; count++)
        cr_expect_not(message_denied(&fixture, START, "@a:x"));
    cr_expect(message_denied(&fixture, START, "@a:x"));
    EXPECT_SLICE(fixture.outcome.result.rule, "10/m for each sender");
    EXPECT_SLICE(fixture.outcome.result.reason, "more than 3 at once and then 10/m");
    EXPECT_SLICE(fixture.outcome.result.evidence, "@a:x");
    EXPECT_SLICE(fixture.outcome.result.value.text, "M_FORBIDDEN");
    cr_expect_not(message_denied(&fixture, START, "@b:x"));
    cr_expect(message_denied(&fixture, START + 5999, "@a:x"));
    cr_expect_not(message_denied(&fixture, START + 6000, "@a:x"));
    cr_expect(message_denied(&fixture, START + 6001, "@a:x"));
    fixture_close(&fixture);
}

/* Whoever goes on too fast gets the rate through, and no less. */
Test(rate, what_is_denied_costs_nothing)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "rate", "{\"rules\": [{\"rate\": \"10/s\", \"burst\": 1}]}"));
    int passed = 0;
    for (int64_t now = START; now < START + 10000; now += 10)
        passed += !message_denied(&fixture, now, "@a:x");
    cr_expect_eq(passed, 100);
    fixture_close(&fixture);
}

Test(rate, keys)
{
    static const struct {
        const char *key;
        bool same_sender_elsewhere, same_server, same_room;
    } rows[] = {{"sender", true, false, false},
                {"room", false, false, true},
                {"server", true, true, false},
                {"sender_room", false, false, false}};
    for (size_t index = 0; index < sizeof rows / sizeof *rows; index++) {
        struct module_fixture fixture = {0};
        char configuration[128];
        snprintf(configuration, sizeof configuration,
                 "{\"code\": \"M_LIMIT_EXCEEDED\", \"rules\": [{\"rate\": \"1/h\", \"key\": \"%s\"}]}",
                 rows[index].key);
        cr_assert(fixture_open(&fixture, "rate", configuration));
        cr_expect_not(denied(&fixture, START, "@a:x", "!r:x", "m.t"));
        cr_expect(denied(&fixture, START, "@a:x", "!r:x", "m.t"), "%s", rows[index].key);
        EXPECT_SLICE(fixture.outcome.result.value.text, "M_LIMIT_EXCEEDED");
        cr_expect_eq(denied(&fixture, START, "@a:x", "!s:x", "m.t"), rows[index].same_sender_elsewhere, "%s",
                     rows[index].key);
        cr_expect_eq(denied(&fixture, START, "@b:x", "!t:x", "m.t"), rows[index].same_server, "%s", rows[index].key);
        cr_expect_eq(denied(&fixture, START, "@c:y", "!r:x", "m.t"), rows[index].same_room, "%s", rows[index].key);
        fixture_close(&fixture);
    }
}

Test(rate, of_rooms_the_row_alone_tells)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "rate", "{\"rules\": [{\"rate\": \"2/h\", \"key\": \"room\"}]}"));
    cr_expect_not(chain_needs_body(fixture.chain));
    struct event event = {.room_id = SLICE("!r:x"), .type = SLICE("m.t")};
    judge_set_time(fixture.judge, START, false);
    /* Without an id it counts for check_event_allowed, and again for check_event_for_spam. */
    cr_expect_eq(judge_event(fixture.judge, &event, JUDGE_BOTH)->kind, OUTCOME_PASSED);
    cr_expect_eq(judge_event(fixture.judge, &event, JUDGE_BOTH)->kind, OUTCOME_DENIED);
    event.room_id = SLICE("!s:x");
    event.event_id = SLICE("$1");
    cr_expect_eq(judge_event(fixture.judge, &event, JUDGE_BOTH)->kind, OUTCOME_PASSED);
    event.event_id = SLICE("$2");
    cr_expect_eq(judge_event(fixture.judge, &event, JUDGE_BOTH)->kind, OUTCOME_PASSED);
    event.event_id = SLICE("$3");
    cr_expect_eq(judge_event(fixture.judge, &event, JUDGE_BOTH)->kind, OUTCOME_DENIED);
    fixture_close(&fixture);
}

Test(rate, an_event_counts_once_and_keeps_its_answer)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "rate", "{\"rules\": [{\"rate\": \"1/h\", \"burst\": 3}]}"));
    for (int time = 0; time < 5; time++)
        for (int number = 0; number < 3; number++)
            cr_expect_not(event_denied(&fixture, START, number));
    cr_expect(event_denied(&fixture, START, 3));
    cr_expect_not(event_denied(&fixture, START, 1));
    cr_expect(event_denied(&fixture, START + 7200000, 3), "what was refused is not let through when it is seen again");
    EXPECT_SLICE(fixture.outcome.result.rule, "1/h for each sender");
    EXPECT_SLICE(fixture.outcome.result.evidence, "@a:x");
    cr_expect_not(event_denied(&fixture, START + 7200000, 4));
    fixture_close(&fixture);
}

Test(rate, a_trial_changes_nothing)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "rate", "{\"rules\": [{\"rate\": \"1/h\"}]}"));
    static const char body[] = "{\"event_id\":\"$1\",\"sender\":\"@a:x\",\"type\":\"m.t\",\"content\":{}}";
    judge_set_time(fixture.judge, START, true);
    for (int time = 0; time < 3; time++)
        cr_expect_not(body_denied(&fixture, body, JUDGE_BOTH));
    cr_expect_not(event_denied(&fixture, START, 1));
    judge_set_time(fixture.judge, START, true);
    cr_expect_not(body_denied(&fixture, body, JUDGE_BOTH));
    static const char other[] = "{\"event_id\":\"$2\",\"sender\":\"@a:x\",\"type\":\"m.t\",\"content\":{}}";
    cr_expect(body_denied(&fixture, other, JUDGE_BOTH));
    judge_set_time(fixture.judge, START + 3600000, true);
    cr_expect_not(body_denied(&fixture, other, JUDGE_BOTH));
    fixture_close(&fixture);
}

Test(rate, several_rules_and_types)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "rate",
                           "{\"rules\": [{\"name\": \"reactions\", \"rate\": \"2/h\", \"types\": \"m.reaction\"},"
                           "{\"name\": \"room\", \"rate\": \"4/h\", \"key\": \"room\", \"types\": [\"m.rea*\", "
                           "\"m.room.message\"]}]}"));
    for (int count = 0; count < 9; count++)
        cr_expect_not(denied(&fixture, START, "@a:x", "!r:x", "m.room.topic"), "no rule counts it");
    cr_expect_not(denied(&fixture, START, "@a:x", "!r:x", "m.reaction"));
    cr_expect_not(denied(&fixture, START, "@a:x", "!r:x", "m.reaction"));
    for (int count = 0; count < 9; count++) {
        cr_expect(denied(&fixture, START, "@a:x", "!r:x", "m.reaction"));
        EXPECT_SLICE(fixture.outcome.result.rule, "reactions");
    }
    /* What the first rule denied took nothing from the room's bucket. */
    cr_expect_not(denied(&fixture, START, "@b:x", "!r:x", "m.reaction"));
    cr_expect_not(denied(&fixture, START, "@a:x", "!r:x", "m.room.message"));
    cr_expect(denied(&fixture, START, "@b:x", "!r:x", "m.reaction"));
    EXPECT_SLICE(fixture.outcome.result.rule, "room");
    EXPECT_SLICE(fixture.outcome.result.evidence, "!r:x");
    /* Nor did what the second denied take from the first: one reaction is left to @b:x. */
    cr_expect_not(denied(&fixture, START, "@b:x", "!s:x", "m.reaction"));
    cr_expect(denied(&fixture, START, "@b:x", "!t:x", "m.reaction"));
    EXPECT_SLICE(fixture.outcome.result.rule, "reactions");
    fixture_close(&fixture);
}

Test(rate, bytes)
{
    struct module_fixture fixture = {0};
    cr_assert(
        fixture_open(&fixture, "rate", "{\"rules\": [{\"rate\": \"1000/s\", \"burst\": 200, \"cost\": \"bytes\"}]}"));
    char body[512];
    judge_set_time(fixture.judge, START, false);
    snprintf(body, sizeof body, "{\"sender\":\"@a:x\",\"type\":\"m.t\",\"content\":{\"body\":\"%080d\"}}", 0);
    cr_assert(strlen(body) > 100 && strlen(body) < 160);
    cr_expect_not(body_denied(&fixture, body, JUDGE_EVENT_FOR_SPAM));
    cr_expect(body_denied(&fixture, body, JUDGE_EVENT_FOR_SPAM));
    EXPECT_SLICE(fixture.outcome.result.rule, "1000 bytes/s for each sender");
    EXPECT_SLICE(fixture.outcome.result.reason, "more than 200 bytes at once and then 1000/s");
    cr_expect_not(body_denied(&fixture, "{\"sender\":\"@a:x\",\"content\":{}}", JUDGE_EVENT_FOR_SPAM));
    judge_set_time(fixture.judge, START + 86400000, false);
    snprintf(body, sizeof body, "{\"sender\":\"@a:x\",\"type\":\"m.t\",\"content\":{\"body\":\"%0300d\"}}", 0);
    cr_expect(body_denied(&fixture, body, JUDGE_EVENT_FOR_SPAM), "more than a full bucket");
    fixture_close(&fixture);
}

/* How many of a thousand an event has cost. */
static int64_t cost_of(const char *cost, const char *type, const char *content)
{
    struct module_fixture fixture = {0};
    char configuration[256], body[1024];
    snprintf(configuration, sizeof configuration,
             "{\"rules\": [{\"rate\": \"1/w\", \"burst\": 1000, \"cost\": \"%s\"}]}", cost);
    cr_assert(fixture_open(&fixture, "rate", configuration), "%s", fixture.reports);
    snprintf(body, sizeof body, "{\"sender\":\"@a:x\",\"type\":\"%s\",\"content\":{%s}}", type, content);
    judge_set_time(fixture.judge, START, false);
    int64_t times = 0;
    while (times <= 1000 && !body_denied(&fixture, body, JUDGE_EVENT_FOR_SPAM))
        times++;
    fixture_close(&fixture);
    return times == 0 ? 1001 : times > 1000 ? 0 : 1000 / times;
}

Test(rate, costs_of_content)
{
    static const struct {
        const char *cost, *type, *content;
        int64_t wanted;
    } rows[] = {
        {"mentions", "m.room.message", "\"body\":\"nobody\"", 0},
        {"mentions", "m.room.message", "\"body\":\"hi @a:x and @b:x\"", 2},
        {"mentions", "m.room.message",
         "\"body\":\"hi a\",\"m.mentions\":{\"user_ids\":[\"@a:x\",\"@b:x\",\"@c:x\",\"@d:x\"]}", 4},
        {"mentions", "m.room.message", "\"body\":\"hi\",\"m.mentions\":{\"room\":true}", 1},
        {"mentions", "m.room.message",
         "\"body\":\"a b\",\"formatted_body\":\"<a href=\\\"https://matrix.to/#/@a:x\\\">a</a> <a "
         "href='https://matrix.to/#/@b:x'>b</a>\",\"m.mentions\":{\"user_ids\":[\"@a:x\"]}",
         2},
        {"mentions", "m.room.message",
         "\"body\":\"hi\",\"m.new_content\":{\"body\":\"@a:x\",\"m.mentions\":{\"user_ids\":[\"@a:x\",\"@b:x\"]}}", 2},
        {"mentions", "m.room.message", "\"body\":5,\"m.mentions\":\"@a:x\"", 0},
        {"links", "m.room.message", "\"body\":\"see https://a.example and http://b.example/x\"", 2},
        {"links", "m.room.message",
         "\"body\":\"see\",\"formatted_body\":\"<a href='https://a.example'>https://a.example</a>\"", 1},
        {"links", "m.room.message",
         "\"body\":\"see\",\"formatted_body\":\"<a href=' HTTPS://a.example'>a</a><a href=http://b>b</a><a "
         "href='mailto:x'>c</a><a name=x>d</a>\"",
         2},
        {"links", "m.room.message", "\"body\":\"no link\"", 0},
        {"media", "m.room.message", "\"msgtype\":\"m.image\",\"body\":\"a.png\"", 1},
        {"media", "m.room.message", "\"msgtype\":\"m.text\",\"body\":\"a.png\"", 0},
        {"media", "m.sticker", "\"body\":\"a\"", 1},
        {"media", "m.room.message", "\"msgtype\":\"m.text\",\"body\":\"x\",\"formatted_body\":\"<img><IMG src=x>y\"",
         2},
        {"media", "m.room.message",
         "\"msgtype\":\"dm.filament.gallery\",\"body\":\"x\",\"itemtypes\":[{\"itemtype\":\"m.image\"},{\"itemtype\":"
         "\"m."
         "video\"},{\"itemtype\":\"m.file\"}]",
         3},
    };
    for (size_t index = 0; index < sizeof rows / sizeof *rows; index++) {
        int64_t cost = cost_of(rows[index].cost, rows[index].type, rows[index].content);
        cr_expect_eq(cost, rows[index].wanted, "%s of %s: %lld", rows[index].cost, rows[index].content,
                     (long long)cost);
    }
}

Test(rate, other_actions)
{
    static const struct {
        const char *action, *key;
        enum callback callback;
        const char *arguments, *refusal, *other;
    } rows[] = {
        {"joins", "sender", CALLBACK_user_may_join_room,
         "{\"user_id\":\"@a:x\",\"room_id\":\"!r:x\",\"is_invited\":false}",
         "{\"code\":", "{\"user_id\":\"@b:x\",\"room_id\":\"!r:x\",\"is_invited\":false}"},
        {"joins", "room", CALLBACK_user_may_join_room,
         "{\"user_id\":\"@a:x\",\"room_id\":\"!r:x\",\"is_invited\":false}",
         "{\"code\":", "{\"user_id\":\"@a:x\",\"room_id\":\"!s:x\",\"is_invited\":false}"},
        {"invites", "sender", CALLBACK_user_may_invite,
         "{\"inviter\":\"@a:x\",\"invitee\":\"@b:x\",\"room_id\":\"!r:x\"}",
         "{\"code\":", "{\"inviter\":\"@c:x\",\"invitee\":\"@b:x\",\"room_id\":\"!r:x\"}"},
        {"threepid_invites", "server", CALLBACK_user_may_send_3pid_invite,
         "{\"inviter\":\"@a:x\",\"medium\":\"email\",\"address\":\"a@b\",\"room_id\":\"!r:x\"}",
         "{\"code\":", "{\"inviter\":\"@a:y\",\"medium\":\"email\",\"address\":\"a@b\",\"room_id\":\"!r:x\"}"},
        {"rooms", "sender", CALLBACK_user_may_create_room, "{\"user_id\":\"@a:x\",\"room_config\":{}}",
         "{\"code\":", "{\"user_id\":\"@b:x\",\"room_config\":{}}"},
        {"aliases", "sender", CALLBACK_user_may_create_room_alias, "{\"user_id\":\"@a:x\",\"room_alias\":\"#a:x\"}",
         "{\"code\":", "{\"user_id\":\"@b:x\",\"room_alias\":\"#a:x\"}"},
        {"logins", "ip", CALLBACK_check_login_for_spam,
         "{\"user_id\":\"@a:x\",\"device_id\":null,\"initial_display_name\":null,"
         "\"request_info\":[[\"agent\",\"2001:db8::1\"]],\"auth_provider_id\":null}",
         "{\"code\":",
         "{\"user_id\":\"@a:x\",\"device_id\":null,\"initial_display_name\":null,"
         "\"request_info\":[[\"agent\",\"2001:db8:0:1::1\"]],\"auth_provider_id\":null}"},
        {"logins", "sender", CALLBACK_check_login_for_spam,
         "{\"user_id\":\"@a:x\",\"device_id\":null,\"initial_display_name\":null,\"request_info\":[],"
         "\"auth_provider_id\":null}",
         "{\"code\":",
         "{\"user_id\":\"@b:x\",\"device_id\":null,\"initial_display_name\":null,\"request_info\":[],"
         "\"auth_provider_id\":null}"},
        {"registrations", "ip", CALLBACK_check_registration_for_spam,
         "{\"email_threepid\":null,\"username\":\"a\",\"request_info\":[[\"agent\",\"192.0.2.7\"]],"
         "\"auth_provider_id\":null}",
         "{\"behaviour\":\"DENY\"}",
         "{\"email_threepid\":null,\"username\":\"a\",\"request_info\":[[\"agent\",\"192.0.2.8\"]],"
         "\"auth_provider_id\":null}"},
    };
    for (size_t index = 0; index < sizeof rows / sizeof *rows; index++) {
        struct module_fixture fixture = {0};
        char configuration[128], pass[256];
        snprintf(configuration, sizeof configuration,
                 "{\"rules\": [{\"rate\": \"1/h\", \"key\": \"%s\", \"actions\": [\"%s\"]}]}", rows[index].key,
                 rows[index].action);
        cr_assert(fixture_open(&fixture, "rate", configuration), "%s", fixture.reports);
        cr_expect_not(chain_needs_body(fixture.chain));
        cr_expect_eq(chain_callback_modules(fixture.chain, CALLBACK_check_event_allowed, NULL, 0), 0u);
        fixture.now_ms = START;
        snprintf(pass, sizeof pass, "%s", fixture_ask(&fixture, rows[index].callback, rows[index].arguments));
        const char *answer = fixture_ask(&fixture, rows[index].callback, rows[index].arguments);
        cr_expect(strncmp(answer, rows[index].refusal, strlen(rows[index].refusal)) == 0, "%s: %s", rows[index].action,
                  answer);
        cr_expect_str_eq(fixture_ask(&fixture, rows[index].callback, rows[index].other), pass, "%s",
                         rows[index].action);
        fixture.now_ms = START + 3600000;
        cr_expect_str_eq(fixture_ask(&fixture, rows[index].callback, rows[index].arguments), pass);
        fixture_close(&fixture);
    }
}

/* A subscriber has a whole IPv6 network, and IPv4 may come in IPv6's clothes. */
Test(rate, addresses_are_networks)
{
    static const struct {
        const char *first, *second;
        bool same;
    } rows[] = {{"2001:db8::1", "2001:db8::ffff:1:2:3", true},
                {"2001:db8::1", "2001:db8:0:1::1", false},
                {"192.0.2.7", "::ffff:192.0.2.7", true},
                {"192.0.2.7", "192.0.2.8", false},
                {"unix", "unix", true},
                {"", "unix", false}};
    for (size_t index = 0; index < sizeof rows / sizeof *rows; index++) {
        struct module_fixture fixture = {0};
        cr_assert(fixture_open(
            &fixture, "rate",
            "{\"rules\": [{\"rate\": \"1/h\", \"key\": \"ip\", \"actions\": [\"registrations\", \"logins\"]}]}"));
        const char *const addresses[] = {rows[index].first, rows[index].second};
        bool refused[2];
        for (int place = 0; place < 2; place++) {
            char arguments[256];
            snprintf(
                arguments, sizeof arguments,
                "{\"email_threepid\":null,\"username\":\"a\",\"request_info\":[[\"x\",\"10.0.0.1\"],[\"x\",\"%s\"]],"
                "\"auth_provider_id\":null}",
                addresses[place]);
            refused[place] =
                strstr(fixture_ask(&fixture, CALLBACK_check_registration_for_spam, arguments), "DENY") != NULL;
        }
        cr_expect_not(refused[0]);
        cr_expect_eq(refused[1], rows[index].same, "%s and %s", rows[index].first, rows[index].second);
        fixture_close(&fixture);
    }
}

/* An invite over federation is one: user_may_invite is asked behind federated_user_may_invite. */
Test(rate, a_federated_invite_counts_once)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "rate", "{\"rules\": [{\"rate\": \"2/h\", \"actions\": [\"invites\"]}]}"));
    static const char *const ids[] = {"$1", "$1", "$2", "$1", "$3"};
    for (int time = 0; time < 5; time++) {
        struct event event = {.event_id = slice_from_string(ids[time]),
                              .sender = SLICE("@a:y"),
                              .state_key = SLICE("@b:x"),
                              .room_id = SLICE("!r:y"),
                              .type = SLICE("m.room.member"),
                              .membership = SLICE("invite"),
                              .has_body = true};
        struct callback_arguments arguments = {.event = &event, .count = 1, .arena = &fixture.arena, .now_ms = START};
        struct outcome outcome;
        chain_run(fixture.chain, CALLBACK_federated_user_may_invite, &arguments, &outcome);
        cr_expect_eq(outcome.kind, time < 4 ? OUTCOME_PASSED : OUTCOME_DENIED, "%d", time);
    }
    fixture_close(&fixture);
}

Test(rate, wrong_configurations)
{
    static const struct {
        const char *configuration, *report;
    } rows[] = {
        {"{}", "rules: must be a list of 1 to 32 rules\n"},
        {"{\"rules\": [{}]}", "rules[0]: has no `rate`, such as \"10/m\"\n"},
        {"{\"rules\": [{\"rate\": \"10/m\", \"actions\": [\"join\"]}]}",
         "rules[0].actions[0]: is no action; did you mean `joins`?\n"},
        {"{\"rules\": [{\"rate\": \"10/m\", \"actions\": [\"everything at all\"]}]}",
         "rules[0].actions[0]: is no action: those are events, joins, invites, threepid_invites, rooms, aliases, "
         "logins and registrations\n"},
        {"{\"rules\": [{\"rate\": \"10/m\"}, {\"rate\": \"10/m\", \"actions\": [\"registrations\"]}]}",
         "rules[1].key: Synapse tells no `sender` of registrations: give those a rule with another key\n"},
        {"{\"rules\": [{\"rate\": \"10/m\", \"key\": \"ip\"}]}",
         "rules[0].key: Synapse tells no `ip` of events: give those a rule with another key\n"},
        {"{\"rules\": [{\"rate\": \"10/m\", \"actions\": []}]}",
         "rules[0].actions: is empty: the rule would count nothing\n"},
        {"{\"rules\": [{\"rate\": \"10/m\", \"cost\": \"bytes\", \"actions\": [\"events\", \"joins\"]}]}",
         "rules[0].cost: only events have bytes: give the other actions a rule of their own\n"},
        {"{\"rules\": [{\"rate\": \"10/m\", \"cost\": \"links\", \"actions\": [\"joins\"]}]}",
         "rules[0].cost: only events have links: give the other actions a rule of their own\n"},
        {"{\"rules\": [{\"rate\": \"10/m\", \"types\": [\"m.x\"], \"actions\": [\"joins\"]}]}",
         "rules[0].types: only events have a type, and the rule counts none\n"},
        {"{\"rules\": [{\"rate\": \"10/m\", \"types\": [\"\"]}]}", "rules[0].types[0]: "},
        {"{\"rules\": [{\"rate\": \"5000000/m\"}]}",
         "rules[0].rate: must be a rate (such as \"10/m\") of 1 to 4000000\n"},
    };
    for (size_t index = 0; index < sizeof rows / sizeof *rows; index++) {
        struct module_fixture fixture = {0};
        cr_expect_not(fixture_open(&fixture, "rate", rows[index].configuration), "%s", rows[index].configuration);
        cr_expect(strncmp(fixture.reports, rows[index].report, strlen(rows[index].report)) == 0, "%s: %s",
                  rows[index].configuration, fixture.reports);
        fixture_close(&fixture);
    }
}

/* An empty bucket fills again after the clock was set back, be it the only one. */
Test(rate, a_clock_that_is_set_back)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "rate", "{\"rules\": [{\"rate\": \"1/m\"}]}"));
    cr_expect_not(message_denied(&fixture, START + 86400000, "@a:x"));
    cr_expect(message_denied(&fixture, START, "@a:x"));
    cr_expect(message_denied(&fixture, START + 59000, "@a:x"));
    cr_expect_not(message_denied(&fixture, START + 60000, "@a:x"));
    fixture_close(&fixture);
}

Test(rate, what_it_remembers_goes_on_in_another)
{
    static const char configuration[] = "{\"rules\": [{\"rate\": \"1/h\", \"burst\": 2}, {\"rate\": \"3/h\", "
                                        "\"key\": \"room\", \"name\": \"room\"}]}";
    struct module_fixture fixture = {0}, next = {0};
    struct chain_state_counts counts;
    const char *problem;
    keyed_hash_draw_seed();
    cr_assert(fixture_open(&fixture, "rate", configuration));
    keyed_hash_draw_seed(); /* the next run has another */
    cr_assert(fixture_open(&next, "rate", configuration));
    cr_expect_not(event_denied(&fixture, START, 1));
    cr_expect_not(event_denied(&fixture, START, 2));
    cr_expect(event_denied(&fixture, START, 3));
    struct buffer snapshot = {0};
    chain_state_save(fixture.chain, &snapshot);
    cr_assert(chain_state_restore(next.chain, buffer_slice(&snapshot), &counts, &problem), "%s", problem);
    cr_expect_eq(counts.restored, 1u);
    cr_expect_eq(counts.anew, 0u);
    cr_expect_not(event_denied(&next, START, 1));
    cr_expect(event_denied(&next, START, 3));
    cr_expect(event_denied(&next, START, 4));
    cr_expect_not(message_denied(&next, START, "@b:x"));
    cr_expect(message_denied(&next, START, "@b:x"));
    EXPECT_SLICE(next.outcome.result.rule, "room");
    cr_expect_not(event_denied(&next, START + 3600000, 5));
    buffer_free(&snapshot);
    keyed_hash_seed = 0;
    fixture_close(&next);
    fixture_close(&fixture);
}

/* What `restore` cannot read leaves a module as new. */
Test(rate, refuses_what_it_cannot_read)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "rate", "{\"rules\": [{\"rate\": \"1/h\"}]}"));
    cr_expect_not(event_denied(&fixture, START, 1));
    struct buffer snapshot = {0};
    chain_state_save(fixture.chain, &snapshot);
    cr_expect_lt(snapshot.length, 1000u);
    struct chain_state_counts counts;
    const char *problem;
    for (size_t length = 0; length < snapshot.length; length++)
        cr_expect_not(chain_state_restore(fixture.chain, slice_of(snapshot.data, length), &counts, &problem) &&
                      counts.restored);
    for (size_t index = 16; index < snapshot.length; index++) {
        snapshot.data[index] ^= 1;
        chain_state_restore(fixture.chain, buffer_slice(&snapshot), &counts, &problem);
        cr_expect_eq(counts.restored, 0u, "byte %zu", index);
        snapshot.data[index] ^= 1;
    }
    cr_expect(chain_state_restore(fixture.chain, buffer_slice(&snapshot), &counts, &problem));
    cr_expect_eq(counts.restored, 1u);
    buffer_free(&snapshot);
    fixture_close(&fixture);
}
