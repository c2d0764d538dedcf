/* Invites: too many, to whom none may come, and into what. */
#include "base/keyed_hash.h"
#include "filters/chain_state.h"
#include "tests/filters/module_fixture.h"

#define START 1700000000000

/* The rule that refuses, or "" if it passes; `ask` is about the outcome in the fixture. */
static const char *rule_of(struct module_fixture *fixture)
{
    static char rule[64];
    struct slice text = fixture->outcome.result.rule;
    snprintf(rule, sizeof rule, "%.*s", (int)text.length, text.data);
    return fixture->outcome.kind == OUTCOME_PASSED ? "" : rule;
}

static const char *asked(struct module_fixture *fixture, int64_t now_ms, const char *sender, const char *target,
                         const char *room)
{
    char arguments[256];
    fixture->now_ms = now_ms;
    snprintf(arguments, sizeof arguments, "{\"inviter\":\"%s\",\"invitee\":\"%s\",\"room_id\":\"%s\"}", sender, target,
             room);
    fixture_ask(fixture, CALLBACK_user_may_invite, arguments);
    return rule_of(fixture);
}

/* A member event of that sender; `callback` is asked about it. `more` are further members of the event. */
static const char *asked_of_event(struct module_fixture *fixture, enum callback callback, int64_t now_ms,
                                  const char *membership, const char *sender, const char *target, const char *room,
                                  const char *more, bool trial)
{
    char body[1024];
    struct event event = {0};
    snprintf(body, sizeof body,
             "{\"sender\":\"%s\",\"state_key\":\"%s\",\"room_id\":\"%s\",\"type\":\"m.room.member\",\"content\":{"
             "\"membership\":\"%s\"}%s}",
             sender, target, room, membership, more);
    arena_reset(&fixture->arena);
    cr_assert_eq(judge_read(fixture->judge, slice_from_string(body), &event), EVENT_READ_OK, "%s", body);
    struct callback_arguments question = {
        .event = &event, .count = 1, .arena = &fixture->arena, .now_ms = now_ms, .trial = trial};
    chain_run(fixture->chain, callback, &question, &fixture->outcome);
    return rule_of(fixture);
}

static const char *event_asked(struct module_fixture *fixture, int64_t now_ms, const char *sender, const char *target,
                               const char *room, const char *more)
{
    return asked_of_event(fixture, CALLBACK_check_event_allowed, now_ms, "invite", sender, target, room, more, false);
}

Test(invite_guard, rates)
{
    static const struct {
        const char *configuration, *rule, *reason, *evidence, *sender, *target, *room, *passes;
    } rows[] = {
        {"\"per_sender\": \"2/h\"", "per_sender", "more than 2 invites by one sender within 1h", "@a:y", "@a:y",
         "@z%d:x", "!r%d:x", "@b:y"},
        {"\"per_room\": \"2/10m\"", "per_room", "more than 2 invites into one room within 10m", "!r:x", "@a%d:y",
         "@z%d:x", "!r:x", NULL},
        {"\"per_server\": \"2/h\"", "per_server", "more than 2 invites from one server within 1h", "y", "@a%d:y",
         "@z%d:x", "!r%d:x", "@b:z"},
        {"\"per_target\": \"2/d\"", "per_target", "more than 2 invites of one user within 1d", "@z:x", "@a%d:y", "@z:x",
         "!r%d:x", NULL},
    };
    for (size_t index = 0; index < sizeof rows / sizeof *rows; index++) {
        struct module_fixture fixture = {0};
        char configuration[128], sender[32], target[32], room[32];
        snprintf(configuration, sizeof configuration, "{%s, \"code\": \"M_LIMIT_EXCEEDED\"}",
                 rows[index].configuration);
        cr_assert(fixture_open(&fixture, "invite_guard", configuration), "%s", fixture.reports);
        for (int number = 0; number < 5; number++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            snprintf(sender, sizeof sender, rows[index].sender, number);
            snprintf(target, sizeof target, rows[index].target, number);
            snprintf(room, sizeof room, rows[index].room, number);
#pragma GCC diagnostic pop
            cr_expect_str_eq(asked(&fixture, START, sender, target, room), number < 2 ? "" : rows[index].rule, "%d",
                             number);
        }
        EXPECT_SLICE(fixture.outcome.result.reason, rows[index].reason);
        EXPECT_SLICE(fixture.outcome.result.evidence, rows[index].evidence);
        EXPECT_SLICE(fixture.outcome.result.value.text, "M_LIMIT_EXCEEDED");
        cr_expect_str_eq(asked(&fixture, START, rows[index].passes ? rows[index].passes : "@o:o", "@o:x", "!o:x"), "");
        cr_expect_str_eq(asked(&fixture, START + 86400000, sender, target, room), "");
        fixture_close(&fixture);
    }
}

