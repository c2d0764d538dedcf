/* The scanner against yyjson, text by text, and what it makes of escapes. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <yyjson.h>

#include "base/buffer.h"
#include "base/json_scan.h"
#include "base/memory.h"

static char *padded(struct slice text)
{
    char *copy = memory_allocate_zeroed(text.length + JSON_SCAN_PADDING, 1);
    memcpy(copy, text.data, text.length);
    return copy;
}

/* Whether `text` is one JSON value, by the scanner. */
static bool accepts(struct slice text)
{
    char *copy = padded(text);
    char *at = json_skip_value(json_skip_space(copy));
    bool good = at && json_skip_space(at) == copy + text.length;
    free(copy);
    return good;
}

static void expect_as_yyjson(struct slice text)
{
    yyjson_doc *document = yyjson_read(text.data, text.length, YYJSON_READ_NUMBER_AS_RAW);
    cr_expect_eq(accepts(text), document != NULL, "`%.*s`: yyjson %s it", (int)text.length, text.data,
                 document ? "takes" : "refuses");
    yyjson_doc_free(document);
}

Test(json_scan, takes_and_refuses_what_yyjson_does)
{
    static const struct slice texts[] = {
        SLICE("{}"),
        SLICE("[]"),
        SLICE(" [ ] "),
        SLICE("{ }"),
        SLICE("[1,2]"),
        SLICE("[1,]"),
        SLICE("[,1]"),
        SLICE("[1 2]"),
        SLICE("{\"a\":1}"),
        SLICE("{\"a\":1,}"),
        SLICE("{\"a\" : [ {} , [] ] }"),
        SLICE("{a:1}"),
        SLICE("{\"a\"}"),
        SLICE("{\"a\":}"),
        SLICE("{1:2}"),
        SLICE("[}"),
        SLICE("{]"),
        SLICE("[[]"),
        SLICE("[]]"),
        SLICE("{\"a\":{\"b\":[1,{\"c\":null}]}}"),
        SLICE(""),
        SLICE(" "),
        SLICE("\n1\t"),
        SLICE("1 2"),
        SLICE("//"),
        SLICE("true"),
        SLICE("tru"),
        SLICE("truex"),
        SLICE("false"),
        SLICE("fals"),
        SLICE("null"),
        SLICE("nul"),
        SLICE("NaN"),
        SLICE("Infinity"),
        SLICE("0"),
        SLICE("-0"),
        SLICE("-"),
        SLICE("+1"),
        SLICE("01"),
        SLICE("1."),
        SLICE(".5"),
        SLICE("1.5e"),
        SLICE("1.5e+"),
        SLICE("1.5E-07"),
        SLICE("1e999999"),
        SLICE("0x10"),
        SLICE("1_0"),
        SLICE("123456789012345678901234567890"),
        SLICE("\"\""),
        SLICE("\"a"),
        SLICE("\"a\\"),
        SLICE("\"a\\\""),
        SLICE("\"\\n\\t\\r\\b\\f\\/\\\\\\\"\""),
        SLICE("\"\\x\""),
        SLICE("\"\\u12\""),
        SLICE("\"\\u12g4\""),
        SLICE("\"\\u0000\""),
        SLICE("\"\\ud83d\\ude00\""),
        SLICE("\"\\ud83d\""),
        SLICE("\"\\ude00\""),
        SLICE("\"\\ud83d\\u0041\""),
        SLICE("\"\\ud83dx\""),
        SLICE("\"a\x01z\""),
        SLICE("\"a\x1fz\""),
        SLICE("\"a\x7fz\""),
        SLICE("\"a\nz\""),
        SLICE("\"\xc3\xa9\""),
        SLICE("\"\xc3\""),
        SLICE("\"\xff\""),
        SLICE("\"\xed\xa0\x80\""),
        SLICE("\"\xf0\x9f\x98\x80 and sixteen bytes more of text\""),
        SLICE("\"sixteen bytes first \xe2\x82\""),
        SLICE("\"plain\\n then \xc0\x80\""),
        SLICE("\xef\xbb\xbf{}"),
        SLICE("'a'"),
        SLICE("{'a':1}"),
        SLICE("1\0"),
        SLICE("{\"a\":1}\0"),
        SLICE("\"a\0b\""),
        SLICE("\"exactly sixteen.\""),
        SLICE("\"exactly sixteen\\u002e and then some\""),
    };
    for (size_t index = 0; index < sizeof texts / sizeof *texts; index++)
        expect_as_yyjson(texts[index]);
}

Test(json_scan, every_prefix_of_an_event_is_refused)
{
    struct slice event = SLICE("{\"content\":{\"body\":\"a \\u00e9 \\\"quoted\\\"\",\"list\":[1,-2.5e3,true,null]},"
                               "\"type\":\"m.room.message\",\"unsigned\":{}}");
    cr_expect(accepts(event));
    for (size_t length = 0; length < event.length; length++)
        expect_as_yyjson(slice_of(event.data, length));
}

static void expect_string(struct slice json, struct slice wanted)
{
    char *copy = padded(json);
    struct slice value;
    char *behind = json_read_string(copy, &value);
    cr_assert_eq(behind, copy + json.length);
    cr_expect(slice_equal(value, wanted), "`%.*s` became `%.*s`", (int)json.length, json.data, (int)value.length,
              value.data);
    free(copy);
}

Test(json_scan, strings_are_decoded)
{
    expect_string(SLICE("\"\""), SLICE(""));
    expect_string(SLICE("\"a longer text without any escape in it\""), SLICE("a longer text without any escape in it"));
    expect_string(SLICE("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), SLICE("\"\\/\b\f\n\r\t"));
    expect_string(SLICE("\"x\\u0041\\u00e9\\u20ac\\ud83d\\ude00\\u0000y\""),
                  SLICE("xA\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\0y"));
    expect_string(SLICE("\"\\u00E9 and a \xf0\x9f\x98\x80\""), SLICE("\xc3\xa9 and a \xf0\x9f\x98\x80"));
}

Test(json_scan, nesting_is_bounded)
{
    for (size_t depth = JSON_SCAN_DEPTH_MAXIMUM - 1; depth <= JSON_SCAN_DEPTH_MAXIMUM + 1; depth++) {
        char *text = memory_allocate_zeroed(2 * depth + JSON_SCAN_PADDING, 1);
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        cr_expect_eq(accepts(slice_of(text, 2 * depth)), depth <= JSON_SCAN_DEPTH_MAXIMUM, "depth %zu", depth);
        free(text);
    }
    /* Objects and arrays in turn, over the border between two words of the bookkeeping. */
    struct buffer text = {0};
    for (int level = 0; level < 70; level++)
        buffer_append_string(&text, level % 3 ? "{\"k\":" : "[");
    buffer_append_char(&text, '1');
    for (int level = 69; level >= 0; level--)
        buffer_append_char(&text, level % 3 ? '}' : ']');
    cr_expect(accepts(buffer_slice(&text)));
    text.data[text.length - 1] = '}';
    cr_expect_not(accepts(buffer_slice(&text)));
    buffer_free(&text);
}
