/* Newcomers: who is one, for how long, and what they may not send. */
#include "base/keyed_hash.h"
#include "filters/chain_state.h"
#include "tests/filters/modules_fixture.h"

#define START 1700000000000
#define MINUTE 60000
#define IMAGE "\"msgtype\":\"m.image\",\"body\":\"a.png\",\"url\":\"mxc://x/a\""
#define TEXT "\"msgtype\":\"m.text\",\"body\":\"good morning\""

static const char *judged(struct module_fixture *fixture, int64_t now_ms, const char *body, unsigned ask, bool trial)
{
    static char rule[64];
    struct event event = {0};
    judge_set_time(fixture->judge, now_ms, trial);
    cr_assert_eq(judge_read(fixture->judge, slice_from_string(body), &event), EVENT_READ_OK, "%s", body);
    fixture->outcome = *judge_event(fixture->judge, &event, ask);
    snprintf(rule, sizeof rule, "%.*s", (int)fixture->outcome.result.rule.length, fixture->outcome.result.rule.data);
    return fixture->outcome.kind == OUTCOME_PASSED ? "" : rule;
}

/* A membership event of the user in the room !r:x, which must pass; `more`: further members of the event. */
static void member(struct module_fixture *fixture, int64_t now_ms, const char *membership, const char *user,
                   const char *more)
{
    char body[512];
    snprintf(body, sizeof body,
             "{\"sender\":\"%s\",\"state_key\":\"%s\",\"room_id\":\"!r:x\",\"type\":\"m.room.member\",\"content\":{"
             "\"membership\":\"%s\"}%s}",
             strcmp(membership, "invite") == 0 ? "@host:x" : user, user, membership, more);
    cr_expect_str_eq(judged(fixture, now_ms, body, JUDGE_BOTH, false), "", "%s", body);
}

static void joins(struct module_fixture *fixture, int64_t now_ms, const char *user)
{
    member(fixture, now_ms, "join", user, "");
}

/* The rule that refuses an event of that type and content, with an id of its own, or "". */
static const char *sends_as(struct module_fixture *fixture, int64_t now_ms, const char *user, const char *type,
                            const char *content)
{
    static int number;
    char body[1024];
    snprintf(body, sizeof body,
             "{\"event_id\":\"$%d\",\"sender\":\"%s\",\"room_id\":\"!r:x\",\"type\":\"%s\",\"content\":{%s}}", ++number,
             user, type, content);
    return judged(fixture, now_ms, body, JUDGE_BOTH, false);
}

static const char *sends(struct module_fixture *fixture, int64_t now_ms, const char *user, const char *content)
{
    return sends_as(fixture, now_ms, user, "m.room.message", content);
}

Test(newcomer, an_image_as_the_first_message)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "newcomer", "{\"deny\": \"media\"}"), "%s", fixture.reports);
    cr_expect(chain_needs_body(fixture.chain));
    cr_expect(chain_reads_time(fixture.chain));
    cr_expect_str_eq(sends(&fixture, START, "@old:x", IMAGE), "", "nobody saw it join");
    joins(&fixture, START, "@a:x");
    cr_expect_str_eq(sends(&fixture, START + MINUTE, "@a:x", IMAGE), "media");
    EXPECT_SLICE(fixture.outcome.result.reason, "joined less than 20m ago");
    EXPECT_SLICE(fixture.outcome.result.evidence, "@a:x");
    cr_expect_str_eq(sends(&fixture, START + MINUTE, "@a:x", TEXT), "");
    cr_expect_str_eq(sends(&fixture, START + 2 * MINUTE, "@a:x", IMAGE), "media");
    cr_expect_str_eq(sends(&fixture, START + 20 * MINUTE + 10000, "@a:x", IMAGE), "");
    joins(&fixture, START, "@b:x");
    cr_expect_str_eq(sends(&fixture, START + 60 * MINUTE, "@b:x", IMAGE), "media", "it has said nothing yet");
    EXPECT_SLICE(fixture.outcome.result.reason, "has said little in the room since joining");
    cr_expect_str_eq(sends(&fixture, START + 60 * MINUTE, "@b:x", IMAGE), "media", "what is denied does not count");
    cr_expect_str_eq(sends(&fixture, START + 60 * MINUTE, "@b:x", TEXT), "");
    cr_expect_str_eq(sends(&fixture, START + 60 * MINUTE, "@b:x", IMAGE), "");
    fixture_close(&fixture);
}

