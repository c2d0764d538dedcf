/* Names of rotated recordings: made, recognised, ordered. */
#include <criterion/criterion.h>

#include "engine/record_names.h"

static const struct {
    const char *path;
    const char *wanted;
} names[] = {
    {"live.jsonl.zst", "live.S.jsonl.zst"},
    {"/a.b/live.events.jsonl.zst", "/a.b/live.S.events.jsonl.zst"},
    {"example.org.jsonl", "example.org.S.jsonl"},
    {"plain", "plain.S"},
    {"/a/.zst", "/a/.zst.S"},
    {"a/.jsonl.zst", "a/.jsonl.S.zst"},
};

Test(record_names, where_the_time_stands)
{
    struct buffer name = {0};
    for (size_t index = 0; index < sizeof names / sizeof *names; index++) {
        buffer_clear(&name);
        record_name_append(names[index].path, "S", &name);
        cr_expect_str_eq(buffer_string(&name), names[index].wanted);
    }
    buffer_free(&name);
}

Test(record_names, stamps)
{
    char stamp[RECORD_STAMP_ROOM];
    record_stamp(1795422832524, 1, stamp);
    cr_expect_str_eq(stamp, "20261123T083352Z");
    record_stamp(1795422832524, 999, stamp);
    cr_expect_str_eq(stamp, "20261123T083352Z-999");
}

static const struct {
    const char *name;
    const char *stamp; /* NULL: not of the series */
} found[] = {
    {"live.20260131T235959Z.jsonl.zst", "20260131T235959Z"},
    {"live.20260131T235959Z-12.jsonl.zst", "20260131T235959Z-12"},
    {"live.jsonl.zst", NULL},
    {"live.20260131T235959Z.events.jsonl.zst", NULL},
    {"other.20260131T235959Z.jsonl.zst", NULL},
    {"live.20260131T235959Z.jsonl", NULL},
    {"live.20260131T23595xZ.jsonl.zst", NULL},
    {"live.20260131T235959Z-.jsonl.zst", NULL},
    {"live.20260131T235959Z-x.jsonl.zst", NULL},
    {"live.20260131T235959Z-1234.jsonl.zst", NULL},
    {"live.20260131T235959Zx.jsonl.zst", NULL},
    {"", NULL},
};

Test(record_names, of_the_series)
{
    for (size_t index = 0; index < sizeof found / sizeof *found; index++) {
        struct slice stamp = record_name_stamp("/var/lib/live.jsonl.zst", slice_from_string(found[index].name));
        cr_expect(slice_equal(stamp, slice_from_string(found[index].stamp)), "%s", found[index].name);
    }
}

Test(record_names, order)
{
    static const char *const stamps[] = {"20251231T235959Z", "20260101T000000Z", "20260101T000000Z-2",
                                         "20260101T000000Z-10", "20260101T000001Z"};
    for (int left = 0; left < 5; left++)
        for (int right = 0; right < 5; right++) {
            int order = record_stamp_compare(slice_from_string(stamps[left]), slice_from_string(stamps[right]));
            cr_expect_eq((order > 0) - (order < 0), (left > right) - (left < right));
        }
}
