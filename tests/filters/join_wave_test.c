/* Waves of joins: when a room is held, for whom, and when it is open again. */
#include "base/keyed_hash.h"
#include "filters/chain_state.h"
#include "tests/filters/modules_fixture.h"

#define START 1700000000000
#define MINUTE 60000

static bool refused(const struct module_fixture *fixture)
{
    return fixture->outcome.kind != OUTCOME_PASSED;
}

/* Whether user_may_join_room is refused. */
static bool asked(struct module_fixture *fixture, int64_t now_ms, const char *user, const char *room, bool invited)
{
    char arguments[256];
    fixture->now_ms = now_ms;
    snprintf(arguments, sizeof arguments, "{\"user_id\":\"%s\",\"room_id\":\"%s\",\"is_invited\":%s}", user, room,
             invited ? "true" : "false");
    fixture_ask(fixture, CALLBACK_user_may_join_room, arguments);
    return refused(fixture);
}

static bool body_refused(struct module_fixture *fixture, int64_t now_ms, const char *body, unsigned ask, bool trial)
{
    struct event event = {0};
    judge_set_time(fixture->judge, now_ms, trial);
    cr_assert_eq(judge_read(fixture->judge, slice_from_string(body), &event), EVENT_READ_OK, "%s", body);
    fixture->outcome = *judge_event(fixture->judge, &event, ask);
    return refused(fixture);
}

/* Whether a membership event of the user in !r:x is refused, asked about as it is seen over federation. */
static bool member(struct module_fixture *fixture, int64_t now_ms, const char *membership, const char *user,
                   const char *more)
{
    char body[512];
    snprintf(body, sizeof body,
             "{\"sender\":\"%s\",\"state_key\":\"%s\",\"room_id\":\"!r:x\",\"type\":\"m.room.member\",\"content\":{"
             "\"membership\":\"%s\"}%s}",
             user, user, membership, more);
    return body_refused(fixture, now_ms, body, JUDGE_EVENT_FOR_SPAM, false);
}

static bool joins(struct module_fixture *fixture, int64_t now_ms, int number, const char *server)
{
    char user[64];
    snprintf(user, sizeof user, "@%d:%s", number, server);
    return member(fixture, now_ms, "join", user, "");
}

Test(join_wave, a_wave_is_held_and_the_room_opens_again)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "join_wave", "{\"rate\": \"10/h\", \"hold\": \"20m\"}"), "%s", fixture.reports);
    cr_expect(chain_needs_body(fixture.chain));
    cr_expect(chain_reads_time(fixture.chain));
    for (int number = 0; number < 10; number++)
        cr_expect_not(joins(&fixture, START, number, "y"));
    cr_expect(joins(&fixture, START + 1000, 10, "y"));
    EXPECT_SLICE(fixture.outcome.result.rule, "wave");
    EXPECT_SLICE(fixture.outcome.result.reason, "more than 10 joins within 1h; held for 20m");
    EXPECT_SLICE(fixture.outcome.result.evidence, "!r:x");
    EXPECT_SLICE(fixture.outcome.result.value.text, "M_FORBIDDEN");
    cr_expect(joins(&fixture, START + 19 * MINUTE, 11, "z"), "six minutes would give one join back, but it is held");
    cr_expect(joins(&fixture, START + 20 * MINUTE, 12, "z"));
    for (int number = 13; number < 16; number++)
        cr_expect_not(joins(&fixture, START + 20 * MINUTE + 2000, number, "z"), "what was denied made it no longer");
    cr_expect(joins(&fixture, START + 20 * MINUTE + 2000, 16, "z"), "a new wave");
    cr_expect(joins(&fixture, START + 40 * MINUTE, 17, "z"));
    cr_expect_not(joins(&fixture, START + 41 * MINUTE, 18, "z"));
    fixture_close(&fixture);
}

