/* Texts that come again and again: from whom, how alike, and what is only one text seen twice. */
#include "base/keyed_hash.h"
#include "filters/chain_state.h"
#include "tests/filters/module_fixture.h"

#define START 1700000000000
#define SPAM "Earn 5000 a day with our secret crypto system, join the channel now and tell your friends about it"

static bool body_denied(struct module_fixture *fixture, int64_t now_ms, const char *body, unsigned ask)
{
    struct event event = {0};
    judge_set_time(fixture->judge, now_ms, false);
    cr_assert_eq(judge_read(fixture->judge, slice_from_string(body), &event), EVENT_READ_OK, "%s", body);
    fixture->outcome = *judge_event(fixture->judge, &event, ask);
    return fixture->outcome.kind != OUTCOME_PASSED;
}

/* An event with the id `number` and this content; 0: without an id, asked about once. */
static bool event_denied(struct module_fixture *fixture, int64_t now_ms, int number, const char *sender,
                         const char *room, const char *content)
{
    char body[2048], id[32] = "";
    if (number)
        snprintf(id, sizeof id, "\"event_id\":\"$%d\",", number);
    snprintf(body, sizeof body, "{%s\"sender\":\"%s\",\"room_id\":\"%s\",\"type\":\"m.room.message\",\"content\":{%s}}",
             id, sender, room, content);
    return body_denied(fixture, now_ms, body, number ? JUDGE_BOTH : JUDGE_EVENT_FOR_SPAM);
}

static bool said(struct module_fixture *fixture, int64_t now_ms, const char *sender, const char *room, const char *text)
{
    char content[1024];
    snprintf(content, sizeof content, "\"msgtype\":\"m.text\",\"body\":\"%s\"", text);
    return event_denied(fixture, now_ms, 0, sender, room, content);
}

Test(repeat, one_text_from_many_accounts_in_many_rooms)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "repeat", "{}"), "%s", fixture.reports);
    cr_expect(chain_needs_body(fixture.chain));
    cr_expect(chain_reads_time(fixture.chain));
    uint32_t index;
    cr_expect_not(chain_concurrent(fixture.chain, &index));
    cr_expect_not(said(&fixture, START, "@a:x", "!r:x", SPAM));
    cr_expect_not(said(&fixture, START + 60000, "@b:y", "!s:x", SPAM));
    cr_expect(said(&fixture, START + 120000, "@c:z", "!t:x", SPAM));
    EXPECT_SLICE(fixture.outcome.result.rule, "same");
    EXPECT_SLICE(fixture.outcome.result.reason, "the text came 3 times within 10m");
    EXPECT_SLICE(fixture.outcome.result.evidence, SPAM);
    EXPECT_SLICE(fixture.outcome.result.value.text, "M_FORBIDDEN");
    cr_expect_not(said(&fixture, START + 120000, "@c:z", "!t:x", "something else, that nobody has said before"));
    cr_expect(said(&fixture, START + 540000, "@d:z", "!t:x", SPAM), "what is denied counts");
    cr_expect(said(&fixture, START + 1080000, "@d:z", "!t:x", SPAM) == false, "only one came within the window");
    fixture_close(&fixture);
}

Test(repeat, forgets_after_the_window)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "repeat", "{\"same\": 2, \"window\": \"8s\", \"code\": \"M_LIMIT_EXCEEDED\"}"));
    cr_expect_not(said(&fixture, START, "@a:x", "!r:x", SPAM));
    cr_expect_not(said(&fixture, START + 9001, "@a:x", "!r:x", SPAM));
    cr_expect(said(&fixture, START + 17000, "@a:x", "!r:x", SPAM));
    EXPECT_SLICE(fixture.outcome.result.value.text, "M_LIMIT_EXCEEDED");
    EXPECT_SLICE(fixture.outcome.result.reason, "the text came 2 times within 8s");
    fixture_close(&fixture);
}

