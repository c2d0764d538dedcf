#include "engine/http_target.h"

#include <criterion/criterion.h>

Test(http_target, is_split_and_has_single_slashes)
{
    static const struct {
        const char *target;
        const char *path; /* NULL: refused */
        const char *query;
    } cases[] = {
        {"/", "/", ""},
        {"/a/b?c=d", "/a/b", "c=d"},
        {"//a///b/?//c?d", "/a/b/", "//c?d"},
        {"//ping", "/ping", ""},
        {"////", "/", ""},
        {"/a?", "/a", ""},
        {"/a#b?c", "/a", ""},
        {"/a?b#c", "/a", "b"},
        {"/%2F/a%2f", "/%2F/a%2f", ""},
        {"http://host/a//b?c", "/a/b", "c"},
        {"HTTPS://host:1?c", "/", "c"},
        {"http://host", "/", ""},
        {"http://", "/", ""},
        {"ftp://host/a", NULL, NULL},
        {"*", NULL, NULL},
        {"", NULL, NULL},
        {"host:443", NULL, NULL},
        {"a/b", NULL, NULL},
    };
    struct buffer scratch = {0};
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        struct slice path, query;
        bool split = http_target_split(slice_from_string(cases[index].target), &scratch, &path, &query);
        cr_assert_eq(split, cases[index].path != NULL, "%s", cases[index].target);
        if (!split)
            continue;
        cr_expect(slice_equal(path, slice_from_string(cases[index].path)), "%s: %.*s", cases[index].target,
                  (int)path.length, path.data);
        cr_expect(slice_equal(query, slice_from_string(cases[index].query)), "%s: %.*s", cases[index].target,
                  (int)query.length, query.data);
    }
    buffer_free(&scratch);
}

Test(http_target, bearer_tokens)
{
    static const char *const cases[][2] = {
        {"Bearer abc", "abc"},
        {"bearer  a b \t", "a b"},
        {"BEARER abc=", "abc="},
        {"Bearer", NULL},
        {"Bearer ", NULL},
        {"Bearer \t ", NULL},
        {"Bearerabc", NULL},
        {"Basic abc", NULL},
        {"Bearer\tabc", NULL},
        {"", NULL},
        {NULL, NULL},
        {" Bearer abc", NULL},
        {"Bearer Bearer x", "Bearer x"},
    };
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++)
        cr_expect(
            slice_equal(http_bearer_token(slice_from_string(cases[index][0])), slice_from_string(cases[index][1])),
            "%s", cases[index][0]);
}
