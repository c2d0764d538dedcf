/* What is a link in a text, and what only looks like one. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "filters/link_finder.h"

static const struct slice schemes[] = {{"http", 4}, {"https", 5}, {"matrix", 6}, {"mailto", 6}, {"ftp", 3}};
static const struct link_kinds kinds = {schemes, sizeof schemes / sizeof *schemes, true};

static void describe(const struct link *link, char *output, size_t room)
{
    snprintf(output, room, "%s%.*s|%.*s|%.*s|%.*s",
             link->nested     ? "nested "
             : link->doubtful ? "doubtful "
                              : "",
             (int)link->text.length, link->text.data, (int)link->scheme.length,
             link->scheme.data ? link->scheme.data : "", (int)link->host.length, link->host.data ? link->host.data : "",
             (int)link->rest.length, link->rest.data);
}

/* All links of a text: "text|scheme|host|rest", separated by blanks. */
static const char *found(const char *text)
{
    static char all[1024];
    struct link_walk walk = {0};
    struct link link;
    all[0] = '\0';
    while (link_finder_next(&kinds, slice_from_string(text), &walk, &link)) {
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s", used ? " " : "");
        used = strlen(all);
        describe(&link, all + used, sizeof all - used);
    }
    return all;
}

#define EXPECT_FOUND(text, expected) cr_expect_str_eq(found(text), expected, "%s: %s", text, found(text))

Test(link_finder, with_a_scheme)
{
    EXPECT_FOUND("see https://a.example/b?c#d.", "https://a.example/b?c#d|https|a.example|/b?c#d");
    EXPECT_FOUND("xHTTP://u:p@A.example:80", "HTTP://u:p@A.example:80|HTTP|A.example|");
    EXPECT_FOUND("[x](https://a.example/y)!", "https://a.example/y|https|a.example|/y");
    EXPECT_FOUND("https://a.example/x_(y)", "https://a.example/x_(y)|https|a.example|/x_(y)");
    EXPECT_FOUND("https://evil.example\\@good.example/",
                 "https://evil.example\\@good.example/|https|evil.example|\\@good.example/");
    EXPECT_FOUND("ftp://f.example and matrix:r/a:b", "ftp://f.example|ftp|f.example| matrix:r/a:b|matrix||r/a:b");
    EXPECT_FOUND("mailto:bob@a.example", "mailto:bob@a.example|mailto||bob@a.example");
    EXPECT_FOUND("https://a.example/,https://b.example",
                 "https://a.example/,https://b.example|https|a.example|/,https://b.example "
                 "https://b.example|https|b.example|");
    EXPECT_FOUND("http://a.example/?u=https://b.example/",
                 "http://a.example/?u=https://b.example/|http|a.example|/?u=https://b.example/ "
                 "nested https://b.example/|https|b.example|/");
    EXPECT_FOUND("http://a\u3000b", "http://a|http|a|");
    EXPECT_FOUND("the matrix: is cool; https: //x; http:x/y; gopher://g.example/x amatrix:r/b", "");
    EXPECT_FOUND("https://", "https://|https||");
}

Test(link_finder, bare_domains)
{
    EXPECT_FOUND("go to Example.com!", "Example.com||Example.com|");
    EXPECT_FOUND("(www.any.thing) a.de/x?y.", "www.any.thing||www.any.thing| a.de/x?y||a.de|/x?y");
    EXPECT_FOUND("a.com,b.NET", "a.com||a.com| b.NET||b.NET|");
    EXPECT_FOUND("a.com:8080/x", "a.com:8080/x||a.com|/x");
    EXPECT_FOUND("foo\u00a0evil.com\u3000x", "evil.com||evil.com|");
    EXPECT_FOUND("wait...evil.com...", "evil.com||evil.com|");
    EXPECT_FOUND("see:evil.com", "evil.com||evil.com|");
    EXPECT_FOUND("münchen.de", "münchen.de||münchen.de|");
    EXPECT_FOUND("done.So what, README.md 1.25 console.log(x) a.com(x)",
                 "doubtful done.So||done.So| doubtful README.md||README.md| doubtful 1.25||1.25| "
                 "doubtful console.log||console.log| doubtful a.com||a.com|");
    EXPECT_FOUND("bob@example.com first.last@example.com @bob:example.org #room:a.example.org !x:a.com", "");
    EXPECT_FOUND("/usr/lib/a.com #a.com e.g. ... . .a a. x..", "doubtful e.g||e.g|");
    struct link_kinds none = kinds;
    none.bare_domains = false;
    struct link_walk walk = {0};
    struct link link;
    cr_expect_not(link_finder_next(&none, SLICE("a.com www.b.com"), &walk, &link));
}

Test(link_finder, references)
{
    static const struct {
        const char *reference, *expected;
    } cases[] = {
        {" https://a.example/b c", "https://a.example/b c|https|a.example|/b c"},
        {"HTTP:a.example", "HTTP:a.example|HTTP|a.example|"},
        {"https:/\\a.example\\b", "https:/\\a.example\\b|https|a.example|\\b"},
        {"https:////a.example", "https:////a.example|https|a.example|"},
        {"matrix:u/a", "matrix:u/a|matrix||u/a"},
        {"ftp://f.example/x", "ftp://f.example/x|ftp|f.example|/x"},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        struct link link;
        char text[256];
        cr_assert(link_finder_reference(&kinds, slice_from_string(cases[index].reference), &link), "%s",
                  cases[index].reference);
        describe(&link, text, sizeof text);
        cr_expect_str_eq(text, cases[index].expected, "%s", text);
    }
    static const char *const none[] = {"", "a.example", "//a.example", "javascript:x", "xhttps://a.example", "#x"};
    struct link link;
    for (size_t index = 0; index < sizeof none / sizeof *none; index++)
        cr_expect_not(link_finder_reference(&kinds, slice_from_string(none[index]), &link), "%s", none[index]);
}

/* Texts made to be read again and again. */
Test(link_finder, hostile_texts_are_read_once, .timeout = 60)
{
    static const char *const units[] = {
        "http://", "a.com,", "a.", "http://a:", "a:", "@a:b.c", "https://a.b/?", "\xc2\xa0.", "\\//:http:"};
    static char text[65536];
    for (size_t unit = 0; unit < sizeof units / sizeof *units; unit++) {
        size_t length = strlen(units[unit]), used = 0;
        for (; used + length <= sizeof text; used += length)
            memcpy(text + used, units[unit], length);
        struct link_walk walk = {0};
        struct link link;
        size_t count = 0;
        while (link_finder_next(&kinds, slice_of(text, used), &walk, &link))
            count++;
        cr_expect_leq(count, sizeof text / 4, "%s", units[unit]);
    }
}
