/* What keywords catches and what it must let pass. */
#include "tests/filters/module_fixture.h"

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