Test(repeat, scopes)
{
    static const struct {
        const char *scope;
        bool same_sender_elsewhere, same_server, same_room, nothing_in_common;
    } rows[] = {{"sender", true, false, false, false},
                {"room", false, false, true, false},
                {"server", true, true, false, false},
                {"all", true, true, true, true}};
    static const struct {
        const char *sender, *room;
    } asked[] = {{"@a:x", "!s:x"}, {"@b:x", "!t:x"}, {"@c:y", "!r:x"}, {"@d:z", "!u:x"}};
    for (size_t index = 0; index < sizeof rows / sizeof *rows; index++) {
        const bool wanted[] = {rows[index].same_sender_elsewhere, rows[index].same_server, rows[index].same_room,
                               rows[index].nothing_in_common};
        for (size_t place = 0; place < sizeof asked / sizeof *asked; place++) {
            struct module_fixture fixture = {0};
            char configuration[64];
            snprintf(configuration, sizeof configuration, "{\"same\": 2, \"scope\": \"%s\"}", rows[index].scope);
            cr_assert(fixture_open(&fixture, "repeat", configuration), "%s", fixture.reports);
            cr_expect_not(said(&fixture, START, "@a:x", "!r:x", SPAM));
            cr_expect_eq(said(&fixture, START, asked[place].sender, asked[place].room, SPAM), wanted[place], "%s, %s",
                         rows[index].scope, asked[place].sender);
            fixture_close(&fixture);
        }
    }
}

/* What is the same text after folding, and what is none. */
Test(repeat, what_is_the_same)
{
    static const struct {
        const char *configuration, *first, *second;
        bool same;
    } rows[] = {
        {"", "Free coins for everybody, now!", "FREE COINS, FOR EVERYBODY NOW", true},
        {"", "Free coins for everybody, now!", "Fr\\u0435\\u0435 c\\u043eins for every\\u200bbody now", true},
        {"", "Free coins for everybody, now!", "F r e e coins\\nfor-every-body-now...", true},
        {"", "Free coins for everybody, now!", "Free coins for somebody, now!!!!!", false},
        {", \"fold\": \"case\"", "Free coins for everybody, now!", "free coins for everybody now", true},
        {", \"fold\": \"case\"", "Free coins for everybody, now!", "Fr\\u0435e coins for everybody, now!", false},
        {", \"fold\": \"none\"", "Free coins for everybody, now!", "free coins for everybody now", false},
        {"", "good morning to you all", "good morning to you all", false}, /* 19 letters */
        {", \"min_bytes\": 19", "good morning to you all", "good morning to you all", true},
        {", \"min_bytes\": 20", "good morning to you all", "good morning to you all", false},
        {"", "!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!", "!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!", false},
        {", \"similarity\": 0.7", SPAM, "Peter: " SPAM, true},
        {", \"similarity\": 0.7",
         "Peter, earn 7000 a day with our secret crypto system, join the channel now and tell your friends", SPAM,
         true},
        {", \"similarity\": 0.7", SPAM, "Has anybody seen the minutes of the last meeting? I cannot find them anywhere",
         false},
        {"", SPAM, "Peter: " SPAM, false},
    };
    for (size_t index = 0; index < sizeof rows / sizeof *rows; index++) {
        struct module_fixture fixture = {0};
        char configuration[128];
        snprintf(configuration, sizeof configuration, "{\"same\": 2%s}", rows[index].configuration);
        cr_assert(fixture_open(&fixture, "repeat", configuration), "%s", fixture.reports);
        cr_expect_not(said(&fixture, START, "@a:x", "!r:x", rows[index].first));
        cr_expect_eq(said(&fixture, START, "@b:x", "!r:x", rows[index].second), rows[index].same, "%s: %s",
                     rows[index].configuration, rows[index].second);
        if (rows[index].same && strstr(configuration, "similarity")) {
            EXPECT_SLICE(fixture.outcome.result.rule, "similar");
            EXPECT_SLICE(fixture.outcome.result.reason, "the text, or one like it, came 2 times within 10m");
        }
        fixture_close(&fixture);
    }
}

/* A group goes on from text to text: spam that changes a little each time stays the same spam. */
Test(repeat, similar_to_what_was_similar)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "repeat", "{\"similarity\": 0.6, \"same\": 4}"));
    char text[] = SPAM;
    int denied = 0;
    for (size_t round = 0; round < 12; round++) {
        memset(text + round * 8, 'a' + (int)round, 8);
        denied += said(&fixture, START + (int64_t)round * 1000, "@a:x", "!r:x", text);
    }
    cr_expect_eq(denied, 9, "%d", denied);
    fixture_close(&fixture);
}