Test(invite_guard, our_own_server_has_no_bound)
{
    struct module_fixture fixture = {0};
    char sender[64], target[64];
    cr_assert(fixture_open(&fixture, "invite_guard", "{\"per_server\": \"1/h\"}"));
    for (int number = 0; number < 20; number++) {
        snprintf(sender, sizeof sender, "@a%d:example.org", number);
        snprintf(target, sizeof target, "@b%d:example.org", number);
        cr_expect_str_eq(asked(&fixture, START, sender, target, "!r:x"), "");
    }
    fixture_close(&fixture);
}

/* Both callbacks of an invite over federation, both of a local one, and the event as it is seen later: one invite. */
Test(invite_guard, one_invite_counts_once)
{
    struct module_fixture fixture = {0};
    static const char id[] = ",\"event_id\":\"$1\"";
    cr_assert(fixture_open(&fixture, "invite_guard", "{\"per_sender\": \"3/d\"}"));
    /* The chain asks user_may_invite behind it. */
    cr_expect_str_eq(asked_of_event(&fixture, CALLBACK_federated_user_may_invite, START, "invite", "@a:y", "@z:x",
                                    "!r:y", ",\"event_id\":\"$0\"", false),
                     "");
    cr_expect_str_eq(asked(&fixture, START + 1000, "@a:y", "@y:x", "!r:y"), "");
    for (int time = 0; time < 4; time++)
        cr_expect_str_eq(event_asked(&fixture, START + 2000 + time * 3600000, "@a:y", "@y:x", "!r:y", id), "");
    cr_expect_str_eq(asked(&fixture, START + 4 * 3600000, "@a:y", "@x:x", "!r:y"), "");
    cr_expect_str_eq(event_asked(&fixture, START + 4 * 3600000, "@a:y", "@x:x", "!r:y", ""), "");
    cr_expect_str_eq(asked(&fixture, START + 4 * 3600000, "@a:y", "@w:x", "!r:y"), "per_sender");
    cr_expect_str_eq(event_asked(&fixture, START + 4 * 3600000, "@a:y", "@w:x", "!r:y", ",\"event_id\":\"$9\""),
                     "per_sender");
    cr_expect_str_eq(event_asked(&fixture, START + 86400000 * 2, "@a:y", "@w:x", "!r:y", ",\"event_id\":\"$9\""),
                     "per_sender", "what was refused stays so");
    fixture_close(&fixture);
}

/* Invited, thrown out, invited again: each time the user's telephone rings. */
Test(invite_guard, the_same_invite_again)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "invite_guard", "{\"per_target\": \"3/h\"}"));
    int passed = 0;
    for (int time = 0; time < 9; time++) {
        const char *rule = asked(&fixture, START + time * 1000, "@a:x", "@z:x", "!r:x");
        passed += !*rule;
        cr_expect_str_eq(event_asked(&fixture, START + time * 1000, "@a:x", "@z:x", "!r:x", ""),
                         time < 3 ? "" : "per_target");
    }
    cr_expect_eq(passed, 3);
    fixture_close(&fixture);
}

