/* What links catches and what it must let pass. */
#include "tests/filters/content_fixture.h"

#define BODY(text) "{\"type\":\"m.room.message\",\"sender\":\"@a:b\",\"content\":{\"body\":\"" text "\"}}"
#define HTML(text)                                                                                                     \
    "{\"content\":{\"body\":\"x\",\"format\":\"org.matrix.custom.html\",\"formatted_body\":\"" text "\"}}"

static void open_module(struct module_fixture *fixture, const char *configuration)
{
    cr_assert(fixture_open(fixture, "links", configuration), "%s", fixture->reports);
}

Test(links, domains_and_what_is_below)
{
    struct module_fixture fixture = {.file_content = "# shorteners\n.Short.example.\nt.me\n"};
    open_module(&fixture,
                "{\"deny\": [\"Evil.example\", \"https://copied.example/\"], \"allow\": \"good.evil.example\", "
                "\"files\": \"f\"}");
    CONTENT_HIT(&fixture, BODY("see https://a.EVIL.example:8080/x"), "evil.example");
    EXPECT_SLICE(fixture.outcome.result.reason, "body has a link on the list");
    EXPECT_SLICE(fixture.outcome.result.evidence, "https://a.EVIL.example:8080/x");
    EXPECT_SLICE(fixture.outcome.result.value.text, "M_FORBIDDEN");
    CONTENT_HIT(&fixture, BODY("https://good.example@evil.example"), "evil.example");
    CONTENT_HIT(&fixture, BODY("https://evil.example\\\\@good.example"), "evil.example");
    CONTENT_HIT(&fixture, BODY("https://good.example/?to=http://evil.example"), "evil.example");
    CONTENT_HIT(&fixture, BODY("https://%65vil.ex%61mple"), "evil.example");
    CONTENT_HIT(&fixture, BODY("https://ｅｖｉｌ。example"), "evil.example");
    CONTENT_HIT(&fixture, BODY("x.short.example"), "short.example");
    CONTENT_HIT(&fixture, BODY("write me (t.me/joinchat)"), "t.me");
    CONTENT_HIT(&fixture, BODY("www.copied.example"), "copied.example");
    CONTENT_HIT(&fixture, HTML("<a href='https://evil.example'>here</a>"), "evil.example");
    EXPECT_SLICE(fixture.outcome.result.reason, "formatted_body has a link on the list");
    EXPECT_SLICE(fixture.outcome.result.evidence, "https://evil.example");
    CONTENT_HIT(&fixture, HTML("<a href='ht&#116;ps:&#x2f;/evil.exam&#10;ple'>https://good.example</a>"),
                "evil.example");
    CONTENT_HIT(&fixture, HTML("https://<b>evil</b>.example"), "evil.example");
    CONTENT_HIT(&fixture, "{\"content\":{\"body\":\"x\",\"m.new_content\":{\"body\":\"evil.example\"}}}",
                "evil.example");
    CONTENT_PASS(&fixture, BODY("https://x.good.evil.example/ and https://notevil.example evil.example.org"));
    CONTENT_PASS(&fixture, BODY("@bob:evil.example #room:evil.example bob@evil.example"));
    CONTENT_PASS(&fixture, BODY("gopher://gopher.example/evil.example"));
    CONTENT_PASS(&fixture, HTML("<a href='evil.example'>x</a><img src='https://evil.example/'>"));
    CONTENT_PASS(&fixture, "{\"content\":{\"body\":7,\"url\":\"https://evil.example\"}}");
    fixture_close(&fixture);
}

Test(links, punycode)
{
    struct module_fixture fixture = {0};
    open_module(&fixture, "{\"deny\": [\"bücher.example\", \"xn--p1ai\"]}");
    CONTENT_HIT(&fixture, BODY("https://xn--bcher-kva.example"), "bÜcher.example");
    CONTENT_HIT(&fixture, BODY("https://www.BÜCHER.example"), "bÜcher.example");
    CONTENT_HIT(&fixture, BODY("сайт.рф"), "РФ");
    CONTENT_PASS(&fixture, BODY("https://bucher.example"));
    fixture_close(&fixture);
    open_module(&fixture, "{\"deny\": \"bücher.example\", \"punycode\": false}");
    CONTENT_PASS(&fixture, BODY("https://xn--bcher-kva.example"));
    fixture_close(&fixture);
}