Test(newcomer, only_the_time_or_only_the_number)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "newcomer", "{\"deny\": \"media\", \"first\": 0, \"within\": \"10m\"}"));
    joins(&fixture, START, "@a:x");
    cr_expect_str_eq(sends(&fixture, START + 9 * MINUTE, "@a:x", IMAGE), "media");
    cr_expect_str_eq(sends(&fixture, START + 11 * MINUTE, "@a:x", IMAGE), "");
    fixture_close(&fixture);
    cr_assert(fixture_open(&fixture, "newcomer", "{\"deny\": \"media\", \"first\": 3, \"within\": 0}"));
    joins(&fixture, START, "@a:x");
    for (int number = 0; number < 3; number++) {
        cr_expect_str_eq(sends(&fixture, START, "@a:x", IMAGE), "media");
        cr_expect_str_eq(sends_as(&fixture, START, "@a:x", "m.reaction", ""), "", "reactions do not count");
        cr_expect_str_eq(sends(&fixture, START, "@a:x", TEXT), "");
    }
    cr_expect_str_eq(sends(&fixture, START, "@a:x", IMAGE), "");
    fixture_close(&fixture);
}

Test(newcomer, kinds)
{
    static const struct {
        const char *deny, *type, *content;
        bool refused;
    } rows[] = {
        {"media", "m.sticker", "\"body\":\"a\"", true},
        {"media", "m.room.message", TEXT, false},
        {"links", "m.room.message", "\"body\":\"see https://a.example\"", true},
        {"links", "m.room.message", "\"body\":\"see\",\"formatted_body\":\"<a href='https://a.example'>a</a>\"", true},
        {"links", "m.room.message", TEXT, false},
        {"mentions", "m.room.message", "\"body\":\"hi\",\"m.mentions\":{\"user_ids\":[\"@b:x\"]}", true},
        {"mentions", "m.room.message", "\"body\":\"hi @b:x\"", true},
        {"mentions", "m.room.message", TEXT, false},
        {"any", "m.room.message", TEXT, true},
        {"any", "m.room.encrypted", "\"ciphertext\":\"x\"", true},
        {"any", "m.reaction", "", true},
        {"edits", "m.room.message",
         "\"body\":\"* "
         "a\",\"m.new_content\":{\"body\":\"a\"},\"m.relates_to\":{\"rel_type\":\"m.replace\",\"event_id\":"
         "\"$0\"}",
         true},
        {"edits", "m.room.message", "\"body\":\"a\",\"m.relates_to\":{\"m.in_reply_to\":{\"event_id\":\"$0\"}}", false},
        {"edits", "m.room.message", TEXT, false},
        {"reactions", "m.reaction", "\"m.relates_to\":{\"rel_type\":\"m.annotation\"}", true},
        {"reactions", "m.room.message", TEXT, false},
        {"media", "m.room.encrypted", "\"ciphertext\":\"x\"", false},
    };
    for (size_t index = 0; index < sizeof rows / sizeof *rows; index++) {
        struct module_fixture fixture = {0};
        char configuration[64];
        snprintf(configuration, sizeof configuration, "{\"deny\": \"%s\"}", rows[index].deny);
        cr_assert(fixture_open(&fixture, "newcomer", configuration), "%s", fixture.reports);
        joins(&fixture, START, "@a:x");
        cr_expect_str_eq(sends_as(&fixture, START, "@a:x", rows[index].type, rows[index].content),
                         rows[index].refused ? rows[index].deny : "", "%s: %s", rows[index].deny, rows[index].content);
        cr_expect_str_eq(sends_as(&fixture, START, "@b:x", rows[index].type, rows[index].content), "");
        fixture_close(&fixture);
    }
}

