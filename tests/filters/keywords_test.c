/* What keywords catches and what it must let pass. */
#include "tests/filters/content_fixture.h"

#define BODY(text) "{\"type\":\"m.room.message\",\"sender\":\"@a:b\",\"content\":{\"body\":\"" text "\"}}"

Test(keywords, literals_anywhere_without_case)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "keywords", "{\"patterns\": [\"Buy now\", \"a.b*\", \"КРИПТО\", \"straße\"]}"));
    EXPECT_HIT(&fixture, BODY("please BUY NOW!"), "Buy now");
    EXPECT_SLICE(fixture.outcome.result.reason, "body holds a keyword");
    EXPECT_SLICE(fixture.outcome.result.value.text, "M_FORBIDDEN");
    EXPECT_HIT(&fixture, BODY("xa.B*x"), "a.b*");
    EXPECT_HIT(&fixture, BODY("про крипто и Buy now"), "Buy now");
    EXPECT_HIT(&fixture, BODY("суперКриптО!"), "КРИПТО");
    EXPECT_HIT(&fixture, BODY("STRAẞE"), "straße");
    EXPECT_HIT(&fixture, BODY("\\u0062uy\\u0020now"), "Buy now");
    EXPECT_PASS(&fixture, BODY("buy  now"));
    EXPECT_PASS(&fixture, BODY("axb*"));
    EXPECT_PASS(&fixture, BODY(""));
    EXPECT_PASS(&fixture, BODY("strasse"));
    EXPECT_PASS(&fixture, "{\"content\":{\"body\":[\"buy now\"],\"formatted_body\":\"buy now\"}}");
    EXPECT_PASS(&fixture, "{\"content\":{\"x\":{\"body\":\"buy now\"}}}");
    fixture_close(&fixture);
}

Test(keywords, any_field_of_any_type)
{
    struct module_fixture fixture = {.file_content = "viagra\n"};
    cr_assert(
        fixture_open(&fixture, "keywords",
                     "{\"patterns_file\": \"f\", \"fields\": [\"displayname\", \"org.x\"], \"case_sensitive\": true}"));
    EXPECT_HIT(&fixture, "{\"type\":\"m.room.member\",\"content\":{\"displayname\":\"viagra\"}}", "viagra");
    EXPECT_HIT(&fixture, "{\"content\":{\"org.x\":\"a viagra\"}}", "viagra");
    EXPECT_SLICE(fixture.outcome.result.reason, "org.x holds a keyword");
    EXPECT_PASS(&fixture, "{\"content\":{\"displayname\":\"Viagra\"}}");
    EXPECT_PASS(&fixture, BODY("viagra"));
    fixture_close(&fixture);
}

Test(keywords, globs_over_the_whole_field)
{
    struct module_fixture fixture = {0};
    cr_assert(
        fixture_open(&fixture, "keywords", "{\"syntax\": \"glob\", \"patterns\": [\"free*mon?y\", \"*casino*\"]}"));
    EXPECT_HIT(&fixture, BODY("Free\\nbig\\nMONÉY"), "free*mon?y");
    EXPECT_HIT(&fixture, BODY("x\\ncasino\\ny"), "*casino*");
    EXPECT_PASS(&fixture, BODY("free money!"));
    EXPECT_PASS(&fixture, BODY("a free money"));
    fixture_close(&fixture);
}

Test(keywords, regular_expressions)
{
    struct module_fixture fixture = {0};
    cr_assert(
        fixture_open(&fixture, "keywords",
                     "{\"syntax\": \"regex\", \"patterns\": [\"\\\\bкот\\\\b\", \"v[i1]agra\", \"(\\\\w)\\\\1{5}\"]}"));
    EXPECT_HIT(&fixture, BODY("это КОТ, да"), "\\bкот\\b");
    EXPECT_HIT(&fixture, BODY("V1AGRA"), "v[i1]agra");
    EXPECT_HIT(&fixture, BODY("жжжжжж"), "(\\w)\\1{5}");
    EXPECT_PASS(&fixture, BODY("котик"));
    fixture_close(&fixture);
}

Test(keywords, bad_patterns_are_reported_with_their_place)
{
    struct module_fixture fixture = {.file_content = "good\n# note\nba[d\n"};
    cr_assert_not(fixture_open(&fixture, "keywords",
                               "{\"syntax\": \"regex\", \"patterns\": [\"ok\", \"(\"], \"patterns_file\": \"p.txt\"}"));
    cr_expect(strstr(fixture.reports, "patterns[1]: missing closing parenthesis, at byte 1"), "%s", fixture.reports);
    cr_expect(strstr(fixture.reports, "patterns_file: p.txt, line 3: missing terminating ]"), "%s", fixture.reports);
    fixture_close(&fixture);
    cr_assert_not(fixture_open(&fixture, "keywords", "{\"patterns\": [\"\"]}"));
    cr_expect(strstr(fixture.reports, "patterns[0]: an empty pattern"), "%s", fixture.reports);
    fixture_close(&fixture);
    cr_assert_not(fixture_open(&fixture, "keywords", "{\"patterns\": [\"a\"], \"fields\": []}"));
    fixture_close(&fixture);
}

