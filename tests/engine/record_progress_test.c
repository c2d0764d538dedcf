/* The line on a terminal. */
#include <criterion/criterion.h>

#include "engine/record_progress.h"

Test(record_progress, lines)
{
    struct buffer line = {0};
    struct record_counts counts = {.messages = 12, .seconds = 3725.4, .files = {.bytes = 1536}};
    record_progress_render(&counts, true, &line);
    cr_expect_str_eq(buffer_string(&line), "\rrecording 1:02:05  12 messages  0 bodies  1.5 KiB\033[K");
    buffer_clear(&line);
    counts.gaps = 2;
    counts.bodies.waiting = 7;
    counts.files.bytes = 999;
    record_progress_render(&counts, false, &line);
    cr_expect_str_eq(buffer_string(&line),
                     "\rno Redis! 1:02:05  12 messages  0 bodies (7 awaited)  999 B  2 gaps\033[K");
    buffer_free(&line);
}

Test(record_progress, sizes)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } sizes[] = {
        {0, "0 B"}, {1000, "1.0 KiB"}, {123456, "121 KiB"}, {10ull << 30, "10 GiB"}, {UINT64_MAX, "16777216 TiB"}};
    struct buffer text = {0};
    for (size_t index = 0; index < sizeof sizes / sizeof *sizes; index++) {
        buffer_clear(&text);
        record_append_size(&text, sizes[index].bytes);
        cr_expect_str_eq(buffer_string(&text), sizes[index].text);
    }
    buffer_free(&text);
}
