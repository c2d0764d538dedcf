/* Addresses, ranges, and sets of a hundred thousand of them. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "base/ip_set.h"

static void add(struct ip_set *set, const char *text)
{
    struct ip_range range;
    const char *problem = ip_range_read(slice_from_string(text), &range);
    cr_assert_null(problem, "%s: %s", text, problem);
    ip_set_add(set, &range);
}

/* The range that holds `text`, or "": none. */
static const char *find(const struct ip_set *set, const char *text)
{
    static char output[IP_RANGE_TEXT_MAXIMUM];
    struct ip_address address;
    struct ip_range range;
    output[0] = '\0';
    cr_assert(ip_address_read(slice_from_string(text), &address), "%s", text);
    if (ip_set_find(set, &address, &range)) {
        cr_expect(ip_range_holds(&range, &address));
        cr_expect_eq(ip_range_write(&range, output), strlen(output));
    }
    return output;
}

static struct ip_set *make(const char *const *texts)
{
    struct ip_set *set = ip_set_create();
    for (; *texts; texts++)
        add(set, *texts);
    ip_set_seal(set);
    return set;
}

Test(ip_set, ranges_hold_their_first_and_last_and_no_more)
{
    struct ip_set *set = make((const char *const[]){"10.0.0.0/8", "192.0.2.7", "198.51.100.128/25", "2001:db8::/32",
                                                    "2001:db9::1", "fe80::/10", NULL});
    static const struct {
        const char *address, *range;
    } cases[] = {
        {"9.255.255.255", ""},
        {"10.0.0.0", "10.0.0.0/8"},
        {"10.255.255.255", "10.0.0.0/8"},
        {"11.0.0.0", ""},
        {"192.0.2.6", ""},
        {"192.0.2.7", "192.0.2.7"},
        {"192.0.2.8", ""},
        {"198.51.100.127", ""},
        {"198.51.100.128", "198.51.100.128/25"},
        {"198.51.100.255", "198.51.100.128/25"},
        {"0.0.0.0", ""},
        {"255.255.255.255", ""},
        {"2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", ""},
        {"2001:db8::", "2001:db8::/32"},
        {"2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db8::/32"},
        {"2001:db9::", ""},
        {"2001:db9::1", "2001:db9::1"},
        {"febf:ffff::1", "fe80::/10"},
        {"fec0::", ""},
        {"::", ""},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++)
        cr_expect_str_eq(find(set, cases[index].address), cases[index].range, "%s", cases[index].address);
    cr_expect_eq(ip_set_count(set), 6u);
    ip_set_destroy(set);
}

Test(ip_set, mapped_addresses_are_ipv4)
{
    struct ip_set *set = make((const char *const[]){"10.0.0.0/8", "::ffff:192.0.2.0/120", "::ffff:203.0.113.9", NULL});
    cr_expect_str_eq(find(set, "::ffff:10.1.2.3"), "10.0.0.0/8");
    cr_expect_str_eq(find(set, "::ffff:a01:203"), "10.0.0.0/8");
    cr_expect_str_eq(find(set, "192.0.2.255"), "192.0.2.0/24");
    cr_expect_str_eq(find(set, "203.0.113.9"), "203.0.113.9");
    cr_expect_str_eq(find(set, "::10.1.2.3"), "", "a compatible address is none");
    ip_set_destroy(set);
    set = make((const char *const[]){"::/0", NULL});
    cr_expect_str_eq(find(set, "2001:db8::1"), "::/0");
    cr_expect_str_eq(find(set, "10.0.0.1"), "", "all of IPv6 is not all of IPv4");
    cr_expect_str_eq(find(set, "::ffff:10.0.0.1"), "");
    ip_set_destroy(set);
    set = make((const char *const[]){"0.0.0.0/0", NULL});
    cr_expect_str_eq(find(set, "255.1.2.3"), "0.0.0.0/0");
    cr_expect_str_eq(find(set, "::ffff:1.2.3.4"), "0.0.0.0/0");
    cr_expect_str_eq(find(set, "::1"), "");
    ip_set_destroy(set);
}