Test(newcomer, words)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "newcomer", "{\"words\": [\"casino\", \"free coins\"]}"), "%s", fixture.reports);
    joins(&fixture, START, "@a:x");
    cr_expect_str_eq(sends(&fixture, START, "@a:x", "\"body\":\"our C\\u0430SINO\""), "words");
    cr_expect_str_eq(sends(&fixture, START, "@a:x", "\"body\":\"a\",\"formatted_body\":\"free <b>coins</b>\""),
                     "words");
    cr_expect_str_eq(sends(&fixture, START, "@a:x", "\"body\":\"occasional\""), "");
    cr_expect_str_eq(sends(&fixture, START, "@b:x", "\"body\":\"casino\""), "");
    cr_expect_str_eq(sends(&fixture, START + 21 * MINUTE, "@a:x", "\"body\":\"casino\""), "");
    fixture_close(&fixture);
}

/* `any` is not for the number of messages: else nobody could ever send the first. */
Test(newcomer, any_ends_with_the_time)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "newcomer", "{\"deny\": [\"any\", \"media\"], \"within\": \"5m\"}"));
    joins(&fixture, START, "@a:x");
    cr_expect_str_eq(sends(&fixture, START + MINUTE, "@a:x", TEXT), "any");
    cr_expect_str_eq(sends(&fixture, START + 6 * MINUTE, "@a:x", IMAGE), "media");
    cr_expect_str_eq(sends(&fixture, START + 6 * MINUTE, "@a:x", TEXT), "");
    cr_expect_str_eq(sends(&fixture, START + 6 * MINUTE, "@a:x", IMAGE), "");
    fixture_close(&fixture);
}

/* What only looks like a join, and what is one again. */
Test(newcomer, who_is_none)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "newcomer", "{\"deny\": \"media\"}"));
    /* Of an old member that was never seen, Synapse says that it was one. */
    member(&fixture, START, "join", "@old:x", ",\"unsigned\":{\"replaces_state\":\"$7\"}");
    cr_expect_str_eq(sends(&fixture, START, "@old:x", IMAGE), "");
    /* One that has spoken. */
    cr_expect_str_eq(sends(&fixture, START, "@talks:x", TEXT), "");
    joins(&fixture, START, "@talks:x");
    cr_expect_str_eq(sends(&fixture, START, "@talks:x", IMAGE), "");
    /* A new name does not make the time begin again. */
    joins(&fixture, START, "@a:x");
    cr_expect_str_eq(sends(&fixture, START, "@a:x", TEXT), "");
    member(&fixture, START + 15 * MINUTE, "join", "@a:x", ",\"unsigned\":{\"replaces_state\":\"$8\"}");
    cr_expect_str_eq(sends(&fixture, START + 16 * MINUTE, "@a:x", IMAGE), "media");
    cr_expect_str_eq(sends(&fixture, START + 21 * MINUTE, "@a:x", IMAGE), "");
    /* Who goes and comes again is new again. */
    member(&fixture, START + 22 * MINUTE, "leave", "@a:x", "");
    member(&fixture, START + 23 * MINUTE, "join", "@a:x", ",\"unsigned\":{\"replaces_state\":\"$9\"}");
    cr_expect_str_eq(sends(&fixture, START + 24 * MINUTE, "@a:x", IMAGE), "media");
    fixture_close(&fixture);
}

/* Of an event from another server Synapse asks before it knows what it replaces. A member that nobody has seen yet, and
 * that changes its name, is a newcomer only until the event is seen stored. */