Test(invite_guard, only_invites)
{
    static const char *const memberships[] = {"join", "leave", "ban", "knock"};
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "invite_guard", "{\"per_room\": \"1/h\", \"protected\": \"@p:x\"}"));
    for (int time = 0; time < 8; time++)
        cr_expect_str_eq(asked_of_event(&fixture, CALLBACK_check_event_allowed, START, memberships[time % 4], "@a:x",
                                        "@p:x", "!r:x", "", false),
                         "");
    cr_expect_str_eq(event_asked(&fixture, START, "@a:x", "@z:x", "!r:x", ""), "");
    cr_expect_str_eq(event_asked(&fixture, START, "@a:x", "@y:x", "!r:x", ""), "per_room");
    fixture_close(&fixture);
}

Test(invite_guard, addresses)
{
    static const char row[] =
        "{\"inviter\":\"@a%d:x\",\"medium\":\"email\",\"address\":\"a@b\",\"room_id\":\"!r%d:x\"}";
    struct module_fixture fixture = {.now_ms = START};
    char arguments[256];
    cr_assert(fixture_open(&fixture, "invite_guard", "{\"per_target\": \"2/h\"}"));
    fixture.now_ms = START;
    for (int number = 0; number < 4; number++) {
        snprintf(arguments, sizeof arguments, row, number, number);
        fixture_ask(&fixture, CALLBACK_user_may_send_3pid_invite, arguments);
        cr_expect_str_eq(rule_of(&fixture), number < 2 ? "" : "per_target");
    }
    EXPECT_SLICE(fixture.outcome.result.evidence, "a@b");
    fixture_close(&fixture);
}

Test(invite_guard, protected_users)
{
    static const struct {
        const char *sender, *target;
        bool refused;
    } rows[] = {{"@a:y", "@boss:x", true},
                {"@a:y", "@BOSS:x", true},
                {"@a:y", "@child7:x", true},
                {"@a:y", "@other:x", false},
                {"@friend:y", "@boss:x", false},
                {"@a:example.org", "@boss:x", false},
                {"@a:example.org.y", "@boss:x", true}};
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "invite_guard",
                           "{\"protected\": [\"@boss:x\", \"@child*:x\"], \"allow_from\": [\"@friend:y\", "
                           "\"@*:example.org\"]}"),
              "%s", fixture.reports);
    for (size_t index = 0; index < sizeof rows / sizeof *rows; index++) {
        const char *wanted = rows[index].refused ? "protected" : "";
        cr_expect_str_eq(asked(&fixture, START, rows[index].sender, rows[index].target, "!r:x"), wanted, "%s, %s",
                         rows[index].sender, rows[index].target);
        cr_expect_str_eq(event_asked(&fixture, START, rows[index].sender, rows[index].target, "!r:x", ""), wanted);
        cr_expect_str_eq(asked_of_event(&fixture, CALLBACK_federated_user_may_invite, START, "invite",
                                        rows[index].sender, rows[index].target, "!r:x", "", false),
                         wanted);
    }
    asked(&fixture, START, "@a:y", "@boss:x", "!r:x");
    EXPECT_SLICE(fixture.outcome.result.reason, "this user may not be invited by that one");
    EXPECT_SLICE(fixture.outcome.result.evidence, "@boss:x");
    fixture_close(&fixture);
}

