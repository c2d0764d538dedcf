/* Whom `trust` tags: asked through a module behind it that refuses everybody else. */
#include "base/keyed_hash.h"
#include "filters/chain_state.h"
#include "filters/chain_walk.h"
#include "tests/filters/modules_fixture.h"

#define START 1700000000000
#define MINUTE 60000
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

/* `trust` with these sources before a module that refuses the word "cheap" of those without the tag. */
static void open_trust(struct module_fixture *fixture, const char *sources)
{
    char configuration[512];
    snprintf(configuration, sizeof configuration, "{\"sources\": %s}", sources);
    modules_begin(fixture);
    cr_assert(modules_append(fixture, "trust", configuration, NULL), "%s", fixture->reports);
    cr_assert(modules_append(fixture, "keywords", "{\"words\": \"cheap\"}", "{\"except\": {\"tags\": \"trusted\"}}"));
    modules_seal(fixture);
    cr_assert_str_eq(fixture->reports, "");
}

static bool trusts(struct module_fixture *fixture, int64_t now_ms, const char *user)
{
    return !*modules_message(fixture, now_ms, user, "cheap");
}

static void says(struct module_fixture *fixture, int64_t now_ms, const char *user, unsigned times)
{
    while (times--)
        cr_expect_str_eq(modules_message(fixture, now_ms, user, "hello"), "");
}

Test(trust, users_and_servers)
{
    for (int semantics = 0; semantics < 2; semantics++) {
        struct module_fixture fixture = {.semantics = (enum semantics)semantics};
        open_trust(&fixture, "[{\"users\": [\"@a:x\", \"@bot-*:*\"]}, {\"servers\": [\"*.Example\", \"y\"]}]");
        cr_expect(trusts(&fixture, START, "@a:x"));
        cr_expect(trusts(&fixture, START, "@bot-7:x"));
        cr_expect(trusts(&fixture, START, "@b:one.example:8448"));
        cr_expect(trusts(&fixture, START, "@b:y"));
        cr_expect_not(trusts(&fixture, START, "@b:x"));
        cr_expect_not(trusts(&fixture, START, "@a:xy"));
        cr_expect_not(trusts(&fixture, START, "@b:example"));
        fixture_close(&fixture);
    }
}

/* Any of the maps, but all that one of them says. */
Test(trust, all_of_a_source_must_hold)
{
    struct module_fixture fixture = {0};
    open_trust(&fixture, "[{\"users\": \"@a*\", \"servers\": \"x\"}, {\"users\": \"@b:y\"}]");
    cr_expect(trusts(&fixture, START, "@ab:x"));
    cr_expect(trusts(&fixture, START, "@b:y"));
    cr_expect_not(trusts(&fixture, START, "@ab:y"));
    cr_expect_not(trusts(&fixture, START, "@c:x"));
    fixture_close(&fixture);
}

static void state(struct module_fixture *fixture, const char *type, const char *sender, const char *content)
{
    char body[1024];
    snprintf(body, sizeof body,
             "{\"event_id\":\"$state\",\"room_id\":\"!r:x\",\"type\":\"%s\",\"state_key\":\"\",\"sender\":\"%s\","
             "\"content\":%s}",
             type, sender, content);
    modules_judge(fixture, START, body, JUDGE_BOTH, false);
}