Test(newcomer, a_new_name_that_looks_like_a_join_until_it_is_stored)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "newcomer", "{\"deny\": \"media\"}"));
    member(&fixture, START, "join", "@old:x", ",\"event_id\":\"$n\"");
    cr_expect_str_eq(sends(&fixture, START, "@old:x", IMAGE), "media", "nothing says yet that it was a member");
    member(&fixture, START, "join", "@old:x", ",\"event_id\":\"$n\",\"unsigned\":{\"replaces_state\":\"$7\"}");
    cr_expect_str_eq(sends(&fixture, START, "@old:x", IMAGE), "");
    /* A join is one whether it is seen stored or not, and a new name behind it changes nothing. */
    member(&fixture, START, "join", "@new:x", ",\"event_id\":\"$m\"");
    member(&fixture, START, "join", "@new:x", ",\"event_id\":\"$m\"");
    member(&fixture, START, "join", "@new:x", ",\"event_id\":\"$o\"");
    member(&fixture, START, "join", "@new:x", ",\"event_id\":\"$o\",\"unsigned\":{\"replaces_state\":\"$m\"}");
    cr_expect_str_eq(sends(&fixture, START, "@new:x", IMAGE), "media");
    /* Who comes back is new again, though its join replaces its leave. */
    member(&fixture, START, "leave", "@new:x", ",\"event_id\":\"$p\",\"unsigned\":{\"replaces_state\":\"$o\"}");
    member(&fixture, START, "join", "@new:x", ",\"event_id\":\"$q\"");
    member(&fixture, START, "join", "@new:x", ",\"event_id\":\"$q\",\"unsigned\":{\"replaces_state\":\"$p\"}");
    cr_expect_str_eq(sends(&fixture, START, "@new:x", IMAGE), "media");
    fixture_close(&fixture);
}

Test(newcomer, the_invited)
{
    for (int exempt = 0; exempt < 2; exempt++) {
        struct module_fixture fixture = {0};
        char configuration[64];
        snprintf(configuration, sizeof configuration, "{\"deny\": \"media\", \"exempt_invited\": %s}",
                 exempt ? "true" : "false");
        cr_assert(fixture_open(&fixture, "newcomer", configuration));
        member(&fixture, START, "invite", "@a:x", "");
        joins(&fixture, START + MINUTE, "@a:x");
        cr_expect_str_eq(sends(&fixture, START + MINUTE, "@a:x", IMAGE), exempt ? "" : "media");
        /* The invite is of no use after one has left. */
        member(&fixture, START + MINUTE, "leave", "@a:x", "");
        joins(&fixture, START + MINUTE, "@a:x");
        cr_expect_str_eq(sends(&fixture, START + MINUTE, "@a:x", IMAGE), "media");
        /* Nor can one be invited in again, while there. */
        member(&fixture, START + MINUTE, "invite", "@a:x", "");
        cr_expect_str_eq(sends(&fixture, START + MINUTE, "@a:x", IMAGE), "media");
        fixture_close(&fixture);
    }
}

Test(newcomer, who_makes_a_room)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "newcomer", "{\"deny\": \"media\"}"));
    judged(&fixture, START,
           "{\"sender\":\"@a:x\",\"state_key\":\"\",\"room_id\":\"!r:x\",\"type\":\"m.room.create\",\"content\":{}}",
           JUDGE_BOTH, false);
    joins(&fixture, START, "@a:x");
    cr_expect_str_eq(sends(&fixture, START, "@a:x", IMAGE), "");
    /* From room version 12 on the event names no room. */
    judged(&fixture, START,
           "{\"event_id\":\"$abc\",\"sender\":\"@a:x\",\"state_key\":\"\",\"type\":\"m.room.create\",\"content\":{}}",
           JUDGE_BOTH, false);
    static const char join[] = "{\"sender\":\"@a:x\",\"state_key\":\"@a:x\",\"room_id\":\"!abc\",\"type\":\"m.room."
                               "member\",\"content\":{\"membership\":\"join\"}}";
    cr_expect_str_eq(judged(&fixture, START, join, JUDGE_BOTH, false), "");
    static const char image[] =
        "{\"sender\":\"@a:x\",\"room_id\":\"!abc\",\"type\":\"m.room.message\",\"content\":{" IMAGE "}}";
    cr_expect_str_eq(judged(&fixture, START, image, JUDGE_BOTH, false), "");
    fixture_close(&fixture);
}

