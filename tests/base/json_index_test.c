/* The index against the slow ways of saying the same: which strings are valid, where tokens lie, what a number is. On a
 * processor that cannot index there is nothing to test. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/json_index.h"
#include "base/json_scan.h"
#include "base/memory.h"
#include "base/utf8.h"

static struct json_index json_index;

/* A copy of exactly its size, so that sanitizers see a look behind its end. */
static bool build(struct slice text)
{
    char *copy = memory_allocate(text.length);
    if (text.length)
        memcpy(copy, text.data, text.length);
    bool good = json_index_build(&json_index, slice_of(copy, text.length));
    free(copy);
    return good;
}

static bool scanner_takes(struct slice text)
{
    char *copy = memory_allocate_zeroed(text.length + JSON_SCAN_PADDING, 1);
    memcpy(copy, text.data, text.length);
    char *behind = json_skip_value(copy);
    bool good = behind == copy + text.length;
    free(copy);
    return good;
}

Test(json_index, tells_tokens_and_places)
{
    if (!json_index_available())
        cr_skip_test("this processor cannot index");
    struct slice text = SLICE("{\"a\" :[1,-2.5e3 , true],\"b\\\"{\":\"\",\n\"c\":{}}");
    static const struct {
        uint16_t place;
        unsigned char kind;
    } wanted[] = {
        {0, JSON_TOKEN_OBJECT}, {1, JSON_TOKEN_QUOTE},   {3, JSON_TOKEN_QUOTE},       {5, JSON_TOKEN_COLON},
        {6, JSON_TOKEN_ARRAY},  {7, JSON_TOKEN_VALUE},   {8, JSON_TOKEN_COMMA},       {9, JSON_TOKEN_VALUE},
        {16, JSON_TOKEN_COMMA}, {18, JSON_TOKEN_VALUE},  {22, JSON_TOKEN_ARRAY_END},  {23, JSON_TOKEN_COMMA},
        {24, JSON_TOKEN_QUOTE}, {29, JSON_TOKEN_QUOTE},  {30, JSON_TOKEN_COLON},      {31, JSON_TOKEN_QUOTE},
        {32, JSON_TOKEN_QUOTE}, {33, JSON_TOKEN_COMMA},  {35, JSON_TOKEN_QUOTE},      {37, JSON_TOKEN_QUOTE},
        {38, JSON_TOKEN_COLON}, {39, JSON_TOKEN_OBJECT}, {40, JSON_TOKEN_OBJECT_END}, {41, JSON_TOKEN_OBJECT_END},
    };
    cr_assert(build(text));
    cr_expect(json_index.has_escapes);
    cr_assert_eq(json_index.count, sizeof wanted / sizeof *wanted);
    for (uint32_t token = 0; token < json_index.count; token++) {
        cr_expect_eq(json_index.places[token], wanted[token].place, "token %u", token);
        cr_expect_eq(json_index.kinds[token], wanted[token].kind, "token %u", token);
    }
    for (uint32_t token = json_index.count; token % JSON_INDEX_BLOCK; token++)
        cr_expect_eq(json_index.kinds[token], 0);
}

/* At every distance from the border between two blocks, and at the text's end. */
static void expect_as_scanner(struct slice content)
{
    for (size_t before = 0; before < 70; before += before < 55 ? 11 : 1) {
        for (size_t behind = 0; behind < 70; behind += 69) {
            struct buffer text = {0};
            buffer_append_char(&text, '"');
            for (size_t count = 0; count < before; count++)
                buffer_append_char(&text, 'x');
            buffer_append_slice(&text, content);
            for (size_t count = 0; count < behind; count++)
                buffer_append_char(&text, 'y');
            buffer_append_char(&text, '"');
            struct slice whole = buffer_slice(&text);
            /* What closes the string early is another matter: the index does not know what may follow. */
            cr_expect_eq(build(whole), scanner_takes(whole), "%zu x, then %zu bytes, then %zu y", before,
                         content.length, behind);
            buffer_free(&text);
        }
    }
}

