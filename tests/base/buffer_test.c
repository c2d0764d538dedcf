/* Buffers: growth, numbers, and the JSON strings that Synapse's own encoder gives. */
#include <criterion/criterion.h>

#include "base/buffer.h"

static void expect_json(struct slice text, const char *wanted)
{
    struct buffer buffer = {0};
    buffer_append_json_string(&buffer, text);
    cr_expect_str_eq(buffer_string(&buffer), wanted);
    buffer_free(&buffer);
}

Test(buffer, json_strings_are_those_of_synapse)
{
    expect_json(SLICE_ABSENT, "null");
    expect_json(SLICE(""), "\"\"");
    expect_json(SLICE("plain / text"), "\"plain / text\"");
    expect_json(SLICE("a\"b\\c"), "\"a\\\"b\\\\c\"");
    expect_json(SLICE("\b\t\n\f\r\x01\x1f\x7f"), "\"\\b\\t\\n\\f\\r\\u0001\\u001f\\u007f\"");
    expect_json(SLICE("\0"), "\"\\u0000\"");
    expect_json(SLICE("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"), "\"\\u00e9\\u20ac\\ud83d\\ude00\"");
    expect_json(SLICE("\xff\xc0\x80z"), "\"\\ufffd\\ufffd\\ufffdz\"");
    expect_json(SLICE("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\"");
}

Test(buffer, integers)
{
    struct buffer buffer = {0};
    buffer_append_integer(&buffer, 0);
    buffer_append_char(&buffer, ' ');
    buffer_append_integer(&buffer, INT64_MIN);
    buffer_append_char(&buffer, ' ');
    buffer_append_integer(&buffer, INT64_MAX);
    cr_expect_str_eq(buffer_string(&buffer), "0 -9223372036854775808 9223372036854775807");
    buffer_free(&buffer);
}

Test(buffer, keeps_its_memory_when_emptied)
{
    struct buffer buffer = {0};
    for (int round = 0; round < 1000; round++)
        buffer_append_format(&buffer, "%d,", round);
    cr_expect_eq(buffer.length, 3890u);
    size_t capacity = buffer.capacity;
    buffer_clear(&buffer);
    buffer_append_string(&buffer, "again");
    cr_expect_eq(buffer.capacity, capacity);
    cr_expect(slice_equal(buffer_slice(&buffer), SLICE("again")));
    buffer_free(&buffer);
    cr_expect_eq(buffer_slice(&buffer).length, 0u);
}