Test(join_wave, each_room_by_itself)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "join_wave", "{\"rate\": \"1/h\", \"code\": \"M_LIMIT_EXCEEDED\"}"));
    cr_expect_not(asked(&fixture, START, "@a:x", "!r:x", false));
    cr_expect(asked(&fixture, START, "@b:x", "!r:x", false));
    cr_expect_not(asked(&fixture, START, "@b:x", "!s:x", false));
    cr_expect(asked(&fixture, START, "@c:x", "!r:x", false));
    cr_expect_not(asked(&fixture, START + 61 * MINUTE, "@c:x", "!r:x", false));
    fixture_close(&fixture);
}

/* Asked by user_may_join_room, by check_event_allowed, and seen again: one join. */
Test(join_wave, a_join_counts_once)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "join_wave", "{\"rate\": \"3/d\"}"));
    for (int number = 0; number < 4; number++) {
        char user[32], body[256];
        snprintf(user, sizeof user, "@%d:x", number);
        snprintf(body, sizeof body,
                 "{\"event_id\":\"$%d\",\"sender\":\"%s\",\"state_key\":\"%s\",\"room_id\":\"!r:x\",\"type\":\"m.room."
                 "member\",\"content\":{\"membership\":\"join\"}}",
                 number, user, user);
        cr_expect_eq(asked(&fixture, START, user, "!r:x", false), number == 3, "%d", number);
        for (int time = 0; time < 3; time++)
            cr_expect_eq(body_refused(&fixture, START + time * 1000, body, JUDGE_BOTH, false), number == 3, "%d, %d",
                         number, time);
    }
    fixture_close(&fixture);
}

/* Neither new names nor members who come again are a wave. */
Test(join_wave, what_is_no_new_join)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "join_wave", "{\"rate\": \"2/h\"}"));
    for (int time = 0; time < 9; time++)
        cr_expect_not(
            member(&fixture, START + time * MINUTE, "join", "@old:y", ",\"unsigned\":{\"replaces_state\":\"$7\"}"));
    cr_expect_not(joins(&fixture, START, 1, "y"));
    for (int time = 0; time < 9; time++) {
        cr_expect_not(joins(&fixture, START + time * 2 * MINUTE, 1, "y"), "a new name");
        cr_expect_not(member(&fixture, START + time * 2 * MINUTE + 1000, "leave", "@2:y", ""));
        cr_expect_not(joins(&fixture, START + time * 2 * MINUTE + 2000, 2, "y"), "goes and comes");
    }
    body_refused(&fixture, START,
                 "{\"sender\":\"@3:y\",\"state_key\":\"\",\"room_id\":\"!r:x\",\"type\":\"m.room.create\",\"content\":{"
                 "}}",
                 JUDGE_BOTH, false);
    cr_expect_not(joins(&fixture, START, 3, "y"), "it made the room");
    cr_expect_not(joins(&fixture, START + 20 * MINUTE, 4, "y"));
    cr_expect(joins(&fixture, START + 20 * MINUTE, 5, "y"));
    /* In a hold, members may still change their names, but nobody comes in again. */
    cr_expect_not(joins(&fixture, START + 21 * MINUTE, 4, "y"));
    cr_expect_not(member(&fixture, START + 21 * MINUTE, "leave", "@4:y", ""));
    cr_expect(joins(&fixture, START + 23 * MINUTE, 4, "y"));
    fixture_close(&fixture);
}

/* Of a user of whom nothing was seen a new name is taken for a join, until the stored event says that it is none. */
Test(join_wave, new_names_of_those_who_were_never_seen)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "join_wave", "{\"rate\": \"2/h\"}"));
    for (int number = 0; number < 9; number++) {
        char user[32], id[64], more[128];
        snprintf(user, sizeof user, "@%d:y", number);
        snprintf(id, sizeof id, ",\"event_id\":\"$%d\"", number);
        snprintf(more, sizeof more, "%s,\"unsigned\":{\"replaces_state\":\"$before\"}", id);
        cr_expect_not(member(&fixture, START, "join", user, id), "asked about, %d", number);
        cr_expect_not(member(&fixture, START + 1000, "join", user, more), "stored, %d", number);
        cr_expect_not(member(&fixture, START + 2000, "join", user, more), "and only once, %d", number);
    }
    cr_expect_not(joins(&fixture, START, 100, "y"));
    cr_expect_not(joins(&fixture, START, 101, "y"));
    cr_expect(joins(&fixture, START, 102, "y"), "joins are joins");
    fixture_close(&fixture);
}

