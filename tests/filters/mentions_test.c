/* What mentions catches and what it must let pass. */
#include "tests/filters/content_fixture.h"
#include "tests/filters/modules_fixture.h"

#define CONTENT(members) "{\"type\":\"m.room.message\",\"content\":{" members "}}"
#define BODY(text) CONTENT("\"body\":\"" text "\"")
#define HTML(text) CONTENT("\"body\":\"x\",\"formatted_body\":\"" text "\"")

static void open_mentions(struct module_fixture *fixture, const char *configuration)
{
    *fixture = (struct module_fixture){0};
    cr_assert(fixture_open(fixture, "mentions", configuration), "%s", fixture->reports);
}

Test(mentions, more_than_twenty_by_default)
{
    struct module_fixture fixture;
    open_mentions(&fixture, "{}");
    struct buffer text = {0};
    for (int extra = 0; extra < 2; extra++) {
        buffer_clear(&text);
        buffer_append_string(&text, "{\"content\":{\"m.mentions\":{\"user_ids\":[");
        for (int user = 0; user < 20 + extra; user++)
            buffer_append_format(&text, "%s\"@u%d:x\"", user ? "," : "", user);
        buffer_append_string(&text, "]},\"body\":\"x\"}}");
        if (extra)
            CONTENT_HIT(&fixture, buffer_string(&text), "max");
        else
            CONTENT_PASS(&fixture, buffer_string(&text));
    }
    EXPECT_SLICE(fixture.outcome.result.reason, "m.mentions names 21 users");
    buffer_free(&text);
    CONTENT_PASS(&fixture, BODY("an ordinary message to @alice:example.org and @bob"));
    CONTENT_PASS(&fixture, CONTENT("\"body\":\"@room\",\"m.mentions\":{\"room\":true}"));
    fixture_close(&fixture);
}

/* Four mentions are too many for a stranger, and not for who is trusted: where somebody says who that is. */
Test(mentions, fewer_of_who_is_not_trusted)
{
    static const struct {
        const char *trust; /* NULL: no such module */
        const char *options, *mentions;
        bool stranger_refused;
    } rows[] = {
        {"{\"sources\": [{\"users\": \"@a:x\"}]}", NULL, "{}", true},
        {"{\"sources\": [{\"users\": \"@a:x\"}]}", NULL, "{\"max_new\": 4}", false},
        {"{\"sources\": [{\"users\": \"@a:x\"}]}", NULL, "{\"trusted_tag\": \"vip\"}", false},
        {"{\"sources\": [{\"users\": \"@a:x\"}], \"tag\": \"vip\"}", NULL, "{\"trusted_tag\": \"vip\"}", true},
        {"{\"sources\": [{\"users\": \"@a:x\"}]}", "{\"dry_run\": true}", "{}", false},
        {NULL, NULL, "{}", false},
    };
    for (size_t index = 0; index < 2 * sizeof rows / sizeof *rows; index++) {
        size_t row = index / 2;
        struct module_fixture fixture = {.semantics = (enum semantics)(index % 2)};
        modules_begin(&fixture);
        if (rows[row].trust)
            cr_assert(modules_append(&fixture, "trust", rows[row].trust, rows[row].options), "%s", fixture.reports);
        cr_assert(modules_append(&fixture, "mentions", rows[row].mentions, NULL), "%s", fixture.reports);
        modules_seal(&fixture);
        cr_expect_str_eq(modules_message(&fixture, 1, "@a:x", "@a @b @c @d"), "");
        cr_expect_str_eq(modules_message(&fixture, 1, "@b:x", "@a @b @c @d"),
                         rows[row].stranger_refused ? "mentions" : "", "row %zu", row);
        if (rows[row].stranger_refused)
            EXPECT_SLICE(fixture.outcome.result.rule, "max_new");
        cr_expect_str_eq(modules_message(&fixture, 1, "@b:x", "@a @b @c"), "");
        cr_expect_str_eq(modules_message(&fixture, 1, "@a:x",
                                         "@1 @2 @3 @4 @5 @6 @7 @8 @9 @10 @11 @12 @13 @14 @15 @16 "
                                         "@17 @18 @19 @20 @21"),
                         "mentions");
        EXPECT_SLICE(fixture.outcome.result.rule, "max");
        fixture_close(&fixture);
    }
}