Test(keywords, words_however_they_are_written)
{
    struct module_fixture fixture = {.file_content = "casino\n# no word\nfree money\n"};
    cr_assert(fixture_open(&fixture, "keywords", "{\"words\": [\"buy now\", \"спам\"], \"files\": [\"f\"]}"), "%s",
              fixture.reports);
    CONTENT_HIT(&fixture, BODY("please ВUY\\n nоw!"), "buy now");
    EXPECT_SLICE(fixture.outcome.result.reason, "body holds a listed word");
    EXPECT_SLICE(fixture.outcome.result.value.text, "M_FORBIDDEN");
    CONTENT_HIT(&fixture, BODY("𝐂𝐚𝐬𝐢𝐧𝐨"), "casino");
    CONTENT_HIT(&fixture, BODY("f\\u200br\\u0336e\\u0336e ｍｏｎｅｙ"), "free money");
    CONTENT_HIT(&fixture, BODY("СПАМ"), "спам");
    CONTENT_HIT(&fixture, "{\"content\":{\"body\":\"x\",\"formatted_body\":\"<b>cas</b>i<i>no</i>\"}}", "casino");
    CONTENT_HIT(&fixture, "{\"content\":{\"body\":\"x\",\"m.new_content\":{\"body\":\"casino\"}}}", "casino");
    EXPECT_SLICE(fixture.outcome.result.reason, "body of the edit holds a listed word");
    CONTENT_PASS(&fixture, BODY("casinos, buynow, спамер"));
    CONTENT_PASS(&fixture, BODY("an ordinary message"));
    CONTENT_PASS(&fixture, "{\"content\":{\"formatted_body\":\"<casino>x</casino>\",\"url\":\"casino\"}}");
    cr_expect_str_eq(fixture_ask(&fixture, CALLBACK_user_may_create_room,
                                 "{\"user_id\":\"@a:x\",\"room_config\":{\"name\":\"Our CASINO\"}}"),
                     "{\"code\":\"M_FORBIDDEN\",\"fields\":{}}");
    cr_expect_str_eq(fixture_ask(&fixture, CALLBACK_user_may_create_room,
                                 "{\"user_id\":\"@a:x\",\"room_config\":{\"name\":\"a room\",\"topic\":7}}"),
                     "\"NOT_SPAM\"");
    fixture_close(&fixture);
}

Test(keywords, words_may_have_to_be_several)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "keywords",
                           "{\"words\": [\"coin\", \"profit\"], \"match\": \"substring\", \"fold\": \"case\", "
                           "\"min_hits\": 3, \"html\": \"raw\", \"patterns\": \"viagra\"}"),
              "%s", fixture.reports);
    CONTENT_HIT(&fixture, BODY("Bitcoins and dogeCOINs for PROFIT"), "coin");
    EXPECT_SLICE(fixture.outcome.result.reason, "body holds listed words");
    CONTENT_HIT(&fixture, "{\"content\":{\"formatted_body\":\"<coin coin coin>\"}}", "coin");
    CONTENT_PASS(&fixture, BODY("a coin, another coin"));
    CONTENT_PASS(&fixture, "{\"content\":{\"body\":\"coin coin\",\"formatted_body\":\"coin coin\"}}");
    CONTENT_PASS(&fixture, BODY("соin соin соin"));
    fixture_close(&fixture);
}

/* Who configures patterns alone is asked as before: by one callback. */
Test(keywords, patterns_alone_serve_one_callback)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "keywords", "{\"patterns\": \"viagra\"}"));
    cr_expect_eq(chain_callback_modules(fixture.chain, CALLBACK_check_event_allowed, NULL, 0), 0);
    cr_expect_eq(chain_callback_modules(fixture.chain, CALLBACK_user_may_create_room, NULL, 0), 0);
    EXPECT_PASS(&fixture, "{\"content\":{\"m.new_content\":{\"body\":\"viagra\"}}}");
    fixture_close(&fixture);
}

Test(keywords, what_is_no_word)
{
    struct module_fixture fixture = {.file_content = "good\n\u200b\n"};
    cr_assert_not(fixture_open(&fixture, "keywords", "{\"words\": [\" \"], \"files\": \"f\", \"word_fields\": []}"));
    cr_expect(strstr(fixture.reports, "words[0]: nothing is left of it"), "%s", fixture.reports);
    cr_expect(strstr(fixture.reports, "files: f, line 2: nothing is left of it"), "%s", fixture.reports);
    cr_expect(strstr(fixture.reports, "word_fields: without fields"), "%s", fixture.reports);
    fixture_close(&fixture);
}