Test(invite_guard, names_of_rooms)
{
    static const struct {
        const char *state;
        bool refused;
    } rows[] = {
        {"[{\"type\":\"m.room.name\",\"content\":{\"name\":\"Win at our C\\u0430SINO!\"}}]", true},
        {"[{\"type\":\"m.room.create\",\"content\":{}},{\"type\":\"m.room.topic\",\"content\":{\"topic\":\"free   "
         "coins\"}}]",
         true},
        {"[{\"type\":\"m.room.canonical_alias\",\"content\":{\"alias\":\"#casino:y\"}}]", true},
        {"[{\"type\":\"m.room.name\",\"content\":{\"name\":\"Occasional chat\"}}]", false},
        {"[{\"type\":\"m.room.name\",\"content\":{\"topic\":\"casino\"}}]", false},
        {"[{\"type\":\"m.room.avatar\",\"content\":{\"name\":\"casino\"}}]", false},
        {"[{\"type\":\"m.room.name\",\"content\":{\"name\":5}},7,null,{\"content\":[]}]", false},
        {"{\"type\":\"m.room.name\"}", false},
        {"[]", false},
    };
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "invite_guard", "{\"room_name_words\": [\"casino\", \"free coins\"]}"), "%s",
              fixture.reports);
    for (size_t index = 0; index < sizeof rows / sizeof *rows; index++) {
        char more[256];
        snprintf(more, sizeof more, ",\"unsigned\":{\"invite_room_state\":%s}", rows[index].state);
        cr_expect_str_eq(asked_of_event(&fixture, CALLBACK_federated_user_may_invite, START + (int64_t)index * 3600000,
                                        "invite", "@a:y", "@z:x", "!r:x", more, false),
                         rows[index].refused ? "room_name_words" : "", "%s", rows[index].state);
        if (index == 0) {
            EXPECT_SLICE(fixture.outcome.result.reason, "what the room is called has the word casino");
            EXPECT_SLICE(fixture.outcome.result.evidence, "Win at our C\xd0\xb0SINO!");
        }
    }
    cr_expect_str_eq(event_asked(&fixture, START, "@a:x", "@z:x", "!r:x", ""), "");
    fixture_close(&fixture);
}

Test(invite_guard, a_trial_changes_nothing)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "invite_guard", "{\"per_sender\": \"1/h\"}"));
    for (int time = 0; time < 3; time++)
        cr_expect_str_eq(asked_of_event(&fixture, CALLBACK_check_event_allowed, START, "invite", "@a:y", "@z:x", "!r:x",
                                        ",\"event_id\":\"$1\"", true),
                         "");
    cr_expect_str_eq(event_asked(&fixture, START, "@a:y", "@z:x", "!r:x", ",\"event_id\":\"$2\""), "");
    cr_expect_str_eq(asked_of_event(&fixture, CALLBACK_check_event_allowed, START, "invite", "@a:y", "@y:x", "!r:x",
                                    ",\"event_id\":\"$3\"", true),
                     "per_sender");
    fixture_close(&fixture);
}

Test(invite_guard, answers_in_both_semantics)
{
    static const char *const refusals[] = {"{\"code\":", "{\"bool\":false}"};
    for (int semantics = 0; semantics < 2; semantics++) {
        struct module_fixture fixture = {.semantics = semantics ? SEMANTICS_147 : SEMANTICS_LATEST};
        cr_assert(fixture_open(&fixture, "invite_guard", "{\"protected\": \"@p:x\"}"), "%s", fixture.reports);
        fixture.now_ms = START;
        const char *answer = fixture_ask(&fixture, CALLBACK_user_may_invite,
                                         "{\"inviter\":\"@a:x\",\"invitee\":\"@p:x\",\"room_id\":\"!r:x\"}");
        cr_expect(strncmp(answer, refusals[semantics], strlen(refusals[semantics])) == 0, "%s", answer);
        cr_expect_str_eq(event_asked(&fixture, START, "@a:x", "@p:x", "!r:x", ""), "protected");
        fixture_close(&fixture);
    }
}

Test(invite_guard, a_clock_that_is_set_back)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "invite_guard", "{\"per_sender\": \"1/m\"}"));
    cr_expect_str_eq(asked(&fixture, START + 86400000, "@a:y", "@1:x", "!r:x"), "");
    cr_expect_str_eq(asked(&fixture, START, "@a:y", "@2:x", "!r:x"), "per_sender");
    cr_expect_str_eq(asked(&fixture, START + 60000, "@a:y", "@3:x", "!r:x"), "");
    fixture_close(&fixture);
}

