/* What link_domains catches and what it must let pass. */
#include "tests/filters/module_fixture.h"

#define BODY(text) "{\"type\":\"m.room.message\",\"sender\":\"@a:b\",\"content\":{\"body\":\"" text "\"}}"

static void open_evil(struct module_fixture *fixture)
{
    cr_assert(
        fixture_open(fixture, "link_domains", "{\"domains\": [\"Evil.Example\", \".bad.org.\", \"xn--e1a.рф\"]}"));
}

Test(link_domains, links_that_hit)
{
    static const char *const texts[] = {
        "http://evil.example",
        "see HTTPS://EVIL.example/x",
        "xhttps://a.b.evil.example:8080/",
        "https://evil.example.",
        "https://evil.example.:80",
        "http://user@evil.example",
        "http://good.org:x@evil.example?q",
        "http://a@b@evil.example#f",
        "(http://evil.example)",
        "<a href='http://evil.example'>",
        "[x](http://evil.example)",
        "http://evil.example,",
        "http://evil.example\\nnext",
        "http://evil.example\\u00a0next",
        "http://evil.example\\u3000",
        "http://evil.example\\u2029x",
        "http://http://evil.example/",
        "http://good.org http://evil.example",
        "http://good.org/?u=https://evil.example",
        "http://[http://evil.example",
        "https://evil.example\\\"",
        "http://:pw@evil.example",
        "http://\\u043f@evil.example",
    };
    struct module_fixture fixture = {0};
    open_evil(&fixture);
    for (size_t index = 0; index < sizeof texts / sizeof *texts; index++) {
        char body[256];
        snprintf(body, sizeof body, BODY("%s"), texts[index]);
        EXPECT_HIT(&fixture, body, "Evil.Example");
    }
    EXPECT_SLICE(fixture.outcome.result.reason, "body holds a link to a listed domain");
    EXPECT_HIT(&fixture, BODY("http://www.bad.org"), ".bad.org.");
    EXPECT_HIT(&fixture, BODY("http://xn--e1a.рф"), "xn--e1a.рф");
    EXPECT_HIT(&fixture, "{\"content\":{\"formatted_body\":\"<a href=\\\"http://bad.org\\\">\"}}", ".bad.org.");
    fixture_close(&fixture);
}

Test(link_domains, links_that_pass)
{
    static const char *const texts[] = {
        "evil.example",
        "//evil.example",
        "ftp://evil.example",
        "http:/evil.example",
        "http//evil.example",
        "http:///evil.example",
        "http://notevil.example",
        "http://evil.example.org",
        "http://evil.example..",
        "http://evil.example@good.org",
        "http://evil.example:80@good.org",
        "http://good.org/evil.example",
        "http://good.org?evil.example",
        "http://good.org#@evil.example",
        "http://good.org @evil.example",
        "http://good.org\\\"@evil.example",
        "http://good.org,evil.example",
        "http://good.org\\u2003@evil.example",
        "http://",
        "https:",
        "http:/",
        ":",
        "://evil.example",
        "hxxp://evil.example",
        "http ://evil.example",
        "http:// evil.example",
        "http://EVIL.RФ",
        "httpſ://evil.example",
        "http://evilexample",
        "http://.",
        "http://@",
    };
    struct module_fixture fixture = {0};
    open_evil(&fixture);
    for (size_t index = 0; index < sizeof texts / sizeof *texts; index++) {
        char body[256];
        snprintf(body, sizeof body, BODY("%s"), texts[index]);
        EXPECT_PASS(&fixture, body);
    }
    EXPECT_PASS(&fixture, "{\"content\":{\"topic\":\"http://evil.example\"}}");
    EXPECT_PASS(&fixture, "{\"content\":{\"body\":{\"x\":\"http://evil.example\"}}}");
    fixture_close(&fixture);
}

Test(link_domains, long_hosts_still_compare_by_suffix)
{
    struct module_fixture fixture = {0};
    open_evil(&fixture);
    for (size_t length = 200; length < 600; length++) {
        char body[1024];
        char label[600];
        memset(label, 'a', length);
        label[length] = '\0';
        snprintf(body, sizeof body, BODY("http://%s.evil.example"), label);
        EXPECT_HIT(&fixture, body, "Evil.Example");
        snprintf(body, sizeof body, BODY("http://%sevil.example"), label);
        EXPECT_PASS(&fixture, body);
    }
    fixture_close(&fixture);

    char domain[254];
    memset(domain, 'd', sizeof domain - 1);
    domain[sizeof domain - 1] = '\0';
    char text[700];
    snprintf(text, sizeof text, "{\"domains\": [\"%s\"]}", domain);
    cr_assert(fixture_open(&fixture, "link_domains", text));
    snprintf(text, sizeof text, BODY("http://%s"), domain);
    EXPECT_HIT(&fixture, text, domain);
    snprintf(text, sizeof text, BODY("http://x.%s"), domain);
    EXPECT_HIT(&fixture, text, domain);
    snprintf(text, sizeof text, BODY("http://x%s"), domain);
    EXPECT_PASS(&fixture, text);
    fixture_close(&fixture);
}

Test(link_domains, bad_domains_are_refused)
{
    struct module_fixture fixture = {.file_content = "fine.example\nhttps://evil.example\n"};
    cr_assert_not(fixture_open(&fixture, "link_domains",
                               "{\"domains\": [\"ok.example\", \".\", \"*.x.example\"], \"domains_file\": \"d.txt\"}"));
    cr_expect(strstr(fixture.reports, "domains[1]: an empty domain"), "%s", fixture.reports);
    cr_expect(strstr(fixture.reports, "domains[2]: a domain has no `*`"), "%s", fixture.reports);
    cr_expect(strstr(fixture.reports, "domains_file: d.txt, line 2: not a domain"), "%s", fixture.reports);
    fixture_close(&fixture);
}
