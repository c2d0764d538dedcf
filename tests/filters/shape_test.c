/* What shape catches and what it must let pass. */
#include "tests/filters/content_fixture.h"

#define BODY(text) "{\"type\":\"m.room.message\",\"sender\":\"@a:b\",\"content\":{\"body\":\"" text "\"}}"
#define HTML(text) "{\"content\":{\"body\":\"x\",\"formatted_body\":\"" text "\"}}"
#define TEN(text) text text text text text text text text text text

/* A message whose body is `before`, `unit` so many times, `after`. */
static const char *repeated(const char *before, const char *unit, size_t count, const char *after)
{
    static struct buffer text;
    buffer_clear(&text);
    buffer_append_format(&text, "{\"content\":{\"body\":\"%s", before);
    for (size_t index = 0; index < count; index++)
        buffer_append_string(&text, unit);
    buffer_append_format(&text, "%s\"}}", after);
    return buffer_string(&text);
}

static void open_shape(struct module_fixture *fixture, const char *configuration)
{
    *fixture = (struct module_fixture){0};
    cr_assert(fixture_open(fixture, "shape", configuration), "%s", fixture->reports);
}

Test(shape, sizes_by_default)
{
    struct module_fixture fixture;
    open_shape(&fixture, "{}");
    CONTENT_HIT(&fixture, repeated("", "a", 10001, ""), "max_body");
    EXPECT_SLICE(fixture.outcome.result.reason, "body has 10001 characters");
    EXPECT_SLICE(fixture.outcome.result.value.text, "M_FORBIDDEN");
    CONTENT_PASS(&fixture, repeated("", "a", 10000, ""));
    CONTENT_PASS(&fixture, repeated("", "日", 10000, ""));
    CONTENT_HIT(&fixture, repeated("", "日", 10001, ""), "max_body");
    CONTENT_HIT(&fixture, repeated("", "x\\n", 200, "x"), "max_lines");
    CONTENT_PASS(&fixture, repeated("", "x\\n", 199, "x"));
    CONTENT_HIT(&fixture, repeated("x", "\\n", 26, ""), "max_trim");
    CONTENT_HIT(&fixture, repeated("", "\\u00a0", 26, "x"), "max_trim");
    CONTENT_HIT(&fixture, repeated("x", "\\u200b", 26, ""), "max_trim");
    CONTENT_HIT(&fixture, repeated("", " ", 26, ""), "max_trim");
    CONTENT_PASS(&fixture, repeated("x", " ", 25, ""));
    CONTENT_PASS(&fixture, repeated("x", " ", 26, "x"));
    CONTENT_PASS(&fixture, repeated("", " ", 25, ""));
    CONTENT_PASS(&fixture, BODY(""));
    CONTENT_PASS(&fixture, "{\"type\":\"m.room.encrypted\",\"content\":{\"ciphertext\":\"x\"}}");
    /* What people see of HTML: its white space is run together, its <br> is not. */
    CONTENT_PASS(&fixture, HTML("                              <p>\\n x</p>                              "));
    CONTENT_HIT(&fixture, HTML("x" TEN("<br><br><br>")), "max_trim");
    EXPECT_SLICE(fixture.outcome.result.reason, "formatted_body has 30 blanks around it");
    CONTENT_HIT(&fixture, "{\"content\":{\"body\":\"x\",\"m.new_content\":{\"body\":\"" TEN("\\n\\n\\n") "\"}}}",
                "max_trim");
    EXPECT_SLICE(fixture.outcome.result.reason, "body of the edit has 30 blanks around it");
    fixture_close(&fixture);
}

Test(shape, piled_marks_and_direction_by_default)
{
    struct module_fixture fixture;
    open_shape(&fixture, "{}");
    CONTENT_HIT(&fixture, BODY("Z\\u0300\\u0301\\u0302\\u0303\\u0304\\u0305\\u0306algo"), "max_combining");
    CONTENT_HIT(&fixture, BODY("a\\u0e47\\u0e47\\u0e47\\u0e47\\u0e47\\u0e47\\u0e47"), "max_combining");
    /* A zero-width character between them hides nothing. */
    CONTENT_HIT(&fixture, BODY("a\\u0300\\u0300\\u0300\\u200b\\u0300\\u0300\\u0300\\u200d\\u0300"), "max_combining");
    CONTENT_PASS(&fixture, BODY("Z\\u0300\\u0301\\u0302\\u0303\\u0304\\u0305"));
    CONTENT_PASS(&fixture, BODY("Việt Nam, ơ\u0309 e\u0301\u0323, नमस्ते, בְּרֵאשִׁ֖ית, ที่นี่, "
                                "❤️‍🔥👩🏽‍❤️‍💋‍👨🏴󠁧󠁢󠁥󠁮󠁧󠁿1️⃣"));
    CONTENT_HIT(&fixture, BODY("\\u202ea\\u202eb\\u202dc\\u2067d\\u202b"), "max_rtl_overrides");
    EXPECT_SLICE(fixture.outcome.result.reason, "body has 5 characters that turn the direction");
    CONTENT_PASS(&fixture, BODY("\\u202ea\\u202c\\u202eb\\u202c\\u202ec\\u202c\\u202ed\\u202c"));
    CONTENT_PASS(&fixture,
                 BODY("\\u2068Alice\\u2069 \\u2068Bob\\u2069 \\u2068c\\u2069 \\u2068d\\u2069 \\u2068e\\u2069"));
    CONTENT_PASS(&fixture, BODY("שלום עולם، مرحبا بالعالم"));
    fixture_close(&fixture);
}

#define PERMALINK                                                                                                      \
    "https://matrix.to/#/!abcdefghijklmnopqrstuvwxyz:example.org/$abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
#define WORDS "several words of an ordinary length "

