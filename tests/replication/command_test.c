/* The parser of lines against replication.md 2.1, beside the recorded vectors: bounds, bad input, and that nothing
 * secret leaks into a problem's text. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "replication/command.h"
#include "replication/json.h"

static struct slice text(const char *string)
{
    return slice_from_string(string);
}

struct status_case {
    struct slice line;
    enum command_status status;
};

#define LINE(literal)                                                                                                  \
    {                                                                                                                  \
        (literal), sizeof(literal) - 1                                                                                 \
    }

static const struct status_case status_cases[] = {
    {LINE(""), COMMAND_BLANK},
    {LINE(" \t\r\n"), COMMAND_BLANK},
    {LINE("\xc2\xa0\xe3\x80\x80"), COMMAND_BLANK},
    {LINE("REPLICATE"), COMMAND_OK},
    {LINE("REPLICATE "), COMMAND_OK},
    {LINE("REPLICATE \xff"), COMMAND_INVALID},
    {LINE("replicate"), COMMAND_UNKNOWN},
    {LINE(" REPLICATE"), COMMAND_UNKNOWN},
    {LINE("REPLICATE\r\n"), COMMAND_UNKNOWN},
    {LINE("REMOVE_PUSHER a b c"), COMMAND_UNKNOWN},
    {LINE("RDAT"), COMMAND_UNKNOWN},
    {LINE("RDATA\0 events m 5 []"), COMMAND_UNKNOWN},
    {LINE("RDATA events m 5 []"), COMMAND_OK},
    {LINE("RDATA   5 []"), COMMAND_OK}, /* empty stream and writer */
    {LINE("RDATA   5"), COMMAND_INVALID},
    {LINE("RDATA events m 5\0 []"), COMMAND_INVALID},
    {LINE("RDATA events m  []"), COMMAND_INVALID},
    {LINE("RDATA events m 9223372036854775807 []"), COMMAND_OK},
    {LINE("RDATA events m 9223372036854775808 []"), COMMAND_INVALID},
    {LINE("RDATA events m -9223372036854775808 []"), COMMAND_OK},
    {LINE("RDATA events m -9223372036854775809 []"), COMMAND_INVALID},
    {LINE("RDATA events m 18446744073709551621 []"), COMMAND_INVALID},
    {LINE("RDATA events m 0x5 []"), COMMAND_INVALID},
    {LINE("POSITION events m 5 batch"), COMMAND_INVALID},
    {LINE("POSITION events m 5 6 7"), COMMAND_INVALID},
    {LINE("FEDERATION_ACK f 5\t"), COMMAND_OK},
    {LINE("FEDERATION_ACK f 5 "), COMMAND_INVALID},
    {LINE("USER_SYNC a @b:c start 5 "), COMMAND_OK}, /* the older form, whose time is trimmed */
    {LINE("USER_SYNC a @b:c D start 5 "), COMMAND_OK},
    {LINE("USER_SYNC a @b:c D begin 5"), COMMAND_INVALID},
    {LINE("USER_SYNC a"), COMMAND_INVALID},
    {LINE("USER_IP "), COMMAND_INVALID},
    {LINE("PING \xed\xa0\x80"), COMMAND_INVALID},
    {LINE("PING \xc0\xaf"), COMMAND_INVALID},
    {LINE("PING \0"), COMMAND_OK},
};

Test(command, statuses)
{
    for (size_t index = 0; index < sizeof status_cases / sizeof *status_cases; index++) {
        struct command command;
        const char *problem;
        enum command_status status = command_parse(status_cases[index].line, &command, &problem);
        cr_expect_eq(status, status_cases[index].status, "case %zu: %.*s gives %d", index,
                     (int)status_cases[index].line.length, status_cases[index].line.data, status);
        cr_expect_eq(status == COMMAND_INVALID || status == COMMAND_UNKNOWN, problem != NULL);
    }
}