/* Synapse asks user_may_join_room about each new name, for each room. */
Test(join_wave, new_names_of_our_own_users)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "join_wave", "{\"rate\": \"2/h\"}"));
    for (int number = 0; number < 9; number++) {
        char user[32], body[256];
        snprintf(user, sizeof user, "@%d:example.org", number);
        snprintf(body, sizeof body,
                 "{\"event_id\":\"$%d\",\"sender\":\"%s\",\"state_key\":\"%s\",\"room_id\":\"!r:x\",\"type\":\"m.room."
                 "member\",\"content\":{\"membership\":\"join\"},\"unsigned\":{\"replaces_state\":\"$before\"}}",
                 number, user, user);
        cr_expect_not(asked(&fixture, START, user, "!r:x", false), "%d", number);
        cr_expect_not(body_refused(&fixture, START, body, JUDGE_EVENT_ALLOWED, false), "%d", number);
        for (int time = 1; time < 5; time++)
            cr_expect_not(asked(&fixture, START + time, user, "!r:x", false), "it is there, %d", number);
    }
    cr_expect_not(joins(&fixture, START, 100, "y"));
    cr_expect_not(joins(&fixture, START, 101, "y"));
    cr_expect(joins(&fixture, START, 102, "y"));
    cr_expect_not(asked(&fixture, START + MINUTE, "@1:example.org", "!r:x", false), "members, also in a hold");
    cr_expect(asked(&fixture, START + MINUTE, "@new:example.org", "!r:x", false));
    fixture_close(&fixture);
}

Test(join_wave, the_invited)
{
    for (int exempt = 0; exempt < 2; exempt++) {
        struct module_fixture fixture = {0};
        char configuration[64];
        snprintf(configuration, sizeof configuration, "{\"rate\": \"1/h\", \"exempt_invited\": %s}",
                 exempt ? "true" : "false");
        cr_assert(fixture_open(&fixture, "join_wave", configuration), "%s", fixture.reports);
        cr_expect_not(asked(&fixture, START, "@a:x", "!r:x", false));
        cr_expect(asked(&fixture, START, "@b:x", "!r:x", false));
        cr_expect_eq(asked(&fixture, START, "@c:x", "!r:x", true), !exempt);
        cr_expect_eq(member(&fixture, START, "join", "@c:x", ""), !exempt, "the event behind it");
        cr_expect_not(member(&fixture, START, "invite", "@d:y", ""));
        cr_expect_eq(member(&fixture, START, "join", "@d:y", ""), !exempt);
        cr_expect_not(member(&fixture, START, "knock", "@e:y", ""));
        cr_expect(member(&fixture, START, "join", "@e:y", ""));
        fixture_close(&fixture);
    }
}

Test(join_wave, of_one_server)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "join_wave", "{\"rate\": \"10/h\", \"per_server\": 0.6}"), "%s", fixture.reports);
    for (int number = 0; number < 40; number++) {
        char server[16];
        snprintf(server, sizeof server, "s%d", number % 4);
        cr_expect_not(joins(&fixture, START, number, server), "people from everywhere");
    }
    int passed = 0;
    for (int number = 100; number < 200; number++)
        passed += !joins(&fixture, START + MINUTE, number, "bad");
    /* With 60 of 100 joins, those of "bad" are the share. */
    cr_expect_eq(passed, 59, "%d", passed);
    EXPECT_SLICE(fixture.outcome.result.evidence, "bad");
    cr_expect_not(joins(&fixture, START + 2 * MINUTE, 300, "s1"), "only one server is held");
    cr_expect(joins(&fixture, START + 2 * MINUTE, 301, "bad"));
    fixture_close(&fixture);
}