Test(links, globs)
{
    struct module_fixture fixture = {0};
    open_module(&fixture,
                "{\"deny\": [\"casino*.example\", \"t.me/joinchat*\", \"https://a.example/*.EXE\", "
                "\"matrix:r/bad:*\", \"*.onion\"], \"allow\": [\"t.me/joinchat/ours\"], \"matrix_to\": \"count\"}");
    CONTENT_HIT(&fixture, BODY("http://CASINO7.example/x"), "casino*.example");
    CONTENT_HIT(&fixture, BODY("https://t.me/%6aoinchat/x"), "t.me/joinchat*");
    CONTENT_HIT(&fixture, BODY("t.me/joinchat"), "t.me/joinchat*");
    CONTENT_HIT(&fixture, BODY("https://a.example/get/x.exe"), "https://a.example/*.EXE");
    CONTENT_HIT(&fixture, BODY("matrix:r/bad:b.example"), "matrix:r/bad:*");
    CONTENT_HIT(&fixture, HTML("<a href='https://x.onion'>x</a>"), "*.onion");
    CONTENT_PASS(&fixture, BODY("https://t.me/joinchat/ours"));
    CONTENT_PASS(&fixture, BODY("http://a.example/x.exe"));
    CONTENT_PASS(&fixture, BODY("https://b.example/?t.me/joinchat"));
    CONTENT_PASS(&fixture, BODY("sub.casino7.example"));
    CONTENT_PASS(&fixture, BODY("matrix:r/good:b.example"));
    fixture_close(&fixture);
}

Test(links, allow_only)
{
    struct module_fixture fixture = {0};
    open_module(&fixture, "{\"mode\": \"allow_only\", \"allow\": [\"good.example\", \"*.wiki.example\"]}");
    CONTENT_HIT(&fixture, BODY("https://good.example https://other.example/"), "allow_only");
    EXPECT_SLICE(fixture.outcome.result.reason, "body has a link that is not on the list of those allowed");
    EXPECT_SLICE(fixture.outcome.result.evidence, "https://other.example/");
    CONTENT_HIT(&fixture, BODY("other.com"), "allow_only");
    CONTENT_HIT(&fixture, HTML("<a href='http://other.example'>x</a>"), "allow_only");
    CONTENT_PASS(&fixture, BODY("http://www.good.example/x good.example en.wiki.example/x"));
    CONTENT_PASS(&fixture, BODY("https://good.example/archive/https://other.example"));
    CONTENT_PASS(&fixture, BODY("done.So README.md e.g. bob@mail.com https://matrix.to/#/@a:b matrix:u/a:b"));
    CONTENT_PASS(&fixture, BODY("no links"));
    fixture_close(&fixture);
    open_module(&fixture, "{\"mode\": \"allow_only\", \"matrix_to\": \"count\", \"schemes\": [\"HTTPS\"], "
                          "\"bare_domains\": false}");
    cr_expect_str_eq(fixture.reports, "warning: mode: `allow` is empty, so that `allow_only` denies every link\n");
    CONTENT_HIT(&fixture, BODY("https://matrix.to/#/@a:b"), "allow_only");
    CONTENT_PASS(&fixture, BODY("http://a.example b.com matrix:u/a:b"));
    fixture_close(&fixture);
}

Test(links, too_many)
{
    struct module_fixture fixture = {0};
    open_module(&fixture, "{\"max_links\": 2}");
    CONTENT_HIT(&fixture, BODY("a.com https://b.example https://a.com"), "max_links");
    EXPECT_SLICE(fixture.outcome.result.reason, "body has too many links");
    CONTENT_HIT(&fixture,
                HTML("<a href='https://a.example'>1</a><a href='https://b.example'>2</a>"
                     "<a href='https://c.example'>3</a>"),
                "max_links");
    CONTENT_PASS(&fixture,
                 HTML("<a href='https://a.example'>https://a.example</a><a href='https://b.example'>b.com</a>"));
    CONTENT_PASS(&fixture, BODY("a.com b.com file.txt e.g. https://matrix.to/#/#a:b a@c.com"));
    CONTENT_PASS(&fixture, BODY("https://a.com/http://b.com https://"));
    fixture_close(&fixture);
}

Test(links, faults_are_told_with_their_place)
{
    struct module_fixture fixture = {.file_content = "good.example\n\na b\nc.example:80/x*\n"};
    cr_assert_not(fixture_open(&fixture, "links",
                               "{\"deny\": [\"a.example\", \"\", \"a.example:80\", \"u@a.example\"], \"files\": \"f\", "
                               "\"schemes\": [\"https\", \"ht tp\"], \"fields\": []}"));
    static const char *const expected[] = {"deny[1]: an empty domain",       "deny[2]: not a domain",
                                           "deny[3]: not a domain",          "files: f, line 3: not a domain",
                                           "files: f, line 4: ports are no", "schemes[1]: no scheme",
                                           "fields: without fields"};
    for (size_t index = 0; index < sizeof expected / sizeof *expected; index++)
        cr_expect_not_null(strstr(fixture.reports, expected[index]), "%s in: %s", expected[index], fixture.reports);
    fixture_close(&fixture);
    cr_assert_not(fixture_open(&fixture, "links", "{\"schemes\": [], \"bare_domains\": false, \"max_links\": 2000}"));
    cr_expect_not_null(strstr(fixture.reports, "max_links: "), "%s", fixture.reports);
    fixture_close(&fixture);
}
