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
    record_stamp(1795422832524, stamp);
    cr_expect_str_eq(stamp, "20261123T083352.524Z");
    record_stamp(1795422832007, stamp);
    cr_expect_str_eq(stamp, "20261123T083352.007Z");
}

static const struct {
    const char *name;
    const char *stamp; /* NULL: not of the series */
} found[] = {
    {"live.20260131T235959.042Z.jsonl.zst", "20260131T235959.042Z"},
    {"live.jsonl.zst", NULL},
    {"live.20260131T235959.042Z.events.jsonl.zst", NULL},
    {"other.20260131T235959.042Z.jsonl.zst", NULL},
    {"live.20260131T235959.042Z.jsonl", NULL},
    {"live.20260131T23595x.042Z.jsonl.zst", NULL},
    {"live.20260131T235959Z.jsonl.zst", NULL},
    {"live.20260131T235959.04Z.jsonl.zst", NULL},
    {"live.20260131T235959.0420Z.jsonl.zst", NULL},
    {"live.20260131T235959-042Z.jsonl.zst", NULL},
    {"live.20260131 235959.042Z.jsonl.zst", NULL},
    {"live.20260131T235959.042Zx.jsonl.zst", NULL},
    {"", NULL},
};

Test(record_names, of_the_series)
{
    for (size_t index = 0; index < sizeof found / sizeof *found; index++) {
        struct slice stamp = record_name_stamp("/var/lib/live.jsonl.zst", slice_from_string(found[index].name));
        cr_expect(slice_equal(stamp, slice_from_string(found[index].stamp)), "%s", found[index].name);
    }
}