Test(join_wave, a_trial_changes_nothing)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "join_wave", "{\"rate\": \"1/h\"}"));
    static const char body[] = "{\"event_id\":\"$1\",\"sender\":\"@a:y\",\"state_key\":\"@a:y\",\"room_id\":\"!r:x\","
                               "\"type\":\"m.room.member\",\"content\":{\"membership\":\"join\"}}";
    for (int time = 0; time < 4; time++)
        cr_expect_not(body_refused(&fixture, START, body, JUDGE_BOTH, true));
    cr_expect_not(joins(&fixture, START, 1, "y"));
    cr_expect(body_refused(&fixture, START, body, JUDGE_BOTH, true));
    cr_expect_not(body_refused(&fixture, START + 61 * MINUTE, body, JUDGE_BOTH, true), "nor was it held");
    fixture_close(&fixture);
}

Test(join_wave, answers_in_both_semantics)
{
    static const char *const refusals[] = {"{\"code\":", "{\"bool\":false}"};
    for (int semantics = 0; semantics < 2; semantics++) {
        struct module_fixture fixture = {.semantics = semantics ? SEMANTICS_147 : SEMANTICS_LATEST};
        cr_assert(fixture_open(&fixture, "join_wave", "{\"rate\": \"1/h\"}"), "%s", fixture.reports);
        cr_expect_not(asked(&fixture, START, "@a:x", "!r:x", false));
        fixture.now_ms = START;
        const char *answer = fixture_ask(&fixture, CALLBACK_user_may_join_room,
                                         "{\"user_id\":\"@b:x\",\"room_id\":\"!r:x\",\"is_invited\":false}");
        cr_expect(strncmp(answer, refusals[semantics], strlen(refusals[semantics])) == 0, "%s", answer);
        cr_expect(joins(&fixture, START, 3, "y"));
        fixture_close(&fixture);
    }
}

/* A hold that a clock from the future has made does not last until then. */
Test(join_wave, clocks_that_go_back)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "join_wave", "{\"rate\": \"1/m\", \"hold\": \"10m\"}"));
    cr_expect_not(joins(&fixture, START + 86400000, 1, "y"));
    cr_expect(joins(&fixture, START + 86400000, 2, "y"));
    joins(&fixture, START, 3, "y"); /* by the table's clock, no time has passed: a hold of its own begins */
    cr_expect_not(joins(&fixture, START + 11 * MINUTE, 4, "y"));
    fixture_close(&fixture);
}

Test(join_wave, wrong_configurations)
{
    static const struct {
        const char *configuration, *report;
    } rows[] = {
        {"{\"rate\": \"70000/h\"}", "rate: must be "},
        {"{\"hold\": \"10s\"}", "hold: must be "},
        {"{\"per_server\": 1.5}", "per_server: must be "},
        {"{\"per_server\": 0.5, \"rate\": \"3/5ms\"}",
         "rate: must have a period of a second or more with `per_server`\n"},
        {"{\"per_server\": 0.5, \"window\": \"5ms\"}", "window: must be a second or more\n"},
        {"{\"window\": \"31d\"}", "window: must be "},
        {"{\"then\": \"kick\"}", "then: must be "},
    };
    for (size_t index = 0; index < sizeof rows / sizeof *rows; index++) {
        struct module_fixture fixture = {0};
        cr_expect_not(fixture_open(&fixture, "join_wave", rows[index].configuration), "%s", rows[index].configuration);
        cr_expect(strncmp(fixture.reports, rows[index].report, strlen(rows[index].report)) == 0, "%s: %s",
                  rows[index].configuration, fixture.reports);
        fixture_close(&fixture);
    }
}