Test(invite_guard, wrong_configurations)
{
    static const struct {
        const char *configuration, *report;
        bool taken;
    } rows[] = {
        {"{\"per_sender\": \"often\"}", "per_sender: must be a rate", false},
        {"{\"protected\": [\"\"]}", "protected[0]: ", false},
        {"{\"room_name_words\": [\"...\", \"\"]}", "room_name_words[", false},
        {"{\"allow_from\": [\"@a:x\"]}", "warning: allow_from: does nothing without `protected`\n", true},
    };
    for (size_t index = 0; index < sizeof rows / sizeof *rows; index++) {
        struct module_fixture fixture = {0};
        cr_expect_eq(fixture_open(&fixture, "invite_guard", rows[index].configuration), rows[index].taken, "%s",
                     rows[index].configuration);
        cr_expect(strncmp(fixture.reports, rows[index].report, strlen(rows[index].report)) == 0, "%s: %s",
                  rows[index].configuration, fixture.reports);
        fixture_close(&fixture);
    }
}

Test(invite_guard, what_it_remembers_goes_on_in_another)
{
    struct module_fixture fixture = {0}, next = {0};
    struct chain_state_counts counts;
    struct buffer snapshot = {0};
    const char *problem;
    keyed_hash_draw_seed();
    cr_assert(fixture_open(&fixture, "invite_guard", "{\"per_sender\": \"2/h\"}"));
    keyed_hash_draw_seed();
    cr_assert(fixture_open(&next, "invite_guard", "{\"per_sender\": \"2/h\"}"));
    cr_expect_str_eq(asked(&fixture, START, "@a:y", "@1:x", "!r:x"), "");
    cr_expect_str_eq(asked(&fixture, START, "@a:y", "@2:x", "!r:x"), "");
    cr_expect_str_eq(asked(&fixture, START, "@a:y", "@3:x", "!r:x"), "per_sender");
    chain_state_save(fixture.chain, &snapshot);
    cr_assert(chain_state_restore(next.chain, buffer_slice(&snapshot), &counts, &problem), "%s", problem);
    cr_expect_eq(counts.restored, 1u);
    cr_expect_str_eq(event_asked(&next, START, "@a:y", "@2:x", "!r:x", ""), "");
    cr_expect_str_eq(asked(&next, START, "@a:y", "@4:x", "!r:x"), "per_sender");
    for (size_t length = 0; length < snapshot.length; length++)
        cr_expect_not(chain_state_restore(next.chain, slice_of(snapshot.data, length), &counts, &problem) &&
                      counts.restored);
    buffer_free(&snapshot);
    keyed_hash_seed = 0;
    fixture_close(&next);
    fixture_close(&fixture);
}

Test(invite_guard, figures)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "invite_guard", "{\"per_sender\": \"2/h\", \"per_target\": \"1/h\"}"));
    for (int number = 0; number < 5; number++) {
        char target[32];
        snprintf(target, sizeof target, "@%d:y", number);
        asked(&fixture, START, "@a:x", target, "!r:x");
    }
    asked(&fixture, START, "@b:x", "@1:y", "!r:x");
    EXPECT_FIGURE(&fixture, "per_sender_refused_total", 3);
    EXPECT_FIGURE(&fixture, "per_target_refused_total", 1);
    EXPECT_FIGURE(&fixture, "per_room_refused_total", 0);
    EXPECT_FIGURE(&fixture, "per_server_forgotten_total", 0);
    fixture_close(&fixture);
}

#define HOUR ((int64_t)3600000)

/* An event as the homeserver has stored it. `more` are further members of the event. */
static void stored(struct module_fixture *fixture, int64_t now_ms, const char *type, const char *sender,
                   const char *state_key, const char *room, const char *content, const char *more)
{
    char body[1024], key[128] = "";
    struct event event = {0};
    if (state_key)
        snprintf(key, sizeof key, "\"state_key\":\"%s\",", state_key);
    snprintf(body, sizeof body, "{\"type\":\"%s\",\"sender\":\"%s\",%s\"room_id\":\"%s\",\"content\":{%s}%s}", type,
             sender, key, room, content, more);
    judge_set_time(fixture->judge, now_ms, false);
    cr_assert_eq(judge_read(fixture->judge, slice_from_string(body), &event), EVENT_READ_OK, "%s", body);
    cr_expect_eq(judge_event(fixture->judge, &event, JUDGE_EVENT_FOR_SPAM)->kind, OUTCOME_PASSED, "%s", body);
}