Test(shape, density)
{
    struct module_fixture fixture;
    open_shape(&fixture, "{\"max_density\": 0.95}");
    CONTENT_HIT(&fixture, BODY(TEN("aaaaaaaaaaaaaaaaaaaa")), "max_density");
    EXPECT_SLICE(fixture.outcome.result.reason, "100 % of body is other than blanks");
    CONTENT_HIT(&fixture, HTML("<b>" TEN("aaaaaaaaaaaaaaaaaaaa") "</b>"), "max_density");
    CONTENT_PASS(&fixture, BODY("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
    CONTENT_PASS(&fixture, BODY(TEN(WORDS)));
    CONTENT_PASS(&fixture, BODY(PERMALINK PERMALINK PERMALINK));
    CONTENT_PASS(&fixture, BODY("see " PERMALINK "\\n" PERMALINK "\\n(" PERMALINK ")"));
    CONTENT_PASS(&fixture, HTML("<a href='" PERMALINK "'>" PERMALINK "</a> " PERMALINK));
    CONTENT_PASS(&fixture, BODY("look:\\n```\\n" TEN("x=0123456789abcdef;\\n") "```"));
    CONTENT_PASS(&fixture, BODY("```" TEN("0123456789abcdef0123456789abcdef")));
    CONTENT_PASS(&fixture, BODY("`" TEN("0123456789abcdef0123456789abcdef") "` is the hash"));
    CONTENT_PASS(&fixture, HTML("<pre><code>" TEN("0123456789abcdef0123456789abcdef") "</code></pre>"));
    CONTENT_PASS(&fixture, BODY(TEN("これは空白のない普通の日本語の文章です。ไม่มีช่องว่าง")));
    CONTENT_HIT(&fixture, BODY("`\\n" TEN("0123456789abcdef0123456789abcdef")), "max_density");
    CONTENT_HIT(&fixture, BODY(TEN("aaaaaaaaaaaaaaaaaaaa") " http://x"), "max_density");
    fixture_close(&fixture);
    open_shape(&fixture, "{\"max_density\": 0.95, \"density_from\": 20}");
    CONTENT_HIT(&fixture, BODY("aaaaaaaaaaaaaaaaaaaa"), "max_density");
    CONTENT_PASS(&fixture, BODY("aaaaaaaaaaaaaaaaaaa"));
    fixture_close(&fixture);
}

Test(shape, capitals_and_repeated_characters)
{
    struct module_fixture fixture;
    open_shape(&fixture, "{\"max_caps\": 0.7, \"max_repeat_char\": 8}");
    CONTENT_HIT(&fixture, BODY("BUY THIS NOW, BUY IT FROM me"), "max_caps");
    CONTENT_HIT(&fixture, BODY("КУПИТЕ ЭТО ПРЯМО СЕЙЧАС ŹDŹBŁO ΑΓΟΡΑ"), "max_caps");
    CONTENT_PASS(&fixture, BODY("LGTM! OK, NASA"));
    CONTENT_PASS(&fixture, BODY("An ordinary sentence about NASA and the ESA."));
    CONTENT_PASS(&fixture, BODY("обычное предложение, ŹDŹBŁO и größe"));
    CONTENT_PASS(&fixture, BODY("see `SELECT * FROM TABLE WHERE COLUMN IS NULL` ok"));
    CONTENT_PASS(&fixture, BODY("see http://EXAMPLE.ORG/ALL/IN/CAPITALS/ABCDEFG"));
    CONTENT_HIT(&fixture, BODY("noooooooooo"), "max_repeat_char");
    CONTENT_HIT(&fixture, BODY("😀😀😀😀😀😀😀😀😀"), "max_repeat_char");
    CONTENT_PASS(&fixture, BODY("noooooooo"));
    CONTENT_PASS(&fixture, BODY("a          b `----------` http://x/----------"));
    fixture_close(&fixture);
}

Test(shape, each_rule_can_be_turned_off)
{
    struct module_fixture fixture;
    open_shape(&fixture, "{\"max_body\": 0, \"max_lines\": 0, \"max_trim\": 0, \"max_combining\": 0, "
                         "\"max_rtl_overrides\": 0}");
    CONTENT_PASS(&fixture, repeated("", "a \\n\\u202e\\u0300\\u0300\\u0300\\u0300\\u0300\\u0300\\u0300", 3000, "   "));
    fixture_close(&fixture);
    open_shape(&fixture, "{\"max_json\": 60}");
    CONTENT_PASS(&fixture, "{\"content\":{\"body\":\"short\"}}");
    CONTENT_HIT(&fixture, "{\"content\":{\"body\":\"short\"},\"x\":\"something else, which nobody sees\"}", "max_json");
    EXPECT_SLICE(fixture.outcome.result.reason, "the event has 68 bytes of JSON");
    fixture_close(&fixture);
    open_shape(&fixture, "{\"fields\": [\"topic\"], \"max_body\": 5}");
    CONTENT_HIT(&fixture, "{\"content\":{\"topic\":\"longer\"}}", "max_body");
    CONTENT_PASS(&fixture, BODY("longer"));
    fixture_close(&fixture);
}

Test(shape, what_is_no_number)
{
    struct module_fixture fixture = {0};
    cr_assert_not(fixture_open(&fixture, "shape", "{\"max_caps\": 1.5, \"max_density\": \"all\", \"max_body\": -1}"));
    cr_expect(strstr(fixture.reports, "max_caps: must be a number from 0 to 1"), "%s", fixture.reports);
    cr_expect(strstr(fixture.reports, "max_density: must be a number"), "%s", fixture.reports);
    cr_expect(strstr(fixture.reports, "max_body: must be a whole number from 0 to 65536"), "%s", fixture.reports);
    fixture_close(&fixture);
}
