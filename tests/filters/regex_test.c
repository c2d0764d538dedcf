/* What regex catches and what it must let pass. */
#include "tests/filters/content_fixture.h"
#include "tests/filters/question_fixture.h"

#define BODY(text) "{\"type\":\"m.room.message\",\"sender\":\"@a:b\",\"content\":{\"body\":\"" text "\"}}"
#define CREATE(config) "{'user_id':'@a:x','room_config':" config "}"
#define ON_CREATE(admin) "{'requester':{'user_id':'@a:x'},'config':{'name':'casino 7'},'is_requester_admin':" admin "}"
#define PROFILE(id, name) "{'user_profile':{'user_id':'" id "','display_name':" name "},'requester_id':'@r:x'}"

static void open_module(struct module_fixture *fixture, const char *configuration)
{
    cr_assert(fixture_open(fixture, "regex", configuration), "%s", fixture->reports);
}

Test(regex, the_first_pattern_is_named_with_its_reason)
{
    struct module_fixture fixture = {.file_content = "# more\n^viagra\n(\\w)\\1{5}\n"};
    open_module(&fixture, "{\"patterns\": [\"bit\\\\s*coins?\", {\"pattern\": \"free (cash|money)\", \"reason\": "
                          "\"promises money\"}], \"files\": \"f\"}");
    CONTENT_HIT(&fixture, BODY("FREE cash in Bit coin"), "bit\\s*coins?");
    EXPECT_SLICE(fixture.outcome.result.reason, "body matches a pattern");
    EXPECT_SLICE(fixture.outcome.result.value.text, "M_FORBIDDEN");
    cr_expect(fixture.outcome.result.rule_is_regex);
    CONTENT_HIT(&fixture, BODY("free Money"), "free (cash|money)");
    EXPECT_SLICE(fixture.outcome.result.reason, "promises money");
    EXPECT_SLICE(fixture.outcome.result.evidence, "free Money");
    CONTENT_HIT(&fixture, BODY("Viagra here"), "^viagra");
    CONTENT_HIT(&fixture, BODY("aaaaaa"), "(\\w)\\1{5}");
    CONTENT_HIT(&fixture, "{\"content\":{\"body\":\"x\",\"formatted_body\":\"<b>free</b> m<i>oney</i>\"}}",
                "free (cash|money)");
    CONTENT_HIT(&fixture, "{\"content\":{\"body\":\"x\",\"m.new_content\":{\"body\":\"bitcoin\"}}}", "bit\\s*coins?");
    EXPECT_SLICE(fixture.outcome.result.reason, "body of the edit matches a pattern");
    CONTENT_PASS(&fixture, BODY("no viagra, no freemoney"));
    CONTENT_PASS(&fixture, BODY(""));
    CONTENT_PASS(&fixture, "{\"content\":{\"formatted_body\":\"<bitcoin>x</bitcoin>\",\"url\":\"bitcoin\"}}");
    CONTENT_PASS(&fixture, "{\"content\":{\"body\":7}}");
    fixture_close(&fixture);
}

Test(regex, flags)
{
    struct module_fixture fixture = {0};
    open_module(&fixture,
                "{\"patterns\": [{\"pattern\": \"BUY\", \"flags\": \"\"}, {\"pattern\": \"^a.b$\", \"flags\": "
                "\"ms\"}, {\"pattern\": \"c d # e\", \"flags\": \"ix\"}], \"code\": \"M_LIMIT_EXCEEDED\"}");
    CONTENT_HIT(&fixture, BODY("please BUY"), "BUY");
    EXPECT_SLICE(fixture.outcome.result.value.text, "M_LIMIT_EXCEEDED");
    CONTENT_PASS(&fixture, BODY("please buy"));
    CONTENT_HIT(&fixture, BODY("x\\na\\nb\\nx"), "^a.b$");
    CONTENT_PASS(&fixture, BODY("x\\nA\\nb\\nx"));
    CONTENT_HIT(&fixture, BODY("xCDx"), "c d # e");
    CONTENT_PASS(&fixture, BODY("c d"));
    fixture_close(&fixture);
}

Test(regex, folded_texts)
{
    struct module_fixture fixture = {0};
    open_module(&fixture, "{\"patterns\": [\"\\\\bfree +money\\\\b\", {\"pattern\": \"[abc]{5}\", \"flags\": \"\"}], "
                          "\"fold\": \"unicode\"}");
    CONTENT_HIT(&fixture, BODY("𝐅𝐫ее  МОNЕY"), "\\bfree +money\\b");
    CONTENT_HIT(&fixture, BODY("f\\u200br\\u0336e\\u0336e ｍｏｎｅｙ"), "\\bfree +money\\b");
    CONTENT_HIT(&fixture, BODY("ABCAB"), "[abc]{5}");
    CONTENT_PASS(&fixture, BODY("freemoney"));
    cr_expect_str_eq(fixture.reports, "");
    fixture_close(&fixture);
    open_module(&fixture, "{\"patterns\": {\"pattern\": \"Free\", \"flags\": \"\"}, \"fold\": \"case\"}");
    CONTENT_HIT(&fixture, BODY("fREE"), "Free");
    CONTENT_PASS(&fixture, BODY("frее"));
    fixture_close(&fixture);
    open_module(&fixture, "{\"patterns\": [\"a\", \"о[жк]\", \"你好\"], \"fold\": \"unicode\"}");
    cr_expect_not_null(strstr(fixture.reports, "warning: patterns: in `о[жк]`, `о` is never found: with `fold: "
                                               "unicode` texts have `o` there\n"),
                       "%s", fixture.reports);
    cr_expect_null(strstr(fixture.reports, "你好"), "%s", fixture.reports);
    fixture_close(&fixture);
}