static void made(struct module_fixture *fixture, int64_t now_ms, const char *sender, const char *room, const char *more)
{
    stored(fixture, now_ms, "m.room.create", sender, "", room, "", more);
}

static void is_in(struct module_fixture *fixture, const char *membership, const char *user, const char *room)
{
    char content[64];
    snprintf(content, sizeof content, "\"membership\":\"%s\"", membership);
    stored(fixture, START, "m.room.member", user, user, room, content, "");
}

/* What is asked about a direct message, over federation and of a local user. */
static const char *direct_asked(struct module_fixture *fixture, enum callback callback, const char *sender,
                                const char *target, bool trial)
{
    char body[512];
    struct event event = {0};
    snprintf(body, sizeof body,
             "{\"sender\":\"%s\",\"state_key\":\"%s\",\"room_id\":\"!dm:y\",\"type\":\"m.room.member\",\"content\":{"
             "\"membership\":\"invite\",\"is_direct\":true}}",
             sender, target);
    arena_reset(&fixture->arena);
    cr_assert_eq(judge_read(fixture->judge, slice_from_string(body), &event), EVENT_READ_OK, "%s", body);
    struct value value = {0};
    struct callback_arguments question = {
        .event = &event, .values = &value, .count = 1, .arena = &fixture->arena, .now_ms = START, .trial = trial};
    chain_run(fixture->chain, callback, &question, &fixture->outcome);
    return rule_of(fixture);
}

Test(invite_guard, new_rooms)
{
    struct module_fixture fixture = {0};
    char more[64];
    cr_assert(fixture_open(&fixture, "invite_guard", "{\"new_rooms\": \"1d\"}"), "%s", fixture.reports);
    cr_expect_str_eq(asked(&fixture, START, "@a:y", "@z:x", "!new:x"), "", "of what is not known it is old");
    made(&fixture, START, "@a:y", "!new:x", "");
    cr_expect_str_eq(asked(&fixture, START + HOUR, "@a:y", "@z:x", "!new:x"), "new_rooms");
    EXPECT_SLICE(fixture.outcome.result.reason, "the room was made less than 1d ago");
    EXPECT_SLICE(fixture.outcome.result.evidence, "!new:x");
    cr_expect_str_eq(event_asked(&fixture, START + HOUR, "@a:y", "@z:x", "!new:x", ""), "new_rooms");
    cr_expect_str_eq(asked_of_event(&fixture, CALLBACK_federated_user_may_invite, START + HOUR, "invite", "@a:y",
                                    "@z:x", "!new:x", "", false),
                     "new_rooms");
    cr_expect_str_eq(asked(&fixture, START + HOUR, "@a:y", "@z:x", "!other:x"), "");
    cr_expect_str_eq(asked(&fixture, START + 24 * HOUR + 1000, "@a:y", "@z:x", "!new:x"), "");
    /* A room of long ago whose first event comes to us now; and one of a clock that goes ahead. */
    snprintf(more, sizeof more, ",\"origin_server_ts\":%lld", (long long)(START - 25 * HOUR));
    made(&fixture, START, "@a:y", "!old:x", more);
    cr_expect_str_eq(asked(&fixture, START, "@b:y", "@z:x", "!old:x"), "");
    snprintf(more, sizeof more, ",\"origin_server_ts\":%lld", (long long)(START + 99 * HOUR));
    made(&fixture, START, "@a:y", "!ahead:x", more);
    cr_expect_str_eq(asked(&fixture, START + HOUR, "@b:y", "@z:x", "!ahead:x"), "new_rooms");
    cr_expect_str_eq(asked(&fixture, START + 24 * HOUR + 1000, "@b:y", "@z:x", "!ahead:x"), "");
    EXPECT_FIGURE(&fixture, "rooms", 3);
    EXPECT_FIGURE(&fixture, "new_rooms_refused_total", 4);
    fixture_close(&fixture);
}