Test(newcomer, each_room_by_itself)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "newcomer", "{\"deny\": \"media\", \"code\": \"M_LIMIT_EXCEEDED\"}"));
    joins(&fixture, START, "@a:x");
    static const char elsewhere[] =
        "{\"sender\":\"@a:x\",\"room_id\":\"!s:x\",\"type\":\"m.room.message\",\"content\":{" IMAGE "}}";
    cr_expect_str_eq(judged(&fixture, START, elsewhere, JUDGE_BOTH, false), "");
    static const char here[] =
        "{\"sender\":\"@a:x\",\"room_id\":\"!r:x\",\"type\":\"m.room.message\",\"content\":{" IMAGE "}}";
    cr_expect_str_eq(judged(&fixture, START, here, JUDGE_EVENT_FOR_SPAM, false), "media");
    EXPECT_SLICE(fixture.outcome.result.value.text, "M_LIMIT_EXCEEDED");
    fixture_close(&fixture);
}

Test(newcomer, invites)
{
    static const char question[] = "{\"inviter\":\"@a:x\",\"invitee\":\"@b:x\",\"room_id\":\"!r:x\"}";
    static const char *const refusals[] = {"{\"code\":", "{\"bool\":false}"};
    for (int semantics = 0; semantics < 2; semantics++) {
        struct module_fixture fixture = {.semantics = semantics ? SEMANTICS_147 : SEMANTICS_LATEST};
        char pass[256];
        cr_assert(fixture_open(&fixture, "newcomer", "{\"deny\": \"invites\"}"), "%s", fixture.reports);
        fixture.now_ms = START + MINUTE;
        snprintf(pass, sizeof pass, "%s", fixture_ask(&fixture, CALLBACK_user_may_invite, question));
        joins(&fixture, START, "@a:x");
        const char *answer = fixture_ask(&fixture, CALLBACK_user_may_invite, question);
        cr_expect(strncmp(answer, refusals[semantics], strlen(refusals[semantics])) == 0, "%s", answer);
        EXPECT_SLICE(fixture.outcome.result.rule, "invites");
        static const char invite[] =
            "{\"sender\":\"@a:x\",\"state_key\":\"@b:x\",\"room_id\":\"!r:x\",\"type\":\"m.room."
            "member\",\"content\":{\"membership\":\"invite\"}}";
        cr_expect_str_eq(judged(&fixture, START, invite, JUDGE_BOTH, false), "invites");
        cr_expect_str_eq(sends(&fixture, START, "@a:x", TEXT), "");
        fixture.now_ms = START + 21 * MINUTE;
        cr_expect_str_eq(fixture_ask(&fixture, CALLBACK_user_may_invite, question), pass);
        fixture_close(&fixture);
    }
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "newcomer", "{\"deny\": \"media\"}"));
    cr_expect_eq(chain_callback_modules(fixture.chain, CALLBACK_user_may_invite, NULL, 0), 0u);
    fixture_close(&fixture);
}

static void registers(struct module_fixture *fixture, int64_t now_ms, const char *user)
{
    char question[64];
    snprintf(question, sizeof question, "{\"user_id\":\"%s\"}", user);
    fixture->now_ms = now_ms;
    cr_expect_str_eq(fixture_ask(fixture, CALLBACK_on_user_registration, question), "{\"none\":true}");
}

#define HOUR (60 * (int64_t)MINUTE)