static const struct integer_case {
    const char *text;
    bool good;
    int64_t value;
} integer_cases[] = {
    {"0", true, 0},
    {"-0", true, 0},
    {"+7", true, 7},
    {"007", true, 7},
    {" 5\t", true, 5},
    {"\x1c"
     "5\x1f",
     true, 5},
    {"1_000", true, 1000},
    {"1__0", false, 0},
    {"_1", false, 0},
    {"1_", false, 0},
    {"-_1", false, 0},
    {"--1", false, 0},
    {"", false, 0},
    {" ", false, 0},
    {"-", false, 0},
    {"+", false, 0},
    {"1 2", false, 0},
    {"5.0", false, 0},
    {"1e3", false, 0},
    {"999999999999999999", true, 999999999999999999},
    {"9223372036854775807", true, INT64_MAX},
    {"-9223372036854775808", true, INT64_MIN},
    {"9223372036854775808", false, 0},
    {"-9223372036854775809", false, 0},
    {"0000000000000000000000000000000000000000000000005", true, 5},
};

Test(command, integers)
{
    for (size_t index = 0; index < sizeof integer_cases / sizeof *integer_cases; index++) {
        int64_t value = 0;
        bool good = command_parse_integer(text(integer_cases[index].text), &value);
        cr_expect_eq(good, integer_cases[index].good, "`%s`", integer_cases[index].text);
        if (good)
            cr_expect_eq(value, integer_cases[index].value, "`%s`", integer_cases[index].text);
    }
}

Test(command, fields_of_user_sync)
{
    struct command command;
    const char *problem;
    cr_assert_eq(command_parse(text("USER_SYNC a @b:c None end 7"), &command, &problem), COMMAND_OK);
    cr_assert(command.has_device_id);
    cr_assert_not(slice_present(command.device_id));
    cr_assert_not(command.is_syncing);
    cr_assert_eq(command.last_sync_ms, 7);
    cr_assert_eq(command_parse(text("USER_SYNC a @b:c start 8"), &command, &problem), COMMAND_OK);
    cr_assert_not(command.has_device_id);
    cr_assert(command.is_syncing);
}

/* What is written for a row, or NULL if it is refused; the caller frees it. */
static char *rewritten(const char *row)
{
    struct buffer line = {0}, output = {0};
    struct command command;
    const char *problem = NULL;
    buffer_append_format(&line, "RDATA s i 5 %s", row);
    cr_assert_eq(command_parse(buffer_slice(&line), &command, &problem), COMMAND_OK);
    bool good = command_write(&command, &output, &problem);
    char *result = NULL;
    if (good) {
        cr_assert_geq(output.length, 12);
        result = memory_copy_text(output.data + 12, output.length - 12);
    } else {
        cr_assert_eq(output.length, 0, "nothing is left of a command that is refused");
        cr_assert_not_null(problem);
    }
    buffer_free(&line);
    buffer_free(&output);
    return result;
}

/* Right sides are what Python's json.dumps prints. */
static const char *const json_cases[][2] = {
    {"[1e22, 1e16, 1e15, 123456.0]", "[1e+22,1e+16,1000000000000000.0,123456.0]"},
    {"[0.1, 1e-4, 1e-5, 5e-324]", "[0.1,0.0001,1e-05,5e-324]"},
    {"[1.7976931348623157e308, -0.0, -1.25e-7]", "[1.7976931348623157e+308,-0.0,-1.25e-07]"},
    {"[1.0, 100.0, 2.50]", "[1.0,100.0,2.5]"},
    {"[-0, 0, -9223372036854775808, 18446744073709551615]", "[0,0,-9223372036854775808,18446744073709551615]"},
    {"123456789012345678901234567890", "123456789012345678901234567890"},
    {"{\"a\": 1, \"b\": 2, \"a\": {\"c\": []}}", "{\"a\":{\"c\":[]},\"b\":2}"},
    {"\"\\u007f/\xc3\xa9\\ud83d\\ude00\\u0001\"", "\"\\u007f/\\u00e9\\ud83d\\ude00\\u0001\""},
    {" null\r\n", "null"},
    {"1e400", NULL},
    {"-1e400", NULL},
    {"NaN", NULL},
    {"Infinity", NULL},
    {"[1] 2", NULL},
    {"[1,]", NULL},
    {"[01]", NULL},
    {"// c\n1", NULL},
    {"\xef\xbb\xbf[]", NULL},
    {"\"\\ud800\"", NULL}, /* Python reads it; replication.md 2.1 (6) */
};