Test(join_wave, what_it_remembers_goes_on_in_another)
{
    static const char *const configurations[] = {"{\"rate\": \"2/h\"}",
                                                 "{\"rate\": \"2/h\", \"per_server\": 0.5, \"window\": \"2h\"}"};
    for (size_t index = 0; index < 2; index++) {
        struct module_fixture fixture = {0}, next = {0};
        struct chain_state_counts counts;
        struct buffer snapshot = {0};
        const char *problem;
        keyed_hash_draw_seed();
        cr_assert(fixture_open(&fixture, "join_wave", configurations[index]));
        keyed_hash_draw_seed();
        cr_assert(fixture_open(&next, "join_wave", configurations[index]));
        cr_expect_not(joins(&fixture, START, 1, "y"));
        cr_expect_not(joins(&fixture, START, 2, "y"));
        cr_expect(joins(&fixture, START, 3, "y"));
        chain_state_save(fixture.chain, &snapshot);
        cr_assert(chain_state_restore(next.chain, buffer_slice(&snapshot), &counts, &problem), "%s", problem);
        cr_expect_eq(counts.restored, 1u);
        cr_expect_not(joins(&next, START + MINUTE, 1, "y"), "a member");
        cr_expect(joins(&next, START + 29 * MINUTE, 4, "y"));
        cr_expect_not(joins(&next, START + 31 * MINUTE, 5, "y"));
        cr_expect(joins(&next, START + 31 * MINUTE, 6, "y"));
        for (size_t length = 0; length < snapshot.length; length += 3)
            cr_expect_not(chain_state_restore(next.chain, slice_of(snapshot.data, length), &counts, &problem) &&
                          counts.restored);
        buffer_free(&snapshot);
        keyed_hash_seed = 0;
        fixture_close(&next);
        fixture_close(&fixture);
    }
}

Test(join_wave, figures)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "join_wave", "{\"rate\": \"2/h\", \"hold\": \"20m\"}"));
    EXPECT_FIGURE(&fixture, "waves_total", 0);
    EXPECT_FIGURE(&fixture, "last_wave_timestamp_seconds", 0);
    EXPECT_FIGURE(&fixture, "held", 0);
    for (int number = 0; number < 5; number++)
        joins(&fixture, START, number, "y");
    EXPECT_FIGURE(&fixture, "waves_total", 1);
    EXPECT_FIGURE(&fixture, "last_wave_timestamp_seconds", START / 1000.0);
    EXPECT_FIGURE(&fixture, "held", 1);
    EXPECT_FIGURE(&fixture, "members", 2);
    joins(&fixture, START + 19 * MINUTE, 9, "y");
    EXPECT_FIGURE(&fixture, "held", 1);
    asked(&fixture, START + 21 * MINUTE, "@a:x", "!other:x", true);
    EXPECT_FIGURE(&fixture, "held", 0);
    EXPECT_FIGURE(&fixture, "waves_total", 1);
    EXPECT_FIGURE(&fixture, "members_forgotten_total", 0);
    EXPECT_FIGURE(&fixture, "rooms_forgotten_total", 0);
    fixture_close(&fixture);
}

/* From room version 12 on a room has the id of the event that makes it. */
Test(join_wave, who_makes_a_room_of_the_newest_kind_is_in_it)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "join_wave", "{\"rate\": \"1/h\"}"));
    struct event event = {.event_id = SLICE("$made")};
    static const char body[] = "{\"sender\":\"@a:y\",\"state_key\":\"\",\"type\":\"m.room.create\",\"content\":{}}";
    judge_set_time(fixture.judge, START, false);
    cr_assert_eq(judge_read(fixture.judge, slice_from_string(body), &event), EVENT_READ_OK);
    cr_expect_eq(judge_event(fixture.judge, &event, JUDGE_EVENT_FOR_SPAM)->kind, OUTCOME_PASSED);
    for (int number = 0; number < 3; number++) {
        char join[256];
        snprintf(join, sizeof join,
                 "{\"sender\":\"@%c:y\",\"state_key\":\"@%c:y\",\"room_id\":\"!made\",\"type\":\"m.room.member\","
                 "\"content\":{\"membership\":\"join\"}}",
                 'a' + number, 'a' + number);
        cr_expect_eq(body_refused(&fixture, START, join, JUDGE_EVENT_FOR_SPAM, false), number == 2, "%d", number);
    }
    fixture_close(&fixture);
}

/* What the module has logged: "level message" a line. */
static char logged[16384];

