/* Query strings: the cases were put through Twisted's parse_qs (twisted/web/http.py), which Synapse's pages see. */
#include "base/query_string.h"

#include <criterion/criterion.h>

Test(query_string, finds_the_first_value)
{
    static const struct {
        const char *query;
        const char *value; /* of `user`; NULL: there is none */
    } cases[] = {
        {"user=@a:x", "@a:x"},
        {"user=%40a%3Ax", "@a:x"},
        {"user=%40a%3ax&user=@b:x", "@a:x"},
        {"other=1&user=@b:x", "@b:x"},
        {"other=1;user=@b:x", "@b:x"},
        {"user=@a:x;y", "@a:x"},
        {"u%73er=@c:x", "@c:x"},
        {"user=a+b%2Bc", "a b+c"},
        {"user=a=b", "a=b"},
        {"user==", "="},
        {"user=", ""},
        {"&&user=&user=x", ""},
        {"user=%C3%9Cn%C3%AF", "Ünï"},
        {"user=Ünï", "Ünï"},
        {"user=%ff", "\xff"},
        {"user=%zz%4", "%zz%4"},
        {"user=%", "%"},
        {"user=%%34", "%4"},
        {"user=%2540", "%40"},
        {"us+er=x&user=y", "y"},
        {"", NULL},
        {"user", NULL},
        {"user&user", NULL},
        {"=x", NULL},
        {"User=x", NULL},
        {"users=x", NULL},
        {"use=x", NULL},
        {"xuser=x", NULL},
        {"&;&", NULL},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        struct buffer value = {0};
        bool found = query_string_find(slice_from_string(cases[index].query), SLICE("user"), &value);
        cr_expect_eq(found, cases[index].value != NULL, "%s", cases[index].query);
        cr_expect_str_eq(buffer_string(&value), cases[index].value ? cases[index].value : "", "%s", cases[index].query);
        buffer_free(&value);
    }
}

Test(query_string, an_encoded_nul_is_a_byte_of_the_value)
{
    struct buffer value = {0};
    cr_expect(query_string_find(SLICE("a=1&user=x%00y"), SLICE("user"), &value));
    cr_expect(slice_equal(buffer_slice(&value), slice_of("x\0y", 3)));
    buffer_free(&value);
}

Test(query_string, goes_through_all_parameters)
{
    struct slice rest = SLICE("a=1&b&=2;c=");
    struct query_parameter parameter;
    static const char *const expected[][2] = {{"a", "1"}, {"", "2"}, {"c", ""}};
    for (size_t index = 0; index < sizeof expected / sizeof *expected; index++) {
        cr_assert(query_string_next(&rest, &parameter));
        cr_expect(slice_equal(parameter.name, slice_from_string(expected[index][0])));
        cr_expect(slice_equal(parameter.value, slice_from_string(expected[index][1])));
    }
    cr_expect_not(query_string_next(&rest, &parameter));
}