/* Somebody who asks to send a first event into an old room does not make it new; who makes a room does. */
Test(invite_guard, a_room_that_begins_just_now)
{
    static const char *const rows[] = {"", ",\"prev_events\":[\"$1\"]", ",\"prev_events\":[]"};
    for (size_t row = 0; row < 3; row++) {
        struct module_fixture fixture = {0};
        struct event event = {0};
        struct value value = {0};
        char body[256];
        cr_assert(fixture_open(&fixture, "invite_guard", "{\"new_rooms\": \"1h\"}"), "%s", fixture.reports);
        snprintf(
            body, sizeof body,
            "{\"type\":\"m.room.create\",\"state_key\":\"\",\"sender\":\"@a:x\",\"room_id\":\"!r:x\",\"content\":{}%s}",
            rows[row]);
        for (int trial = 1; trial >= 0; trial--) {
            cr_assert_eq(judge_read(fixture.judge, slice_from_string(body), &event), EVENT_READ_OK, "%s", body);
            struct callback_arguments question = {.event = &event,
                                                  .values = &value,
                                                  .count = 1,
                                                  .arena = &fixture.arena,
                                                  .now_ms = START,
                                                  .trial = trial == 1};
            chain_run(fixture.chain, CALLBACK_check_event_allowed, &question, &fixture.outcome);
            cr_expect_str_eq(asked(&fixture, START, "@a:x", "@z:x", "!r:x"), row == 2 && !trial ? "new_rooms" : "",
                             "%zu, %d", row, trial);
        }
        fixture_close(&fixture);
    }
}

Test(invite_guard, direct_messages_of_strangers)
{
    static const enum callback callbacks_[] = {CALLBACK_federated_user_may_invite, CALLBACK_check_event_allowed};
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "invite_guard", "{\"dm\": \"deny\"}"), "%s", fixture.reports);
    is_in(&fixture, "join", "@z:x", "!r:x");
    is_in(&fixture, "join", "@friend:y", "!r:x");
    is_in(&fixture, "join", "@stranger:y", "!s:x");
    stored(&fixture, START, "m.room.message", "@speaker:y", NULL, "!r:x", "\"body\":\"x\"", "");
    for (size_t index = 0; index < 2; index++) {
        enum callback callback = callbacks_[index];
        cr_expect_str_eq(direct_asked(&fixture, callback, "@stranger:y", "@z:x", false), "dm");
        EXPECT_SLICE(fixture.outcome.result.evidence, "@stranger:y");
        cr_expect_str_eq(direct_asked(&fixture, callback, "@stranger:y", "@z:x", true), "dm");
        cr_expect_str_eq(direct_asked(&fixture, callback, "@friend:y", "@z:x", false), "");
        cr_expect_str_eq(direct_asked(&fixture, callback, "@speaker:y", "@z:x", false), "");
        cr_expect_str_eq(direct_asked(&fixture, callback, "@friend:y", "@nobody:x", false), "dm");
        cr_expect_str_eq(asked_of_event(&fixture, callback, START, "invite", "@stranger:y", "@z:x", "!dm:y", "", false),
                         "", "no direct message");
    }
    EXPECT_FIGURE(&fixture, "dm_refused_total", 4);
    is_in(&fixture, "leave", "@friend:y", "!s:x");
    cr_expect_str_eq(direct_asked(&fixture, CALLBACK_check_event_allowed, "@friend:y", "@z:x", false), "");
    is_in(&fixture, "leave", "@friend:y", "!r:x");
    cr_expect_str_eq(direct_asked(&fixture, CALLBACK_check_event_allowed, "@friend:y", "@z:x", false), "dm");
    is_in(&fixture, "ban", "@speaker:y", "!r:x");
    cr_expect_str_eq(direct_asked(&fixture, CALLBACK_check_event_allowed, "@speaker:y", "@z:x", false), "dm");
    fixture_close(&fixture);
}