Test(trust, power_levels_that_were_seen)
{
    struct module_fixture fixture = {0};
    open_trust(&fixture, "[{\"power_level\": 50}]");
    cr_expect_not(trusts(&fixture, START, "@maker:x"), "nothing is known of the room");
    state(&fixture, "m.room.create", "@maker:x", "{\"room_version\":\"10\",\"creator\":\"@maker:x\"}");
    cr_expect(trusts(&fixture, START, "@maker:x"));
    cr_expect_not(trusts(&fixture, START, "@mod:x"));
    state(&fixture, "m.room.power_levels", "@maker:x",
          "{\"users\":{\"@mod:x\":50,\"@text:x\":\"70\",\"@less:x\":49,\"@float:x\":50.0},\"users_default\":0}");
    cr_expect(trusts(&fixture, START, "@mod:x"));
    cr_expect(trusts(&fixture, START, "@text:x"));
    cr_expect(trusts(&fixture, START, "@float:x"));
    cr_expect_not(trusts(&fixture, START, "@less:x"));
    cr_expect_not(trusts(&fixture, START, "@maker:x"), "levels were set, and it has none");
    state(&fixture, "m.room.create", "@maker:x", "{\"room_version\":\"10\"}");
    cr_expect_not(trusts(&fixture, START, "@maker:x"), "what comes again changes nothing");
    state(&fixture, "m.room.power_levels", "@mod:x", "{\"users\":{\"@bad:x\":-1},\"users_default\":50}");
    cr_expect(trusts(&fixture, START, "@anybody:x"));
    cr_expect_not(trusts(&fixture, START, "@bad:x"));
    fixture_close(&fixture);
}

/* Levels without users, and users that are none. */
Test(trust, levels_that_say_little)
{
    static const char *const contents[] = {"{\"users_default\":50}", "{\"users_default\":50,\"users\":[\"@a:x\"]}",
                                           "{\"users_default\":50,\"users\":null}", "{}", "{\"users\":{}}"};
    for (size_t index = 0; index < sizeof contents / sizeof *contents; index++) {
        struct module_fixture fixture = {0};
        open_trust(&fixture, "[{\"power_level\": 50}]");
        state(&fixture, "m.room.create", "@maker:x", "{\"room_version\":\"12\",\"additional_creators\":\"@a:x\"}");
        state(&fixture, "m.room.power_levels", "@maker:x", contents[index]);
        cr_expect_eq(trusts(&fixture, START, "@a:x"), index < 3, "%s", contents[index]);
        cr_expect(trusts(&fixture, START, "@maker:x"));
        fixture_close(&fixture);
    }
}

/* From room version 12 on the creators have the power, whatever the levels say, and the room's id is the event's. */
Test(trust, creators_of_new_rooms)
{
    struct module_fixture fixture = {0};
    open_trust(&fixture, "[{\"power_level\": 100}]");
    modules_judge(&fixture, START,
                  "{\"event_id\":\"$abc\",\"type\":\"m.room.create\",\"state_key\":\"\",\"sender\":\"@maker:x\","
                  "\"content\":{\"room_version\":\"12\",\"additional_creators\":[\"@other:x\"]}}",
                  JUDGE_BOTH, false);
    modules_judge(&fixture, START,
                  "{\"event_id\":\"$d\",\"room_id\":\"!abc\",\"type\":\"m.room.power_levels\",\"state_key\":\"\","
                  "\"sender\":\"@maker:x\",\"content\":{\"users\":{\"@mod:x\":99,\"@admin:x\":100}}}",
                  JUDGE_BOTH, false);
    static const struct {
        const char *user;
        bool trusted;
    } rows[] = {{"@maker:x", true}, {"@other:x", true}, {"@admin:x", true}, {"@mod:x", false}};
    for (size_t index = 0; index < sizeof rows / sizeof *rows; index++) {
        char body[256];
        snprintf(
            body, sizeof body,
            "{\"room_id\":\"!abc\",\"type\":\"m.room.message\",\"sender\":\"%s\",\"content\":{\"body\":\"cheap\"}}",
            rows[index].user);
        cr_expect_str_eq(modules_judge(&fixture, START, body, JUDGE_BOTH, false), rows[index].trusted ? "" : "keywords",
                         "%s", rows[index].user);
    }
    fixture_close(&fixture);
}

/* Asks about an event as a request does, which Synapse has not checked yet. */
static enum outcome_kind ask_about(struct module_fixture *fixture, enum callback callback, const char *arguments,
                                   struct event *event)
{
    struct callback_arguments question = {.event = event};
    const char *problem = NULL;
    arena_reset(&fixture->arena);
    json_t *object = json_loads(arguments, 0, NULL);
    cr_assert(callback_read_arguments(callback, object, &fixture->arena, &question, &problem), "%s", problem);
    question.now_ms = START;
    chain_run(fixture->chain, callback, &question, &fixture->outcome);
    json_decref(object);
    return fixture->outcome.kind;
}

