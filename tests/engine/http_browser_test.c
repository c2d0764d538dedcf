#include "engine/http_browser.h"

#include <criterion/criterion.h>

Test(http_browser, cookies)
{
    static const struct {
        const char *header;
        const char *value; /* NULL: none */
    } cases[] = {
        {"weir_session=abc", "abc"},     {"a=b; weir_session=abc; c=d", "abc"},
        {"a=b;weir_session=abc", "abc"}, {"weir_session=", ""},
        {"weir_session=\"abc\"", "abc"}, {"weir_session=\"", "\""},
        {" weir_session = abc ", "abc"}, {"weir_session=first; weir_session=second", "first"},
        {"weir_session=a=b", "a=b"},     {"", NULL},
        {"weir_session", NULL},          {"xweir_session=abc", NULL},
        {"weir_sessionx=abc", NULL},     {"WEIR_SESSION=abc", NULL},
        {"a=weir_session=abc", NULL},    {";;;=;", NULL},
    };
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        struct slice found = http_cookie_find(slice_from_string(cases[index].header), SLICE("weir_session"));
        cr_expect(slice_equal(found, slice_from_string(cases[index].value)), "%s", cases[index].header);
    }
    cr_expect_not(slice_present(http_cookie_find(SLICE_ABSENT, SLICE("weir_session"))));
}

Test(http_browser, hosts_that_are_this_machine)
{
    static const struct {
        const char *host;
        bool loopback;
    } cases[] = {
        {"127.0.0.1", true},
        {"127.0.0.1:9180", true},
        {"127.1.2.3:1", true},
        {"localhost", true},
        {"LocalHost:9180", true},
        {"[::1]", true},
        {"[::1]:9180", true},
        {"", false},
        {"127.0.0.1.example.org", false},
        {"127.0.0.1:9180.example.org", false},
        {"127.0.0.1:", false},
        {"127.0.0.1:x", false},
        {"127.1", false},
        {"2130706433", false},
        {"128.0.0.1", false},
        {"0.0.0.0:9180", false},
        {"localhost.example.org", false},
        {"localhost.", false},
        {"example.org@127.0.0.1", false},
        {"[::1", false},
        {"[::1]x", false},
        {"[::1]:", false},
        {"[::2]:1", false},
        {"::1", false},
        {"[", false},
        {":", false},
        {"example.org", false},
        {"weir", false},
    };
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++)
        cr_expect_eq(http_host_is_loopback(slice_from_string(cases[index].host)), cases[index].loopback, "%s",
                     cases[index].host);
    cr_expect_not(http_host_is_loopback(SLICE_ABSENT));
    cr_expect_not(http_host_is_loopback(SLICE("127.0.0.1\0")));
}

Test(http_browser, origins)
{
    static const struct {
        const char *origin;
        const char *host;
        bool same;
    } cases[] = {
        {"http://127.0.0.1:9180", "127.0.0.1:9180", true},
        {"https://Weir.example.org", "weir.example.org", true},
        {"http://127.0.0.1:9181", "127.0.0.1:9180", false},
        {"http://127.0.0.1", "127.0.0.1:9180", false},
        {"http://evil.example", "127.0.0.1:9180", false},
        {"http://127.0.0.1:9180.evil.example", "127.0.0.1:9180", false},
        {"null", "127.0.0.1:9180", false},
        {"null", "null", false},
        {"", "", false},
        {"ftp://127.0.0.1:9180", "127.0.0.1:9180", false},
        {"127.0.0.1:9180", "127.0.0.1:9180", false},
        {"http://a", NULL, false},
        {NULL, "a", false},
    };
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++)
        cr_expect_eq(http_origin_is(slice_from_string(cases[index].origin), slice_from_string(cases[index].host)),
                     cases[index].same, "%s %s", cases[index].origin, cases[index].host);
}