Test(invite_guard, who_shares_a_room)
{
    static const char *const configurations[] = {
        "{\"dm\": \"deny\", \"new_rooms\": \"1h\"}",
        "{\"dm\": \"deny\", \"new_rooms\": \"1h\", \"accept_common_room\": false}", "{}"};
    for (size_t index = 0; index < 3; index++) {
        struct module_fixture fixture = {0};
        cr_assert(fixture_open(&fixture, "invite_guard", configurations[index]), "%s", fixture.reports);
        if (index < 2) {
            is_in(&fixture, "join", "@z:x", "!r:x");
            is_in(&fixture, "join", "@friend:y", "!r:x");
            made(&fixture, START, "@friend:y", "!new:x", "");
        }
        cr_expect_str_eq(direct_asked(&fixture, CALLBACK_check_event_allowed, "@friend:y", "@z:x", false),
                         index == 1 ? "dm" : "");
        cr_expect_str_eq(asked(&fixture, START, "@friend:y", "@z:x", "!new:x"), index == 1 ? "new_rooms" : "");
        cr_expect_str_eq(asked(&fixture, START, "@b:y", "@z:x", "!new:x"), index < 2 ? "new_rooms" : "");
        fixture_close(&fixture);
    }
}

/* What users do who only ask is not what they are: nobody comes into a room by asking. */
Test(invite_guard, who_only_says_that_it_joins)
{
    struct module_fixture fixture = {0};
    struct event event = {0};
    struct value value = {0};
    static const char body[] = "{\"type\":\"m.room.member\",\"state_key\":\"@s:y\",\"sender\":\"@s:y\",\"room_id\":"
                               "\"!r:x\",\"content\":{\"membership\":\"join\"}}";
    cr_assert(fixture_open(&fixture, "invite_guard", "{\"dm\": \"deny\"}"), "%s", fixture.reports);
    is_in(&fixture, "join", "@z:x", "!r:x");
    cr_assert_eq(judge_read(fixture.judge, slice_from_string(body), &event), EVENT_READ_OK);
    struct callback_arguments question = {
        .event = &event, .values = &value, .count = 1, .arena = &fixture.arena, .now_ms = START};
    chain_run(fixture.chain, CALLBACK_check_event_allowed, &question, &fixture.outcome);
    chain_run(fixture.chain, CALLBACK_check_event_for_spam, &question, &fixture.outcome);
    cr_expect_str_eq(direct_asked(&fixture, CALLBACK_check_event_allowed, "@s:y", "@z:x", false), "dm");
    fixture_close(&fixture);
}

Test(invite_guard, rooms_go_on_in_another)
{
    static const char configuration[] = "{\"dm\": \"deny\", \"new_rooms\": \"1d\"}";
    struct module_fixture fixture = {0}, next = {0};
    struct chain_state_counts counts;
    struct buffer snapshot = {0};
    const char *problem;
    keyed_hash_draw_seed();
    cr_assert(fixture_open(&fixture, "invite_guard", configuration));
    keyed_hash_draw_seed();
    cr_assert(fixture_open(&next, "invite_guard", configuration));
    made(&fixture, START, "@a:y", "!new:x", "");
    is_in(&fixture, "join", "@z:x", "!r:x");
    is_in(&fixture, "join", "@friend:y", "!r:x");
    chain_state_save(fixture.chain, &snapshot);
    cr_assert(chain_state_restore(next.chain, buffer_slice(&snapshot), &counts, &problem), "%s", problem);
    cr_expect_eq(counts.restored, 1u);
    cr_expect_str_eq(asked(&next, START + HOUR, "@a:y", "@z:x", "!new:x"), "new_rooms");
    cr_expect_str_eq(direct_asked(&next, CALLBACK_check_event_allowed, "@friend:y", "@z:x", false), "");
    cr_expect_str_eq(direct_asked(&next, CALLBACK_check_event_allowed, "@a:y", "@z:x", false), "dm");
    buffer_free(&snapshot);
    keyed_hash_seed = 0;
    fixture_close(&next);
    fixture_close(&fixture);
}