/* Who has just registered is a newcomer where nobody saw it join, where it was invited, and in its own room. */
Test(newcomer, young_accounts)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "newcomer", "{\"deny\": \"media\", \"account_age\": \"2h\"}"), "%s",
              fixture.reports);
    registers(&fixture, START, "@a:x");
    EXPECT_FIGURE(&fixture, "accounts", 1);
    member(&fixture, START, "invite", "@a:x", "");
    joins(&fixture, START, "@a:x");
    cr_expect_str_eq(sends(&fixture, START + HOUR, "@a:x", TEXT), "");
    cr_expect_str_eq(sends(&fixture, START + HOUR, "@a:x", IMAGE), "media");
    EXPECT_SLICE(fixture.outcome.result.reason, "the account is younger than 2h");
    cr_expect_str_eq(sends(&fixture, START + HOUR, "@old:x", IMAGE), "", "nobody saw it register");
    registers(&fixture, START + HOUR, "@a:x");
    cr_expect_str_eq(sends(&fixture, START + 2 * HOUR - MINUTE, "@a:x", IMAGE), "media");
    cr_expect_str_eq(sends(&fixture, START + 2 * HOUR, "@a:x", IMAGE), "");
    registers(&fixture, START, "@b:x");
    joins(&fixture, START + 2 * HOUR, "@b:x");
    cr_expect_str_eq(sends(&fixture, START + 2 * HOUR, "@b:x", IMAGE), "media");
    EXPECT_SLICE(fixture.outcome.result.reason, "joined less than 20m ago");
    fixture_close(&fixture);
    cr_assert(fixture_open(&fixture, "newcomer",
                           "{\"deny\": [\"any\", \"invites\"], \"within\": 0, \"account_age\": \"2h\"}"));
    registers(&fixture, START, "@a:x");
    cr_expect_str_eq(sends(&fixture, START + HOUR, "@a:x", TEXT), "any");
    static const char invite[] = "{\"inviter\":\"@a:x\",\"invitee\":\"@b:x\",\"room_id\":\"!r:x\"}";
    fixture.now_ms = START + HOUR;
    fixture_ask(&fixture, CALLBACK_user_may_invite, invite);
    EXPECT_SLICE(fixture.outcome.result.rule, "invites");
    cr_expect_str_eq(sends(&fixture, START + 2 * HOUR, "@a:x", TEXT), "");
    fixture_close(&fixture);
    cr_assert(fixture_open(&fixture, "newcomer", "{\"deny\": \"media\"}"));
    cr_expect_eq(chain_callback_modules(fixture.chain, CALLBACK_on_user_registration, NULL, 0), 0u);
    cr_expect_eq(chain_callback_modules(fixture.chain, CALLBACK_user_may_join_room, NULL, 0), 0u);
    fixture_close(&fixture);
}

Test(newcomer, joins_of_young_accounts)
{
    static const char *const refusals[] = {"{\"code\":", "{\"bool\":false}"};
    static const char configuration[] = "{\"deny\": \"joins\", \"account_age\": \"1d\", \"exempt_invited\": %s}";
    static const char question[] = "{\"user_id\":\"@%s:x\",\"room_id\":\"!r:x\",\"is_invited\":%s}";
    for (int row = 0; row < 4; row++) {
        bool old = row & 1, exempt = row & 2;
        struct module_fixture fixture = {.semantics = old ? SEMANTICS_147 : SEMANTICS_LATEST};
        char text[128], pass[64];
        snprintf(text, sizeof text, configuration, exempt ? "true" : "false");
        cr_assert(fixture_open(&fixture, "newcomer", text), "%s", fixture.reports);
        registers(&fixture, START, "@a:x");
        snprintf(text, sizeof text, question, "old", "false");
        snprintf(pass, sizeof pass, "%s", fixture_ask(&fixture, CALLBACK_user_may_join_room, text));
        snprintf(text, sizeof text, question, "a", "true");
        const char *answer = fixture_ask(&fixture, CALLBACK_user_may_join_room, text);
        cr_expect_eq(strcmp(answer, pass) == 0, exempt, "%s", answer);
        snprintf(text, sizeof text, question, "a", "false");
        answer = fixture_ask(&fixture, CALLBACK_user_may_join_room, text);
        cr_expect(strncmp(answer, refusals[old], strlen(refusals[old])) == 0, "%s", answer);
        EXPECT_SLICE(fixture.outcome.result.rule, "joins");
        EXPECT_SLICE(fixture.outcome.result.reason, "the account is younger than 1d");
        joins(&fixture, START, "@a:x");
        cr_expect_str_eq(sends(&fixture, START, "@a:x", IMAGE), "", "only joins are denied");
        fixture.now_ms = START + 24 * HOUR;
        cr_expect_str_eq(fixture_ask(&fixture, CALLBACK_user_may_join_room, text), pass);
        fixture_close(&fixture);
    }
}