Test(repeat, an_event_counts_once)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "repeat", "{}"));
    static const char text[] = "\"body\":\"" SPAM "\",\"formatted_body\":\"<b>" SPAM "</b>\"";
    for (int time = 0; time < 5; time++) {
        cr_expect_not(event_denied(&fixture, START, 1, "@a:x", "!r:x", text));
        cr_expect_not(event_denied(&fixture, START, 2, "@a:x", "!r:x", text));
    }
    cr_expect(event_denied(&fixture, START, 3, "@a:x", "!r:x", text));
    cr_expect_not(event_denied(&fixture, START, 1, "@a:x", "!r:x", text));
    cr_expect(event_denied(&fixture, START + 7200000, 3, "@a:x", "!r:x", text), "denied once is denied always");
    cr_expect_not(event_denied(&fixture, START + 7200000, 4, "@a:x", "!r:x", text));
    fixture_close(&fixture);
}

/* Whoever mends a message says it once; but edits are no way to say it in many rooms. */
Test(repeat, edits)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "repeat", "{}"));
    static const char text[] = "\"body\":\"" SPAM "\"";
    static const char edit[] = "\"body\":\"* " SPAM "\",\"m.new_content\":{\"body\":\"" SPAM
                               "!\"},\"m.relates_to\":{\"rel_type\":\"m.replace\",\"event_id\":\"$1\"}";
    cr_expect_not(event_denied(&fixture, START, 1, "@a:x", "!r:x", text));
    for (int number = 2; number < 9; number++)
        cr_expect_not(event_denied(&fixture, START, number, "@a:x", "!r:x", edit));
    cr_expect_not(event_denied(&fixture, START, 10, "@b:x", "!r:x", edit), "the second: another sender");
    cr_expect(event_denied(&fixture, START, 11, "@a:x", "!s:x", edit), "the third: another room");
    fixture_close(&fixture);
}

/* Old clients quote what is answered. */
Test(repeat, quotations_of_replies)
{
    static const char reply[] =
        "\"body\":\"> <@z:x> " SPAM "\\n> second line\\n\\n%s\",\"formatted_body\":\"<mx-reply><blockquote>" SPAM
        "</blockquote></mx-reply>%s\"%s";
    static const char relation[] = ",\"m.relates_to\":{\"m.in_reply_to\":{\"event_id\":\"$1\"}}";
    struct module_fixture fixture = {0};
    char content[1024];
    cr_assert(fixture_open(&fixture, "repeat", "{\"same\": 2, \"similarity\": 0.6}"));
    cr_expect_not(said(&fixture, START, "@z:x", "!r:x", SPAM));
    for (int number = 2; number < 6; number++) {
        snprintf(content, sizeof content, reply, number % 2 ? "yes" : "no", number % 2 ? "yes" : "no", relation);
        cr_expect_not(event_denied(&fixture, START, number, "@a:x", "!r:x", content));
    }
    snprintf(content, sizeof content, reply, "yes", "yes", "");
    cr_expect(event_denied(&fixture, START, 7, "@a:x", "!r:x", content), "no reply: everybody sees the quotation");
    snprintf(content, sizeof content, reply, "hm", SPAM, relation);
    cr_expect(event_denied(&fixture, START, 8, "@a:x", "!r:x", content));
    fixture_close(&fixture);
}

/* What is refused for its first text is counted for the others, too. */
Test(repeat, all_texts_count)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "repeat", "{\"same\": 2}"));
    static const char hidden[] = "a text that is only in the HTML of both";
    char content[512];
    cr_expect_not(said(&fixture, START, "@a:x", "!r:x", SPAM));
    snprintf(content, sizeof content, "\"body\":\"" SPAM "\",\"formatted_body\":\"%s\"", hidden);
    cr_expect(event_denied(&fixture, START, 1, "@a:x", "!r:x", content));
    snprintf(content, sizeof content, "\"body\":\"hello\",\"formatted_body\":\"<i>%s</i>\"", hidden);
    cr_expect(event_denied(&fixture, START, 2, "@a:x", "!r:x", content));
    EXPECT_SLICE(fixture.outcome.result.evidence, "<i>a text that is only in the HTML of both</i>");
    fixture_close(&fixture);
}

Test(repeat, a_trial_changes_nothing)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "repeat", "{\"same\": 2, \"similarity\": 0.8}"));
    static const char body[] = "{\"event_id\":\"$1\",\"sender\":\"@a:x\",\"content\":{\"body\":\"" SPAM "\"}}";
    for (int time = 0; time < 4; time++) {
        struct event event = {0};
        judge_set_time(fixture.judge, START, true);
        cr_assert_eq(judge_read(fixture.judge, slice_from_string(body), &event), EVENT_READ_OK);
        cr_expect_eq(judge_event(fixture.judge, &event, JUDGE_BOTH)->kind, OUTCOME_PASSED);
    }
    cr_expect_not(said(&fixture, START, "@a:x", "!r:x", SPAM));
    struct event event = {0};
    judge_set_time(fixture.judge, START, true);
    cr_assert_eq(judge_read(fixture.judge, slice_from_string(body), &event), EVENT_READ_OK);
    cr_expect_eq(judge_event(fixture.judge, &event, JUDGE_BOTH)->kind, OUTCOME_DENIED);
    fixture_close(&fixture);
}