static void take_line(const char *level, const char *module, struct slice message)
{
    size_t used = strlen(logged);
    cr_expect_str_eq(module, "join_wave");
    snprintf(logged + used, sizeof logged - used, "%s %.*s\n", level, (int)message.length, message.data);
}

static void open_logging(struct module_fixture *fixture, const char *configuration)
{
    struct module_host host = {.context = fixture, .report = fixture_report, .warn = fixture_warn, .log = take_line};
    json_t *values = json_loads(configuration, 0, NULL);
    logged[0] = '\0';
    modules_begin(fixture);
    cr_assert(chain_append(fixture->chain, module_find("join_wave"), values, NULL, &host), "%s", fixture->reports);
    json_decref(values);
    modules_seal(fixture);
}

/* Everybody comes in; the wave is counted, and logged once when it begins and once when it is over. */
Test(join_wave, only_notified)
{
    struct module_fixture fixture = {0};
    open_logging(&fixture, "{\"rate\": \"2/h\", \"hold\": \"20m\", \"then\": \"notify\"}");
    for (int number = 0; number < 30; number++)
        cr_expect_not(joins(&fixture, START + number * 1000, number, "y"), "%d", number);
    cr_expect_not(asked(&fixture, START + MINUTE, "@a:x", "!r:x", false));
    EXPECT_FIGURE(&fixture, "waves_total", 1);
    EXPECT_FIGURE(&fixture, "held", 1);
    EXPECT_FIGURE(&fixture, "members", 30);
    cr_expect_str_eq(logged, "warning a wave of joins: !r:x (more than 2 joins within 1h; only logged, for 20m)\n");
    asked(&fixture, START + 21 * MINUTE, "@a:x", "!other:x", true);
    EXPECT_FIGURE(&fixture, "held", 0);
    cr_expect_str_eq(logged, "warning a wave of joins: !r:x (more than 2 joins within 1h; only logged, for 20m)\n"
                             "info a wave of joins is over: !r:x\n");
    cr_expect_not(joins(&fixture, START + 22 * MINUTE, 40, "y"));
    EXPECT_FIGURE(&fixture, "waves_total", 2); /* who came in meanwhile has counted */
    fixture_close(&fixture);
}

/* A wave that began before a restart ends behind it; one of names that break lines does not break the log. */
Test(join_wave, what_is_logged)
{
    static const char body[] = "{\"sender\":\"@%d:e\\nvil\",\"state_key\":\"@%d:e\\nvil\",\"room_id\":\"!s:x\","
                               "\"type\":\"m.room.member\",\"content\":{\"membership\":\"join\"}}";
    static const char configuration[] = "{\"rate\": \"1/h\", \"per_server\": 0.5}";
    struct module_fixture fixture = {0}, next = {0};
    struct chain_state_counts counts;
    struct buffer snapshot = {0};
    const char *problem;
    open_logging(&next, configuration);
    open_logging(&fixture, configuration);
    for (int number = 0; number < 3; number++) {
        char join[512];
        snprintf(join, sizeof join, body, number, number);
        body_refused(&fixture, START, join, JUDGE_BOTH, true);
        body_refused(&fixture, START, join, JUDGE_EVENT_FOR_SPAM, false);
    }
    cr_expect_str_eq(logged, "warning a wave of joins: !s:x from e?vil (more than 1 joins within 1h; held for 30m)\n");
    chain_state_save(fixture.chain, &snapshot);
    logged[0] = '\0';
    cr_assert(chain_state_restore(next.chain, buffer_slice(&snapshot), &counts, &problem), "%s", problem);
    cr_expect_eq(counts.restored, 1u);
    joins(&next, START + MINUTE, 1, "y");
    cr_expect_str_eq(logged, "");
    asked(&next, START + 31 * MINUTE, "@a:x", "!other:x", true);
    cr_expect_str_eq(logged, "info a wave of joins is over: !s:x from e?vil\n");
    buffer_free(&snapshot);
    fixture_close(&next);
    fixture_close(&fixture);
}

