/* Host names in one form: what is one name to a browser, and what is not. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "filters/host_name.h"

static const char *fold(const char *host, bool punycode)
{
    static char folded[HOST_NAME_ROOM + 1];
    folded[host_name_fold(slice_from_string(host), punycode, folded)] = '\0';
    return folded;
}

#define EXPECT_FOLDED(host, expected) cr_expect_str_eq(fold(host, true), expected, "%s: %s", host, fold(host, true))

Test(host_name, spellings_of_one_name)
{
    EXPECT_FOLDED("Example.ORG.", "example.org");
    EXPECT_FOLDED("ex%61mple%2eorg", "example.org");
    EXPECT_FOLDED("ｅｘａｍｐｌｅ。ｏｒｇ", "example.org");
    EXPECT_FOLDED("exa\u00admple\u200b.org", "example.org");
    EXPECT_FOLDED("münchen.Example", "mÜnchen.example");
    EXPECT_FOLDED("", "");
    EXPECT_FOLDED(".", "");
    EXPECT_FOLDED("a..b", "a..b");
    EXPECT_FOLDED("%zz%4", "%zz%4");
    EXPECT_FOLDED("a%ffb", "ab");
}

Test(host_name, punycode)
{
    EXPECT_FOLDED("xn--mnchen-3ya.example", "mÜnchen.example");
    EXPECT_FOLDED("XN--MNCHEN-3YA.example", "mÜnchen.example");
    EXPECT_FOLDED("www.xn--bcher-kva.xn--p1ai", "www.bÜcher.РФ");
    EXPECT_FOLDED("xn--fiqs8s", "中国");
    EXPECT_FOLDED("xn--ihqwcrb4cv8a8dqg056pqjye", "他们为什么不说中文");         /* RFC 3492, section 7.1 (B) */
    EXPECT_FOLDED("xn--4dbcagdahymbxekheh6e0a7fei0b", "למההםפשוטלאמדבריםעברית"); /* (E) */
    cr_expect_str_eq(fold("xn--mnchen-3ya.example", false), "xn--mnchen-3ya.example");
    /* None of these can be decoded. */
    EXPECT_FOLDED("xn--", "xn--");
    EXPECT_FOLDED("xn--a!", "xn--a!");
    EXPECT_FOLDED("xn--99999999.x", "xn--99999999.x");
    EXPECT_FOLDED("xn--zz", "xn--zz");
}

Test(host_name, of_a_long_one_the_end)
{
    char host[5000];
    memset(host, 'a', sizeof host);
    for (size_t index = 99; index < sizeof host; index += 100)
        host[index] = '.';
    memcpy(host + sizeof host - 12, ".example.org", 12);
    char folded[HOST_NAME_ROOM];
    size_t length = host_name_fold(slice_of(host, sizeof host), true, folded);
    cr_expect_leq(length, HOST_NAME_READ);
    cr_expect_eq(folded[0], '.');
    cr_expect_arr_eq(folded + length - 12, ".example.org", 12);
}