Test(mentions, each_way_to_count)
{
    struct module_fixture fixture;
    open_mentions(&fixture, "{\"max\": 2}");
    CONTENT_HIT(&fixture, CONTENT("\"m.mentions\":{\"user_ids\":[\"@a:x\",\"@b:x\",\"@c:x\"]}"), "max");
    CONTENT_HIT(&fixture, CONTENT("\"m.new_content\":{\"m.mentions\":{\"user_ids\":[\"@a:x\",\"@b:x\",\"@c:x\"]}}"),
                "max");
    CONTENT_HIT(&fixture, BODY("@a (@b),@c"), "max");
    EXPECT_SLICE(fixture.outcome.result.reason, "body has 3 mentions");
    EXPECT_SLICE(fixture.outcome.result.evidence, "@a (@b),@c");
    CONTENT_HIT(&fixture, CONTENT("\"body\":\"* x\",\"m.new_content\":{\"body\":\"@a:x @b:x @c:x\"}"), "max");
    EXPECT_SLICE(fixture.outcome.result.reason, "body of the edit has 3 mentions");
    CONTENT_HIT(&fixture,
                HTML("<a href='https://matrix.to/#/@a:x'>A</a><A HREF=http://MATRIX.TO/#/%40b:x>B</A><a title='>' "
                     "href=' matrix:u/c:x'>C</a>"),
                "max");
    EXPECT_SLICE(fixture.outcome.result.reason, "formatted_body links to 3 users");
    CONTENT_HIT(&fixture,
                HTML("<a href='https:&#x2f;/matrix.to/#/&commat;a:x'>A</a><a href='matrix:u/b:x'>B</a>"
                     "<a href='matrix:u/b:x'>B</a>"),
                "max");
    CONTENT_PASS(&fixture, HTML("<a href='https://matrix.to/#/@a:x'>@a</a> <a href='https://matrix.to/#/!r:x'>r</a> "
                                "<a href='https://matrix.to/#/#r:x'>r</a> <a href='https://matrix.to/#/@b:x'>@b</a>"));
    /* Said three times each, as Element does. */
    CONTENT_PASS(&fixture,
                 CONTENT("\"body\":\"@a @b\",\"formatted_body\":\"<a href='https://matrix.to/#/@a:x'>@a</a> <a "
                         "href='https://matrix.to/#/@b:x'>@b</a>\",\"m.mentions\":{\"user_ids\":[\"@a:x\",\"@b:x\"]}"));
    CONTENT_PASS(&fixture, BODY("mail a@example.org, b@example.org, c.d@example.org; @ @ @ @@ @@@"));
    CONTENT_PASS(&fixture, BODY("```\\n@Override\\n@Test\\n@Inject\\n``` `@a @b @c`"));
    CONTENT_PASS(&fixture, BODY("https://x.example/@a/@b/@c https://matrix.to/#/@a:x"));
    CONTENT_PASS(&fixture, HTML("<pre>@Override @Test @Inject</pre><code>@a @b @c</code>"));
    CONTENT_PASS(&fixture, CONTENT("\"m.mentions\":{\"user_ids\":\"@a:x\"},\"body\":7"));
    fixture_close(&fixture);
    open_mentions(&fixture, "{\"max\": 0, \"count\": \"m_mentions\"}");
    CONTENT_PASS(&fixture, HTML("@a <a href='https://matrix.to/#/@a:x'>@a</a>"));
    CONTENT_HIT(&fixture, CONTENT("\"m.mentions\":{\"user_ids\":[\"@a:x\"]}"), "max");
    fixture_close(&fixture);
}

Test(mentions, the_whole_room)
{
    struct module_fixture fixture;
    open_mentions(&fixture, "{\"room_mention\": \"deny\"}");
    CONTENT_HIT(&fixture, CONTENT("\"body\":\"x\",\"m.mentions\":{\"room\":true}"), "room_mention");
    CONTENT_HIT(&fixture, CONTENT("\"m.new_content\":{\"m.mentions\":{\"room\":true}}"), "room_mention");
    CONTENT_HIT(&fixture, BODY("hello @Room!"), "room_mention");
    CONTENT_HIT(&fixture, BODY("\\u0040room"), "room_mention");
    /* A client that writes m.mentions means what it says there. */
    CONTENT_PASS(&fixture, CONTENT("\"body\":\"I wrote @room\",\"m.mentions\":{}"));
    CONTENT_PASS(&fixture, CONTENT("\"body\":\"I wrote @room\",\"m.mentions\":{\"room\":false}"));
    CONTENT_PASS(&fixture, BODY("@roommate a@room @roomy x"));
    CONTENT_PASS(&fixture, BODY("room"));
    fixture_close(&fixture);
}

Test(mentions, m_mentions_may_be_required)
{
    struct module_fixture fixture;
    open_mentions(&fixture, "{\"require_m_mentions\": true}");
    CONTENT_HIT(&fixture, BODY("hey @a:example.org"), "require_m_mentions");
    EXPECT_SLICE(fixture.outcome.result.reason, "body mentions users, but m.mentions is not there");
    CONTENT_HIT(&fixture, HTML("<a href='https://matrix.to/#/@a:x'>A</a>"), "require_m_mentions");
    CONTENT_PASS(&fixture, CONTENT("\"body\":\"hey @a:example.org\",\"m.mentions\":{}"));
    CONTENT_PASS(&fixture, CONTENT("\"body\":\"hey @a:x.org\",\"m.mentions\":{\"user_ids\":[\"@a:x.org\"]}"));
    CONTENT_PASS(&fixture, BODY("hey @a, see https://matrix.to/#/@a:example.org or `@a:example.org`"));
    CONTENT_PASS(&fixture, BODY("an ordinary message"));
    fixture_close(&fixture);
}

Test(mentions, what_cannot_be_counted)
{
    struct module_fixture fixture = {0};
    cr_assert_not(fixture_open(&fixture, "mentions", "{\"count\": [\"pills\", \"at_sings\", 7]}"));
    cr_expect(strstr(fixture.reports, "count[1]: must be one of m_mentions, pills, at_signs; did you mean `at_signs`?"),
              "%s", fixture.reports);
    cr_expect(strstr(fixture.reports, "count[2]: must be one of"), "%s", fixture.reports);
    fixture_close(&fixture);
}