static void read_event(struct module_fixture *fixture, const char *body, struct event *event)
{
    *event = (struct event){0};
    cr_assert_eq(judge_read(fixture->judge, slice_from_string(body), event), EVENT_READ_OK);
}

#define LEVELS_OF_A                                                                                                    \
    "{\"event_id\":\"$p\",\"room_id\":\"!r:x\",\"type\":\"m.room.power_levels\",\"state_key\":\"\",\"sender\":\"@a:"   \
    "x\",\"content\":{\"users\":{\"@a:x\":100}}}"
#define CHEAP_OF_A                                                                                                     \
    "{\"event_id\":\"$c\",\"room_id\":\"!r:x\",\"type\":\"m.room.message\",\"sender\":\"@a:x\",\"content\":{\"body\":" \
    "\"cheap\"}}"

Test(trust, the_rooms_state_where_it_is_told)
{
    struct module_fixture fixture = {0};
    struct event event;
    open_trust(&fixture, "[{\"power_level\": 50}]");
    cr_expect(chain_module_reads_state(fixture.chain, 0));
    read_event(&fixture, CHEAP_OF_A, &event);
    cr_expect_eq(ask_about(&fixture, CALLBACK_check_event_allowed,
                           "{\"event\":{},\"state\":[{\"type\":\"m.room.power_levels\",\"state_key\":\"\",\"content\":{"
                           "\"users\":{\"@a:x\":50}}}]}",
                           &event),
                 OUTCOME_PASSED);
    cr_expect_eq(ask_about(&fixture, CALLBACK_check_event_allowed,
                           "{\"event\":{},\"state\":[{\"type\":\"m.room.power_levels\",\"state_key\":\"\",\"content\":{"
                           "\"users\":{\"@b:x\":50}}}]}",
                           &event),
                 OUTCOME_DENIED);
    fixture_close(&fixture);
    uint32_t module;
    open_trust(&fixture, "[{\"member_of\": \"!staff:x\"}]");
    cr_expect_not(chain_concurrent(fixture.chain, &module), "who is there depends on what came before");
    fixture_close(&fixture);
    open_trust(&fixture, "[{\"users\": \"@a:x\"}]");
    cr_expect_not(chain_module_reads_state(fixture.chain, 0), "nobody need send it");
    cr_expect(chain_concurrent(fixture.chain, &module), "and nothing is remembered");
    cr_expect_not(chain_reads_time(fixture.chain));
    fixture_close(&fixture);
}