/* A module is not asked about what one before it denies. */
Test(newcomer, what_a_module_before_it_denies_does_not_count)
{
    struct module_fixture fixture = {0};
    modules_begin(&fixture);
    cr_assert(modules_append(&fixture, "keywords", "{\"words\": [\"casino\"]}", NULL), "%s", fixture.reports);
    cr_assert(modules_append(&fixture, "newcomer", "{\"deny\": \"links\", \"within\": 0}", NULL));
    modules_seal(&fixture);
    joins(&fixture, START, "@a:x");
    cr_expect_str_eq(modules_message(&fixture, START, "@a:x", "casino"), "keywords");
    cr_expect_str_eq(modules_message(&fixture, START, "@a:x", "https://a.example"), "newcomer");
    cr_expect_str_eq(modules_message(&fixture, START, "@a:x", "good morning"), "");
    cr_expect_str_eq(modules_message(&fixture, START, "@a:x", "https://a.example"), "");
    fixture_close(&fixture);
}

Test(newcomer, an_event_keeps_its_answer)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "newcomer", "{\"deny\": \"media\", \"within\": \"5m\", \"first\": 2}"));
    static const char image[] = "{\"event_id\":\"$i\",\"sender\":\"@a:x\",\"room_id\":\"!r:x\",\"type\":\"m.room."
                                "message\",\"content\":{" IMAGE "}}";
    static const char text[] = "{\"event_id\":\"$t\",\"sender\":\"@a:x\",\"room_id\":\"!r:x\",\"type\":\"m.room."
                               "message\",\"content\":{" TEXT "}}";
    joins(&fixture, START, "@a:x");
    cr_expect_str_eq(judged(&fixture, START, image, JUDGE_BOTH, false), "media");
    for (int time = 0; time < 5; time++)
        cr_expect_str_eq(judged(&fixture, START, text, JUDGE_BOTH, false), "");
    cr_expect_str_eq(sends(&fixture, START + 6 * MINUTE, "@a:x", IMAGE), "media", "one message is only one");
    cr_expect_str_eq(sends(&fixture, START + 6 * MINUTE, "@a:x", TEXT), "");
    cr_expect_str_eq(sends(&fixture, START + 6 * MINUTE, "@a:x", IMAGE), "");
    cr_expect_str_eq(judged(&fixture, START + 6 * MINUTE, image, JUDGE_BOTH, false), "media");
    fixture_close(&fixture);
}

Test(newcomer, a_trial_changes_nothing)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "newcomer", "{\"deny\": \"media\", \"within\": 0}"));
    static const char join[] = "{\"sender\":\"@a:x\",\"state_key\":\"@a:x\",\"room_id\":\"!r:x\",\"type\":\"m.room."
                               "member\",\"content\":{\"membership\":\"join\"}}";
    static const char text[] = "{\"event_id\":\"$t\",\"sender\":\"@a:x\",\"room_id\":\"!r:x\",\"type\":\"m.room."
                               "message\",\"content\":{" TEXT "}}";
    judged(&fixture, START, join, JUDGE_BOTH, true);
    joins(&fixture, START, "@b:x");
    cr_expect_str_eq(judged(&fixture, START, text, JUDGE_BOTH, true), "");
    cr_expect_str_eq(sends(&fixture, START, "@a:x", IMAGE), "", "the join was none");
    member(&fixture, START, "leave", "@a:x", "");
    joins(&fixture, START, "@a:x");
    cr_expect_str_eq(judged(&fixture, START, text, JUDGE_BOTH, true), "");
    cr_expect_str_eq(sends(&fixture, START, "@a:x", IMAGE), "media", "the message was none");
    fixture_close(&fixture);
}