Test(ip_set, inner_ranges_are_dropped)
{
    struct ip_set *set =
        make((const char *const[]){"10.1.2.3", "10.1.0.0/16", "10.0.0.0/8", "10.0.0.0/8", "10.0.0.0", "10.255.255.255",
                                   "11.0.0.0/16", "2001:db8::1", "2001:db8::/64", NULL});
    cr_expect_eq(ip_set_count(set), 3u);
    cr_expect_str_eq(find(set, "10.1.2.3"), "10.0.0.0/8");
    cr_expect_str_eq(find(set, "10.200.0.1"), "10.0.0.0/8");
    cr_expect_str_eq(find(set, "11.0.255.255"), "11.0.0.0/16");
    cr_expect_str_eq(find(set, "2001:db8::2"), "2001:db8::/64");
    ip_set_destroy(set);
    set = make((const char *const[]){NULL});
    cr_expect_str_eq(find(set, "10.1.2.3"), "");
    ip_set_destroy(set);
}

Test(ip_set, refuses_what_is_no_range)
{
    static const struct {
        const char *text, *problem;
    } cases[] = {
        {"", "is no IP address"},
        {"10", "is no IP address"},
        {"10.0.0", "is no IP address"},
        {"10.0.0.256", "is no IP address"},
        {"010.0.0.1", "is no IP address"},
        {"10.0.0.1 ", "is no IP address"},
        {"[::1]", "is no IP address"},
        {"fe80::1%eth0", "is no IP address"},
        {"1:2:3:4:5:6:7:8:9", "is no IP address"},
        {"/8", "is no IP address"},
        {"example.org", "is no IP address"},
        {"1111:2222:3333:4444:5555:6666:255.255.255.255.255", "is no IP address"},
        {"10.0.0.0/", "from 0 to 32"},
        {"10.0.0.0/33", "from 0 to 32"},
        {"10.0.0.0/08", "from 0 to 32"},
        {"10.0.0.0/-1", "from 0 to 32"},
        {"10.0.0.0/8/8", "from 0 to 32"},
        {"10.0.0.0/99999999999999999999", "from 0 to 32"},
        {"::/129", "from 0 to 128"},
        {"10.1.2.3/8", "the first of its range"},
        {"2001:db8::1/64", "the first of its range"},
        {"::ffff:10.0.0.0/8", "the first of its range"},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        struct ip_range range;
        const char *problem = ip_range_read(slice_from_string(cases[index].text), &range);
        cr_assert_not_null(problem, "%s", cases[index].text);
        cr_expect_not_null(strstr(problem, cases[index].problem), "%s: %s", cases[index].text, problem);
    }
    struct ip_range range;
    struct ip_address address;
    cr_expect_not_null(ip_range_read(SLICE_ABSENT, &range));
    cr_expect_not(ip_address_read(SLICE_ABSENT, &address));
    cr_expect_not(ip_address_read(SLICE("10.0.0.0/8"), &address));
    cr_expect_not(ip_address_read(SLICE("10.0.0.1\0"), &address));
}

/* Every second /24 of 61.0.0.0 on, and the same of IPv6 /48s. */
Test(ip_set, a_hundred_thousand_ranges)
{
    struct ip_set *set = ip_set_create();
    char text[64];
    for (unsigned number = 100000; number-- > 0;) {
        unsigned block = (61u << 16) + number;
        if (number % 2 == 0)
            snprintf(text, sizeof text, "%u.%u.%u.0/24", block >> 16, block >> 8 & 255, block & 255);
        else
            snprintf(text, sizeof text, "2001:%x:%x::/48", number >> 8, number & 255);
        add(set, text);
    }
    ip_set_seal(set);
    cr_expect_eq(ip_set_count(set), 100000u);
    cr_expect_leq(ip_set_memory(set), 100000u * 17 + 256);
    for (unsigned number = 0; number < 100000; number++) {
        unsigned block = (61u << 16) + number;
        snprintf(text, sizeof text, "%u.%u.%u.77", block >> 16, block >> 8 & 255, block & 255);
        cr_assert_eq(*find(set, text) != '\0', number % 2 == 0, "%s", text);
        snprintf(text, sizeof text, "2001:%x:%x:1::5", number >> 8, number & 255);
        cr_assert_eq(*find(set, text) != '\0', number % 2 == 1, "%s", text);
    }
    ip_set_destroy(set);
}