Test(command, json_as_python_writes_it)
{
    for (size_t index = 0; index < sizeof json_cases / sizeof *json_cases; index++) {
        char *result = rewritten(json_cases[index][0]);
        if (json_cases[index][1])
            cr_expect_str_eq(result ? result : "(refused)", json_cases[index][1]);
        else
            cr_expect_null(result, "%s is written as %s", json_cases[index][0], result);
        free(result);
    }
}

static char *repeated(const char *before, char byte, size_t count, const char *after)
{
    char *result = memory_allocate(strlen(before) + count + strlen(after) + 1);
    memcpy(result, before, strlen(before));
    memset(result + strlen(before), byte, count);
    memcpy(result + strlen(before) + count, after, strlen(after) + 1);
    return result;
}

static bool reads(struct slice json)
{
    const char *problem;
    yyjson_doc *document = json_read(json, NULL, &problem);
    yyjson_doc_free(document);
    return document != NULL;
}

Test(command, nesting_is_bounded)
{
    struct buffer nested = {0};
    for (size_t depth = COMMAND_JSON_DEPTH_MAXIMUM; depth <= COMMAND_JSON_DEPTH_MAXIMUM + 1; depth++) {
        buffer_clear(&nested);
        for (size_t level = 0; level < depth; level++)
            buffer_append_char(&nested, '[');
        for (size_t level = 0; level < depth; level++)
            buffer_append_char(&nested, ']');
        cr_expect_eq(reads(buffer_slice(&nested)), depth <= COMMAND_JSON_DEPTH_MAXIMUM);
    }
    buffer_free(&nested);
    /* Brackets in a string are no nesting. */
    char *brackets = repeated("[\"\\\"", '[', 5000, "\"]");
    cr_expect(reads(text(brackets)));
    free(brackets);
}

Test(command, digits_are_bounded_as_in_python)
{
    char *good = repeated("[", '7', 4300, "]");
    char *bad = repeated("[", '7', 4301, "]");
    char *number = repeated("[0.", '7', 5000, "]");
    cr_expect(reads(text(good)));
    cr_expect_not(reads(text(bad)));
    cr_expect(reads(text(number)));
    free(good);
    free(bad);
    free(number);
}

Test(command, ten_megabytes)
{
    char *line = repeated("RDATA events m 5 [\"", 'x', 10 << 20, "\"]");
    struct command command;
    const char *problem;
    cr_assert_eq(command_parse(text(line), &command, &problem), COMMAND_OK);
    cr_assert(reads(command.json));
    line[15 << 19] = '\xff';
    cr_assert_eq(command_parse(text(line), &command, &problem), COMMAND_INVALID);
    free(line);
    char *deep = repeated("RDATA events m 5 ", '[', 10 << 20, "");
    cr_assert_eq(command_parse(text(deep), &command, &problem), COMMAND_OK);
    cr_assert_not(reads(command.json));
    free(deep);
}

Test(command, a_secret_is_never_quoted)
{
    struct command command;
    const char *problem = "";
    cr_assert_eq(command_parse(text("USER_IP @a:b [\"sesame\"]"), &command, &problem), COMMAND_OK);
    cr_assert(command_is_secret(command.name));
    cr_assert_null(command_json(&command, NULL, &problem));
    cr_assert_null(strstr(problem, "sesame"));
    cr_assert_eq(command_parse(text("USER_IP sesame"), &command, &problem), COMMAND_INVALID);
    cr_assert_null(strstr(problem, "sesame"));
}

Test(command, a_line_break_is_not_written)
{
    struct command command;
    struct buffer output = {0};
    const char *problem = NULL;
    cr_assert_eq(command_parse(text("NAME a\nb"), &command, &problem), COMMAND_OK);
    cr_assert_not(command_write(&command, &output, &problem));
    cr_assert_not_null(problem);
    buffer_free(&output);
}