/* Clocks that are set back a little make nobody an old member. */
Test(newcomer, clocks_that_go_back)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "newcomer", "{\"deny\": \"media\", \"first\": 0}"));
    joins(&fixture, START, "@a:x");
    cr_expect_str_eq(sends(&fixture, START - 2 * MINUTE, "@a:x", IMAGE), "media");
    cr_expect_str_eq(sends(&fixture, START + MINUTE, "@a:x", IMAGE), "media");
    fixture_close(&fixture);
}

Test(newcomer, wrong_configurations)
{
    static const struct {
        const char *configuration, *report;
        bool taken;
    } rows[] = {
        {"{\"deny\": [\"medias\"]}", "deny", false},
        {"{\"within\": \"60d\", \"deny\": \"media\"}", "within: must be ", false},
        {"{\"within\": 0, \"deny\": \"any\"}",
         "deny: `any` needs a time in `within` or `account_age`: else nobody who joins could ever speak\n", false},
        {"{\"deny\": \"joins\"}", "deny: `joins` needs an `account_age`", false},
        {"{\"deny\": \"media\", \"account_age\": \"366d\"}", "account_age: must be ", false},
        {"{\"deny\": \"media\", \"within\": 0, \"first\": 0, \"account_age\": \"1d\"}", "", true},
        {"{\"words\": [\"\"]}", "words[0]: ", false},
        {"{}", "warning: deny: nothing is denied: every event passes\n", true},
        {"{\"deny\": \"media\", \"within\": 0, \"first\": 0}",
         "warning: within: nobody is a newcomer, since `first` is 0, too\n", true},
    };
    for (size_t index = 0; index < sizeof rows / sizeof *rows; index++) {
        struct module_fixture fixture = {0};
        cr_expect_eq(fixture_open(&fixture, "newcomer", rows[index].configuration), rows[index].taken, "%s",
                     rows[index].configuration);
        cr_expect(strncmp(fixture.reports, rows[index].report, strlen(rows[index].report)) == 0, "%s: %s",
                  rows[index].configuration, fixture.reports);
        fixture_close(&fixture);
    }
}

Test(newcomer, what_it_remembers_goes_on_in_another)
{
    static const char configuration[] = "{\"deny\": \"media\", \"account_age\": \"1d\"}";
    struct module_fixture fixture = {0}, next = {0};
    struct chain_state_counts counts;
    struct buffer snapshot = {0};
    const char *problem;
    keyed_hash_draw_seed();
    cr_assert(fixture_open(&fixture, "newcomer", configuration));
    keyed_hash_draw_seed();
    cr_assert(fixture_open(&next, "newcomer", configuration));
    joins(&fixture, START, "@a:x");
    registers(&fixture, START, "@b:x");
    chain_state_save(fixture.chain, &snapshot);
    cr_assert(chain_state_restore(next.chain, buffer_slice(&snapshot), &counts, &problem), "%s", problem);
    cr_expect_eq(counts.restored, 1u);
    cr_expect_str_eq(sends(&next, START + MINUTE, "@a:x", IMAGE), "media");
    cr_expect_str_eq(sends(&next, START + HOUR, "@b:x", IMAGE), "media");
    for (size_t length = 0; length < snapshot.length; length++)
        cr_expect_not(chain_state_restore(next.chain, slice_of(snapshot.data, length), &counts, &problem) &&
                      counts.restored);
    buffer_free(&snapshot);
    keyed_hash_seed = 0;
    fixture_close(&next);
    fixture_close(&fixture);
}