/* About a local event Synapse asks check_event_allowed with the room's state, and then check_event_for_spam without. */
Test(trust, the_rooms_state_holds_also_for_the_next_question)
{
    static const struct {
        const char *state;
        bool trusted;
    } rows[] = {
        {"{\"type\":\"m.room.power_levels\",\"state_key\":\"\",\"content\":{\"users\":{\"@a:x\":50}}}", true},
        {"{\"type\":\"m.room.power_levels\",\"state_key\":\"\",\"content\":{\"users\":{\"@b:x\":50,\"@a:x\":49}}}",
         false},
        {"{\"type\":\"m.room.power_levels\",\"state_key\":\"\",\"content\":{\"users_default\":\"50\"}}", true},
        {"{\"type\":\"m.room.power_levels\",\"state_key\":\"\",\"content\":{\"users\":[]}}", false},
        {"{\"type\":\"m.room.create\",\"state_key\":\"\",\"sender\":\"@a:x\",\"content\":{}}", true},
        {"{\"type\":\"m.room.create\",\"state_key\":\"\",\"sender\":\"@a:x\",\"content\":{}},"
         "{\"type\":\"m.room.power_levels\",\"state_key\":\"\",\"content\":{}}",
         false},
        {"{\"type\":\"m.room.create\",\"state_key\":\"\",\"sender\":\"@b:x\",\"content\":{\"room_version\":\"12\","
         "\"additional_creators\":[7,\"@a:x\"]}},"
         "{\"type\":\"m.room.power_levels\",\"state_key\":\"\",\"content\":{}}",
         true},
    };
    struct module_fixture fixture = {0};
    struct event event;
    open_trust(&fixture, "[{\"power_level\": 50}]");
    read_event(&fixture, CHEAP_OF_A, &event);
    cr_expect_eq(ask_about(&fixture, CALLBACK_check_event_for_spam, "{\"event\":{}}", &event), OUTCOME_DENIED);
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        char arguments[512];
        enum outcome_kind expected = rows[row].trusted ? OUTCOME_PASSED : OUTCOME_DENIED;
        snprintf(arguments, sizeof arguments, "{\"event\":{},\"state\":[%s]}", rows[row].state);
        cr_expect_eq(ask_about(&fixture, CALLBACK_check_event_allowed, arguments, &event), expected, "%zu", row);
        cr_expect_eq(ask_about(&fixture, CALLBACK_check_event_for_spam, "{\"event\":{}}", &event), expected, "%zu",
                     row);
    }
    cr_expect_eq(ask_about(&fixture, CALLBACK_check_event_allowed, "{\"event\":{},\"state\":[{}]}", &event),
                 OUTCOME_DENIED, "no power by a state without levels");
    fixture_close(&fixture);
}

/* Power levels that a stranger has made up, and that Synapse will not store, give nobody power. */
Test(trust, what_is_only_asked_about_is_not_believed)
{
    struct module_fixture fixture = {0};
    struct event event;
    open_trust(&fixture, "[{\"power_level\": 50}]");
    read_event(&fixture, LEVELS_OF_A, &event);
    ask_about(&fixture, CALLBACK_check_event_for_spam, "{\"event\":{}}", &event);
    cr_expect_not(trusts(&fixture, START, "@a:x"));
    modules_judge(&fixture, START, LEVELS_OF_A, JUDGE_BOTH, true);
    cr_expect_not(trusts(&fixture, START, "@a:x"), "nothing is remembered of a trial");
    modules_judge(&fixture, START, LEVELS_OF_A, JUDGE_BOTH, false);
    cr_expect(trusts(&fixture, START, "@a:x"));
    fixture_close(&fixture);
}

static const struct module_definition *trust(void)
{
    return module_find("trust");
}

static void *state_of(struct module_fixture *fixture)
{
    return fixture->chain->modules[0].state;
}

static void member(struct module_fixture *fixture, const char *room, const char *user, const char *membership,
                   int64_t ordering)
{
    struct event event = {.event_id = membership ? SLICE("$m") : SLICE_ABSENT,
                          .room_id = slice_from_string(room),
                          .type = SLICE("m.room.member"),
                          .state_key = slice_from_string(user),
                          .membership = slice_from_string(membership)};
    trust()->state_event(state_of(fixture), &event, ordering);
}

Test(trust, members_of_a_room)
{
    struct module_fixture fixture = {0};
    open_trust(&fixture, "[{\"member_of\": [\"!staff:x\", \"!more:x\"]}, {\"member_of\": \"!third:x\"}]");
    uint32_t count;
    const char *const *rooms = trust()->followed_rooms(state_of(&fixture), &count);
    cr_assert_eq(count, 3);
    cr_expect_str_eq(rooms[0], "!staff:x");
    cr_expect_str_eq(rooms[2], "!third:x");
    cr_expect_not(trusts(&fixture, START, "@a:x"));
    member(&fixture, "!staff:x", "@a:x", "join", 5);
    member(&fixture, "!third:x", "@b:x", "join", 6);
    member(&fixture, "!staff:x", "@c:x", "invite", 7);
    cr_expect(trusts(&fixture, START, "@a:x"));
    cr_expect(trusts(&fixture, START, "@b:x"));
    cr_expect_not(trusts(&fixture, START, "@c:x"));
    member(&fixture, "!staff:x", "@a:x", "leave", 9);
    cr_expect_not(trusts(&fixture, START, "@a:x"));
    member(&fixture, "!staff:x", "@a:x", "join", 8);
    cr_expect_not(trusts(&fixture, START, "@a:x"), "the newest counts, in whatever order they come");
    member(&fixture, "!staff:x", "@a:x", "join", 0);
    cr_expect_not(trusts(&fixture, START, "@a:x"), "of an unknown place is older than all");
    member(&fixture, "!more:x", "@a:x", "join", 0);
    cr_expect(trusts(&fixture, START, "@a:x"));
    member(&fixture, "!more:x", "@a:x", NULL, 10);
    cr_expect_not(trusts(&fixture, START, "@a:x"), "nothing stands there any more");
    fixture_close(&fixture);
}