/* What lies behind `max_bytes` is not looked into, and no character is cut. */
Test(regex, long_texts)
{
    struct module_fixture fixture = {0};
    struct buffer body = {0};
    open_module(&fixture, "{\"patterns\": [\"needle\", \"ж$\"], \"max_bytes\": 1024, \"fields\": [\"body\"]}");
    buffer_append_format(&body, "{\"content\":{\"body\":\"%01018dneedle\"}}", 0);
    CONTENT_HIT(&fixture, buffer_string(&body), "needle");
    buffer_clear(&body);
    buffer_append_format(&body, "{\"content\":{\"body\":\"%01019dneedle\"}}", 0);
    CONTENT_PASS(&fixture, buffer_string(&body));
    buffer_clear(&body);
    buffer_append_format(&body, "{\"content\":{\"body\":\"%01021dжж\"}}", 0);
    CONTENT_HIT(&fixture, buffer_string(&body), "ж$");
    buffer_clear(&body);
    buffer_append_format(&body, "{\"content\":{\"body\":\"%01023dж\"}}", 0);
    CONTENT_PASS(&fixture, buffer_string(&body));
    buffer_free(&body);
    fixture_close(&fixture);
}

/* The same text, with steps enough and with too few. */
Test(regex, the_match_limit)
{
#define TRIES "^(?:(a+)(a+)(a+)(a+)b|(a+)!)$(?<=!)"
    struct module_fixture fixture = {0};
    const char *body = BODY("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!");
    open_module(&fixture, "{\"patterns\": \"" TRIES "\", \"match_limit\": 1000}");
    CONTENT_PASS(&fixture, body);
    CONTENT_HIT(&fixture, BODY("aaa!"), TRIES);
    fixture_close(&fixture);
    open_module(&fixture, "{\"patterns\": \"" TRIES "\", \"match_limit\": 10000000}");
    CONTENT_HIT(&fixture, body, TRIES);
    fixture_close(&fixture);
}

Test(regex, rooms_and_names)
{
    for (int semantics = SEMANTICS_LATEST; semantics <= SEMANTICS_147; semantics++) {
        struct module_fixture fixture = {.semantics = (enum semantics)semantics};
        open_module(&fixture, "{\"patterns\": [\"casino\", \"^x$\"]}");
        if (semantics == SEMANTICS_LATEST) {
            EXPECT_RULE(&fixture, user_may_create_room, CREATE("{'name':'a CASINO'}"), "casino");
            EXPECT_SLICE(fixture.outcome.result.reason, "the name of the room matches a pattern");
            EXPECT_RULE(&fixture, user_may_create_room, CREATE("{'name':'y','topic':'x'}"), "^x$");
        }
        EXPECT_RULE(&fixture, user_may_create_room, CREATE("{'name':'y','topic':7,'room_alias_name':'casino'}"), "");
        EXPECT_RULE(&fixture, on_create_room, ON_CREATE("false"), "casino");
        EXPECT_RULE(&fixture, on_create_room, ON_CREATE("true"), "");
        EXPECT_ANSWER(&fixture, check_username_for_spam, PROFILE("@a:b", "'Casino bot'"), "{\"bool\":true}");
        EXPECT_RULE(&fixture, check_username_for_spam, PROFILE("@a:b", "'Casino bot'"), "casino");
        EXPECT_SLICE(fixture.outcome.result.reason, "the display name matches a pattern");
        EXPECT_RULE(&fixture, check_username_for_spam, PROFILE("@x:b", "null"), "^x$");
        EXPECT_SLICE(fixture.outcome.result.reason, "the user name matches a pattern");
        EXPECT_ANSWER(&fixture, check_username_for_spam, PROFILE("@bob:casino.example", "'Bob'"), "{\"bool\":false}");
        fixture_close(&fixture);
    }
}

Test(regex, faults_are_told_with_their_place)
{
    struct module_fixture fixture = {.file_content = "good\n# note\nba[d\n"};
    cr_assert_not(fixture_open(&fixture, "regex",
                               "{\"patterns\": [\"ok\", {\"pattern\": \"a\", \"flags\": \"ig\"}, {\"reason\": \"r\"}], "
                               "\"fields\": []}"));
    cr_expect_not_null(strstr(fixture.reports, "patterns[1]: flags are of the letters i, m, s and x\n"), "%s",
                       fixture.reports);
    cr_expect_not_null(strstr(fixture.reports, "patterns[2]: an empty pattern"), "%s", fixture.reports);
    cr_expect_not_null(strstr(fixture.reports, "fields: without fields"), "%s", fixture.reports);
    fixture_close(&fixture);
    cr_assert_not(fixture_open(&fixture, "regex", "{\"patterns\": [\"(\", 7], \"files\": \"f\", \"max_bytes\": 5}"));
    cr_expect_not_null(strstr(fixture.reports, "patterns[1]: must be a text or a map\n"), "%s", fixture.reports);
    cr_expect_not_null(strstr(fixture.reports, "max_bytes: "), "%s", fixture.reports);
    fixture_close(&fixture);
    cr_assert_not(fixture_open(&fixture, "regex", "{\"patterns\": \"(\", \"files\": \"f\"}"));
    cr_expect_not_null(strstr(fixture.reports, "patterns[0]: missing closing parenthesis"), "%s", fixture.reports);
    cr_expect_not_null(strstr(fixture.reports, "files: f, line 3: missing terminating ]"), "%s", fixture.reports);
    fixture_close(&fixture);
    open_module(&fixture, "{}");
    cr_expect_str_eq(fixture.reports, "warning: patterns: without patterns the module denies nothing\n");
    CONTENT_PASS(&fixture, BODY("x"));
    fixture_close(&fixture);
}