/* Who starts many waves does not fill the log. */
Test(join_wave, many_waves)
{
    struct module_fixture fixture = {0};
    unsigned lines = 0;
    open_logging(&fixture, "{\"rate\": \"1/h\"}");
    for (int number = 0; number < 200; number++) {
        char room[32];
        snprintf(room, sizeof room, "!r%d:x", number / 2);
        asked(&fixture, START, number % 2 ? "@a:x" : "@b:x", room, false);
    }
    for (const char *line = logged; (line = strchr(line, '\n')); line++)
        lines++;
    cr_expect_eq(lines, 64u, "%u", lines);
    EXPECT_FIGURE(&fixture, "waves_total", 100);
    EXPECT_FIGURE(&fixture, "waves_unlogged_total", 36);
    fixture_close(&fixture);
}

/* In a hold come in those with the tag, whichever callback they are asked about by. */
Test(join_wave, only_with_a_tag)
{
    static const struct {
        const char *trust; /* NULL: no such module */
        const char *tag, *report;
        bool tagged_refused;
    } rows[] = {
        {"{\"sources\": [{\"users\": \"@good*\"}]}", "trusted", "", false},
        {"{\"sources\": [{\"users\": \"@good*\"}], \"tag\": \"vip\"}", "vip", "", false},
        {"{\"sources\": [{\"users\": \"@good*\"}], \"tag\": \"vip\"}", "trusted",
         "warning: tag: no module before this one sets it: in a hold nobody may join\n", true},
        {NULL, "trusted", "warning: tag: no module before this one sets it: in a hold nobody may join\n", true},
    };
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        struct module_fixture fixture = {0};
        char configuration[128];
        snprintf(configuration, sizeof configuration, "{\"rate\": \"2/h\", \"then\": \"require_tag\", \"tag\": \"%s\"}",
                 rows[row].tag);
        modules_begin(&fixture);
        if (rows[row].trust)
            cr_assert(modules_append(&fixture, "trust", rows[row].trust, NULL), "%s", fixture.reports);
        cr_assert(modules_append(&fixture, "join_wave", configuration, NULL), "%s", fixture.reports);
        cr_expect_str_eq(fixture.reports, rows[row].report);
        modules_seal(&fixture);
        cr_expect_not(joins(&fixture, START, 1, "y"));
        cr_expect_not(joins(&fixture, START, 2, "y"), "without a wave everybody may join");
        cr_expect(joins(&fixture, START, 3, "y"));
        EXPECT_SLICE(fixture.outcome.result.reason, "more than 2 joins within 1h; only with the tag for 30m");
        cr_expect_eq(asked(&fixture, START, "@good1:x", "!r:x", false), rows[row].tagged_refused);
        cr_expect_eq(member(&fixture, START, "join", "@good1:x", ""), rows[row].tagged_refused);
        cr_expect_eq(member(&fixture, START, "join", "@good2:y", ""), rows[row].tagged_refused);
        cr_expect(asked(&fixture, START, "@bad:x", "!r:x", false));
        fixture_close(&fixture);
    }
}

/* Joins of an hour ago count for the share, though the rate is one of minutes. */
Test(join_wave, a_window_of_its_own)
{
    for (int own = 0; own < 2; own++) {
        struct module_fixture fixture = {0};
        int refusals = 0;
        cr_assert(fixture_open(&fixture, "join_wave",
                               own ? "{\"rate\": \"5/m\", \"per_server\": 0.6, \"window\": \"2h\"}"
                                   : "{\"rate\": \"5/m\", \"per_server\": 0.6}"),
                  "%s", fixture.reports);
        for (int number = 0; number < 40; number++) {
            char server[16];
            snprintf(server, sizeof server, "s%d", number % 4);
            joins(&fixture, START, number, server);
        }
        for (int number = 100; number < 110; number++)
            refusals += joins(&fixture, START + 60 * MINUTE, number, "bad");
        cr_expect_eq(refusals, own ? 0 : 5, "%d", refusals);
        fixture_close(&fixture);
    }
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "join_wave", "{\"window\": \"2h\"}"));
    cr_expect_str_eq(fixture.reports, "warning: window: does nothing without `per_server`\n");
    fixture_close(&fixture);
}