/* In the old semantics a refusal is True, and check_event_allowed says the same. */
Test(repeat, old_semantics)
{
    struct module_fixture fixture = {.semantics = SEMANTICS_147};
    cr_assert(fixture_open(&fixture, "repeat", "{\"same\": 2}"), "%s", fixture.reports);
    cr_expect_not(said(&fixture, START, "@a:x", "!r:x", SPAM));
    cr_expect(said(&fixture, START, "@a:x", "!r:x", SPAM));
    EXPECT_SLICE(fixture.outcome.result.rule, "same");
    fixture_close(&fixture);
}

Test(repeat, wrong_configurations)
{
    static const struct {
        const char *configuration, *report;
    } rows[] = {
        {"{\"same\": 1}", "same: must be "},
        {"{\"window\": \"2d\"}", "window: must be "},
        {"{\"similarity\": 0.4}", "similarity: must be from 0.5 to 1: below that, most texts are alike\n"},
        {"{\"scope\": \"user\"}", "scope: must be "},
        {"{\"fields\": []}", "fields: "},
    };
    for (size_t index = 0; index < sizeof rows / sizeof *rows; index++) {
        struct module_fixture fixture = {0};
        cr_expect_not(fixture_open(&fixture, "repeat", rows[index].configuration), "%s", rows[index].configuration);
        cr_expect(strncmp(fixture.reports, rows[index].report, strlen(rows[index].report)) == 0, "%s: %s",
                  rows[index].configuration, fixture.reports);
        fixture_close(&fixture);
    }
}

Test(repeat, what_it_remembers_goes_on_in_another)
{
    static const char *const configurations[] = {"{}", "{\"similarity\": 0.8}"};
    for (size_t index = 0; index < 2; index++) {
        struct module_fixture fixture = {0}, next = {0};
        struct chain_state_counts counts;
        struct buffer snapshot = {0};
        const char *problem;
        keyed_hash_draw_seed();
        cr_assert(fixture_open(&fixture, "repeat", configurations[index]));
        keyed_hash_draw_seed(); /* the next run has another */
        cr_assert(fixture_open(&next, "repeat", configurations[index]));
        static const char text[] = "\"body\":\"" SPAM "\"";
        cr_expect_not(event_denied(&fixture, START, 1, "@a:x", "!r:x", text));
        cr_expect_not(event_denied(&fixture, START, 2, "@a:x", "!r:x", text));
        chain_state_save(fixture.chain, &snapshot);
        cr_assert(chain_state_restore(next.chain, buffer_slice(&snapshot), &counts, &problem), "%s", problem);
        cr_expect_eq(counts.restored, 1u);
        cr_expect_not(event_denied(&next, START, 1, "@a:x", "!r:x", text));
        cr_expect(event_denied(&next, START, 3, "@a:x", "!r:x", text));
        for (size_t length = 0; length < snapshot.length; length += 7)
            cr_expect_not(chain_state_restore(next.chain, slice_of(snapshot.data, length), &counts, &problem) &&
                          counts.restored);
        buffer_free(&snapshot);
        keyed_hash_seed = 0;
        fixture_close(&next);
        fixture_close(&fixture);
    }
}

Test(repeat, figures)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "repeat", "{\"capacity\": 1024}"));
    for (int number = 1; number < 6; number++)
        for (int time = 0; time < 2; time++)
            event_denied(&fixture, START, number, "@a:x", "!r:x", "\"msgtype\":\"m.text\",\"body\":\"" SPAM "\"");
    EXPECT_FIGURE(&fixture, "refused_total", 3);
    EXPECT_FIGURE(&fixture, "texts_forgotten_total", 0);
    for (int number = 0; number < 4000; number++) {
        char text[64];
        snprintf(text, sizeof text, "this is the text with the number %d", number);
        said(&fixture, START, "@a:x", "!r:x", text);
    }
    cr_expect_gt(fixture_figure(&fixture, "texts_forgotten_total"), 1900);
    EXPECT_FIGURE(&fixture, "refused_total", 3);
    fixture_close(&fixture);
}