Test(trust, more_members_than_the_table_began_with)
{
    struct module_fixture fixture = {0};
    char user[32];
    open_trust(&fixture, "[{\"member_of\": \"!staff:x\"}]");
    for (int number = 0; number < 1000; number++) {
        snprintf(user, sizeof user, "@u%d:x", number);
        member(&fixture, "!staff:x", user, number % 2 ? "join" : "ban", number + 1);
    }
    for (int number = 0; number < 1000; number++) {
        snprintf(user, sizeof user, "@u%d:x", number);
        cr_expect_eq(trusts(&fixture, START, user), number % 2, "%s", user);
    }
    fixture_close(&fixture);
}

Test(trust, age_and_messages_as_this_engine_has_seen_them)
{
    struct module_fixture fixture = {0};
    open_trust(&fixture, "[{\"min_age\": \"1d\", \"min_messages\": 3}]");
    cr_expect_not(trusts(&fixture, START, "@a:x"));
    says(&fixture, START + HOUR, "@a:x", 2);
    cr_expect_not(trusts(&fixture, START + 2 * DAY, "@a:x"), "two messages");
    says(&fixture, START + 2 * DAY, "@a:x", 1);
    cr_expect(trusts(&fixture, START + 2 * DAY, "@a:x"));
    says(&fixture, START + 2 * DAY, "@b:x", 10);
    cr_expect_not(trusts(&fixture, START + 2 * DAY, "@b:x"), "ten messages in no time");
    cr_expect(trusts(&fixture, START + 3 * DAY + 10 * MINUTE, "@b:x"));
    cr_expect_not(trusts(&fixture, START + 3 * DAY + 10 * MINUTE, "@c:x"));
    fixture_close(&fixture);
}

/* What is refused earns no trust, and what is asked about twice counts once. */
Test(trust, only_messages_that_pass_count)
{
    struct module_fixture fixture = {0};
    open_trust(&fixture, "[{\"min_messages\": 3}]");
    for (int number = 0; number < 10; number++)
        cr_expect_not(trusts(&fixture, START, "@a:x"), "message %d", number);
    for (int number = 0; number < 10; number++) {
        cr_expect_str_eq(modules_judge(&fixture, START,
                                       "{\"event_id\":\"$same\",\"room_id\":\"!r:x\",\"type\":\"m.room.message\","
                                       "\"sender\":\"@b:x\",\"content\":{\"body\":\"hello\"}}",
                                       JUDGE_BOTH, false),
                         "");
        modules_judge(&fixture, START, CHEAP_OF_A, JUDGE_BOTH, false);
    }
    cr_expect_not(trusts(&fixture, START, "@a:x"));
    cr_expect_not(trusts(&fixture, START, "@b:x"));
    says(&fixture, START, "@b:x", 1);
    cr_expect_not(trusts(&fixture, START, "@b:x"));
    says(&fixture, START, "@b:x", 1);
    cr_expect(trusts(&fixture, START, "@b:x"));
    fixture_close(&fixture);
}