Test(json_index, utf8_is_checked_at_every_border)
{
    if (!json_index_available())
        cr_skip_test("this processor cannot index");
    static const unsigned char bytes[] = {0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf,
                                          0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff};
    const size_t count = sizeof bytes;
    /* All sequences of two and three; of four those that a lead of four begins. */
    for (size_t number = 0; number < count * count * count; number++) {
        char sequence[4] = {(char)bytes[number % count], (char)bytes[number / count % count],
                            (char)bytes[number / count / count]};
        bool four = (unsigned char)sequence[0] >= 0xf0;
        if (number % 7 == 0 || four) /* a seventh of those of three, and they hold those of two */
            expect_as_scanner(slice_of(sequence, 3));
        sequence[3] = (char)0x80;
        if (four)
            expect_as_scanner(slice_of(sequence, 4));
    }
}

Test(json_index, escapes_are_checked_at_every_border)
{
    if (!json_index_available())
        cr_skip_test("this processor cannot index");
    static const char *const contents[] = {
        "\\n",        "\\\\",           "\\\\\\\\",        "\\\\\\\"",        "\\\"\\\"", "\\x",
        "\\u00e9",    "\\u00g9",        "\\u12",           "\\ud83d\\ude00",  "\\ud83d",  "\\ude00",
        "\\ud83d\\n", "\\ud83d\\u0041", "\\/\\b\\f\\r\\t", "\\\\\\\\\\\\\\n", "\\",       "a\tb",
        "a\x01z",     "\\u0000\\u001f",
    };
    for (size_t index = 0; index < sizeof contents / sizeof *contents; index++)
        expect_as_scanner(slice_from_string(contents[index]));
}

Test(json_index, values_are_what_the_scanner_takes)
{
    if (!json_index_available())
        cr_skip_test("this processor cannot index");
    static const char *const values[] = {
        "0",
        "-0",
        "01",
        "-01",
        "1",
        "1795424324604",
        "12345678901234567890",
        "-",
        "-x",
        "1.",
        "1.5",
        "1.5e",
        "1e5",
        "1e+5",
        "1E-05",
        "1e+",
        "1.e5",
        ".5",
        "+1",
        "0x10",
        "1_0",
        "true",
        "tru",
        "truex",
        "false",
        "fals",
        "null",
        "nul",
        "NaN",
        "nullnull",
        "1a",
        "1\\",
        "true1",
        "\\n",
        "'a'",
        "123456789012345",
        "1234567890123456",
        "12345678901234567",
        "1x345678901234567",
        "0.1234567890123456789e12",
        "1\x01",
        "\x01",
        "1\xc3\xa9",
    };
    static const char *const ends[] = {"", " ", ",", "]", "}", "\n"};
    for (size_t index = 0; index < sizeof values / sizeof *values; index++) {
        for (size_t end = 0; end < sizeof ends / sizeof *ends; end++) {
            char text[64];
            int length = snprintf(text, sizeof text, "%s%s", values[index], ends[end]);
            cr_expect_eq(json_index_value(slice_of(text, (size_t)length), 0),
                         scanner_takes(slice_from_string(values[index])), "`%s`", text);
        }
    }
}

Test(json_index, bounds)
{
    if (!json_index_available())
        cr_skip_test("this processor cannot index");
    struct buffer text = {0};
    while (text.length < JSON_INDEX_TEXT_MAXIMUM)
        buffer_append_char(&text, ' ');
    cr_expect(build(buffer_slice(&text)));
    buffer_append_char(&text, ' ');
    cr_expect_not(build(buffer_slice(&text)), "too long");
    buffer_clear(&text);
    while (text.length < JSON_INDEX_TOKENS_MAXIMUM + JSON_INDEX_BLOCK)
        buffer_append_char(&text, '[');
    cr_expect_not(build(buffer_slice(&text)), "too many tokens");
    buffer_free(&text);
    cr_expect(build(SLICE("")));
    cr_expect_eq(json_index.count, 0);
    cr_expect_not(build(SLICE("\"open")));
}