/* What is refused before it comes to `trust` has not counted, so nothing is taken back. */
Test(trust, refusals_of_modules_before)
{
    struct module_fixture fixture = {0};
    modules_begin(&fixture);
    cr_assert(modules_append(&fixture, "links", "{\"deny\": \"bad.example\"}", NULL));
    cr_assert(modules_append(&fixture, "trust", "{\"sources\": [{\"min_messages\": 2}]}", NULL));
    cr_assert(modules_append(&fixture, "keywords", "{\"words\": \"cheap\"}", "{\"except\": {\"tags\": \"trusted\"}}"));
    modules_seal(&fixture);
    says(&fixture, START, "@a:x", 2);
    cr_expect_str_eq(modules_message(&fixture, START, "@a:x", "https://bad.example"), "links");
    cr_expect_str_eq(modules_message(&fixture, START, "@a:x", "https://bad.example"), "links");
    cr_expect(trusts(&fixture, START, "@a:x"));
    fixture_close(&fixture);
}

/* A message is not the one that makes its sender trusted, by whichever callback and however often it is asked about. */
Test(trust, a_message_does_not_count_for_itself)
{
    struct module_fixture fixture = {0};
    open_trust(&fixture, "[{\"min_messages\": 1}]");
    cr_expect_not(trusts(&fixture, START, "@a:x"));
    says(&fixture, START, "@a:x", 1);
    cr_expect(trusts(&fixture, START, "@a:x"));
    fixture_close(&fixture);
}

Test(trust, is_remembered)
{
    for (int seeded = 0; seeded < 2; seeded++) {
        struct module_fixture fixture = {0}, other = {0};
        const char *sources = "[{\"power_level\": 50}, {\"member_of\": \"!staff:x\"}, {\"min_messages\": 2}]";
        keyed_hash_seed = seeded ? 99 : 0;
        open_trust(&fixture, sources);
        state(&fixture, "m.room.power_levels", "@maker:x", "{\"users\":{\"@mod:x\":50}}");
        member(&fixture, "!staff:x", "@a:x", "join", 5);
        says(&fixture, START, "@b:x", 2);
        struct buffer snapshot = {0};
        struct chain_state_counts counts = {0};
        const char *problem = NULL;
        chain_state_save(fixture.chain, &snapshot);
        keyed_hash_seed = 0;
        open_trust(&other, sources);
        cr_expect(chain_state_restore(other.chain, buffer_slice(&snapshot), &counts, &problem), "%s", problem);
        cr_expect_eq(counts.restored, 1);
        cr_expect(trusts(&other, START, "@mod:x"));
        cr_expect(trusts(&other, START, "@a:x"));
        cr_expect(trusts(&other, START, "@b:x"));
        cr_expect_not(trusts(&other, START, "@c:x"));
        member(&other, "!staff:x", "@a:x", "leave", 4);
        cr_expect(trusts(&other, START, "@a:x"), "the place in the stream is kept");
        buffer_free(&snapshot);
        fixture_close(&fixture);
        fixture_close(&other);
    }
}

Test(trust, says_what_is_wrong)
{
    struct module_fixture fixture = {0};
    cr_expect(fixture_open(&fixture, "trust", "{}"));
    cr_expect_str_eq(fixture.reports, "warning: sources: is empty: nobody is trusted\n");
    fixture_close(&fixture);
    cr_expect_not(
        fixture_open(&fixture, "trust",
                     "{\"tag\": \"\", \"sources\": [{}, {\"member_of\": [\"!a:x\", \"#b:x\"]}, {\"servers\": \"\"}]}"));
    cr_expect_str_eq(fixture.reports,
                     "tag: must not be empty\n"
                     "sources[0]: says nobody: give one of users, servers, power_level, member_of, min_age, "
                     "min_messages\n"
                     "sources[1].member_of[1]: must be a room id: it begins with a `!`\n"
                     "sources[2].servers[0]: an empty entry matches nothing\n");
    fixture_close(&fixture);
    cr_expect_not(fixture_open(&fixture, "trust", "{\"sources\": [{\"power_level\": 101, \"min_messages\": 1001}]}"));
    fixture_close(&fixture);
}
