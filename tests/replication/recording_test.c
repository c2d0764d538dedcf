/* Lines from files, plain and compressed, whole and damaged; and the messages in them. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

#include "base/memory.h"
#include "replication/recording.h"

/* Writes a temporary file; the caller removes and frees its path. */
static char *file_with(struct slice content)
{
    char *path = memory_copy_text("/tmp/weir-recording-XXXXXX", 26);
    int descriptor = mkstemp(path);
    cr_assert_geq(descriptor, 0);
    cr_assert_eq(write(descriptor, content.data, content.length), (ssize_t)content.length);
    close(descriptor);
    return path;
}

static struct buffer compressed(struct slice content)
{
    struct buffer result = {0};
    size_t bound = ZSTD_compressBound(content.length);
    result.length = ZSTD_compress(buffer_reserve(&result, bound), bound, content.data, content.length, 3);
    return result;
}

/* The lines of a file as text: each in brackets, then what ended it. */
static char *lines_of(struct slice content)
{
    struct buffer error = {0}, log = {0};
    char *path = file_with(content);
    struct line_reader *reader = line_reader_open(path, &error);
    cr_assert_not_null(reader);
    enum line_status status;
    struct slice line;
    while ((status = line_reader_next(reader, &line, &error)) == LINE_OK || status == LINE_TOO_LONG) {
        buffer_append_char(&log, '[');
        buffer_append_slice(&log, line);
        buffer_append_char(&log, ']');
    }
    buffer_append_format(&log, "%s%llu", status == LINE_END ? "end" : "failed",
                         (unsigned long long)line_reader_number(reader));
    cr_expect_eq(status == LINE_FAILED, error.length > 0);
    cr_expect_eq(line_reader_next(reader, &line, &error), status, "the end stays the end");
    line_reader_close(reader);
    unlink(path);
    free(path);
    buffer_free(&error);
    return log.data ? (buffer_string(&log), log.data) : NULL;
}

/* The blocks of a file as text: each in brackets. All of them together are the file but for lines that are too long. */
static char *blocks_of(struct slice content, size_t size, uint64_t *too_long)
{
    struct buffer error = {0}, log = {0}, block = {0};
    char *path = file_with(content);
    struct line_reader *reader = line_reader_open(path, &error);
    cr_assert_not_null(reader);
    enum line_status status;
    *too_long = 0;
    while ((status = line_reader_block(reader, size, &block, too_long, &error)) == LINE_OK) {
        buffer_append_char(&log, '[');
        buffer_append_slice(&log, buffer_slice(&block));
        buffer_append_char(&log, ']');
        buffer_clear(&block);
    }
    buffer_append_string(&log, status == LINE_END ? "end" : "failed");
    cr_expect_eq(status == LINE_FAILED, error.length > 0);
    cr_expect_eq(line_reader_block(reader, size, &block, too_long, &error), status, "the end stays the end");
    cr_expect_eq(block.length, 0);
    line_reader_close(reader);
    unlink(path);
    free(path);
    buffer_free(&error);
    buffer_free(&block);
    return log.data ? (buffer_string(&log), log.data) : NULL;
}

static const struct line_case {
    const char *content;
    const char *lines;
} line_cases[] = {
    {"", "end0"},
    {"\n", "[]end1"},
    {"a", "[a]end1"},
    {"a\n", "[a]end1"},
    {"a\nb", "[a][b]end2"},
    {"a\r\nb\r\n", "[a][b]end2"},
    {"a\rb\r", "[a\rb\r]end1"},
    {"\n\n", "[][]end2"},
    {"\x28\xb5\x2f", "[\x28\xb5\x2f]end1"},
};

Test(recording, lines)
{
    for (size_t index = 0; index < sizeof line_cases / sizeof *line_cases; index++) {
        char *plain = lines_of(slice_from_string(line_cases[index].content));
        cr_expect_str_eq(plain, line_cases[index].lines);
        free(plain);
        struct buffer packed = compressed(slice_from_string(line_cases[index].content));
        char *unpacked = lines_of(buffer_slice(&packed));
        cr_expect_str_eq(unpacked, line_cases[index].lines);
        free(unpacked);
        buffer_free(&packed);
    }
}

Test(recording, several_frames)
{
    struct buffer first = compressed(SLICE("a\nb")), second = compressed(SLICE("c\n"));
    buffer_append_slice(&first, buffer_slice(&second));
    char *lines = lines_of(buffer_slice(&first));
    cr_expect_str_eq(lines, "[a][bc]end2");
    free(lines);
    buffer_append_string(&first, "garbage");
    lines = lines_of(buffer_slice(&first));
    cr_expect_str_eq(lines, "[a][bc]failed2");
    free(lines);
    buffer_free(&first);
    buffer_free(&second);
}

Test(recording, compressed_and_cut_short)
{
    struct buffer text = {0};
    for (int index = 0; index < 20000; index++)
        buffer_append_format(&text, "line %d\n", index * 7919 % 10007);
    struct buffer packed = compressed(buffer_slice(&text));
    char *lines = lines_of(slice_of(packed.data, packed.length - 5));
    cr_expect_not_null(strstr(lines, "]end"), "what is there is given, without the line that broke off");
    cr_expect_null(strstr(lines, "failed"));
    free(lines);
    struct buffer content = {0}, error = {0};
    bool cut_short = false;
    char *path = file_with(slice_of(packed.data, packed.length / 2));
    cr_expect(recording_load(path, 1 << 30, &content, &cut_short, &error));
    cr_expect(cut_short);
    cr_expect_lt(content.length, text.length);
    cr_expect(content.length == 0 || memcmp(content.data, text.data, content.length) == 0);
    buffer_free(&content);
    unlink(path);
    free(path);
    path = file_with(buffer_slice(&packed));
    cr_expect(recording_load(path, 1 << 30, &content, &cut_short, &error));
    cr_expect_not(cut_short);
    cr_expect(slice_equal(buffer_slice(&content), buffer_slice(&text)));
    buffer_free(&content);
    cr_expect_not(recording_load(path, 1000, &content, NULL, &error));
    unlink(path);
    free(path);
    buffer_free(&text);
    buffer_free(&packed);
    buffer_free(&content);
    buffer_free(&error);
}

Test(recording, a_line_that_is_too_long_is_skipped)
{
    struct buffer text = {0}, error = {0};
    size_t length = (size_t)RECORDING_LINE_MAXIMUM + 1;
    memset(buffer_reserve(&text, length), 'x', length);
    text.length = length;
    buffer_append_string(&text, "\nshort\n");
    struct buffer packed = compressed(buffer_slice(&text));
    char *path = file_with(buffer_slice(&packed));
    struct line_reader *reader = line_reader_open(path, &error);
    struct slice line;
    cr_expect_eq(line_reader_next(reader, &line, &error), LINE_TOO_LONG);
    cr_expect_eq(line_reader_next(reader, &line, &error), LINE_OK);
    cr_expect(slice_equal(line, SLICE("short")));
    cr_expect_eq(line_reader_number(reader), 2);
    cr_expect_eq(line_reader_next(reader, &line, &error), LINE_END);
    uint64_t done, size;
    line_reader_progress(reader, &done, &size);
    cr_expect_eq(done, size);
    cr_expect_eq(size, packed.length);
    line_reader_close(reader);
    unlink(path);
    free(path);
    buffer_free(&text);
    buffer_free(&packed);
}

Test(recording, files_that_cannot_be_read)
{
    struct buffer error = {0};
    cr_expect_null(line_reader_open("/nonexistent/file", &error));
    cr_expect_not_null(strstr(buffer_string(&error), "/nonexistent/file"));
    buffer_clear(&error);
    struct line_reader *reader = line_reader_open("/tmp", &error);
    struct slice line;
    if (reader)
        cr_expect_eq(line_reader_next(reader, &line, &error), LINE_FAILED);
    cr_expect_gt(error.length, 0);
    line_reader_close(reader);
    buffer_free(&error);
}

static const struct message_case {
    const char *line;
    double time;
    const char *channel; /* NULL if the line is refused */
    const char *data;
} message_cases[] = {
    {"{\"t\": 1795424321.9834602, \"ch\": \"lab.test\", \"data\": \"REPLICATE \"}", 1795424321.9834602, "lab.test",
     "REPLICATE "},
    {"{\"t\":5,\"ch\":\"c\",\"data\":\"a \\\"b\\\" \\\\ \\/\\b\\f\\n\\r\\t \\u00e9\\ud83d\\ude00\"} ", 5, "c",
     "a \"b\" \\ /\b\f\n\r\t \xc3\xa9\xf0\x9f\x98\x80"},
    {"{\"data\":\"d\",\"t\":0.5,\"ch\":\"c\"}", 0.5, "c", "d"},
    {"{\"ch\":\"c\",\"data\":\"d\"}", 0, "c", "d"},
    {"{\"t\":1e3,\"ch\":\"c\",\"data\":\"d\"}", 1000, "c", "d"},
    {"{\"t\":-1.5,\"ch\":\"c\",\"data\":\"d\"}", -1.5, "c", "d"},
    {"{\"t\":1,\"ch\":\"c\",\"data\":\"d\",\"more\":[1]}", 1, "c", "d"},
    {"{\"t\":1,\"ch\":\"c\",\"data\":\"d\",\"data\":\"e\"}", 1, "c", "e"},
    {"{\"t\":null,\"ch\":\"c\",\"data\":\"\"}", 0, "c", ""},
    {"", 0, NULL, NULL},
    {"{}", 0, NULL, NULL},
    {"[1,2]", 0, NULL, NULL},
    {"{\"t\":1,\"mark\":\"x\"}", 0, NULL, NULL},
    {"{\"t\":1,\"ch\":\"c\",\"data\":5}", 0, NULL, NULL},
    {"{\"t\":1,\"ch\":\"c\",\"data\":\"d\"", 0, NULL, NULL},
    {"{\"t\":1,\"ch\":\"c\",\"data\":\"d", 0, NULL, NULL},
    {"{\"t\":1,\"ch\":\"c\",\"data\":\"d\\", 0, NULL, NULL},
    {"{\"t\":1,\"ch\":\"c\",\"data\":\"\\ud800\"}", 0, NULL, NULL},
    {"{\"t\":1,\"ch\":\"c\",\"data\":\"a\tb\"}", 0, NULL, NULL},
    {"{\"t\":01,\"ch\":\"c\",\"data\":\"d\"}", 0, NULL, NULL},
    {"{\"t\":1.,\"ch\":\"c\",\"data\":\"d\"}", 0, NULL, NULL},
    {"{\"t\":1,\"ch\":\"c\",\"data\":\"d\"}}", 0, NULL, NULL},
};

Test(recording, messages)
{
    struct recording_reader *reader = recording_reader_create();
    for (size_t index = 0; index < sizeof message_cases / sizeof *message_cases; index++) {
        const struct message_case *wanted = &message_cases[index];
        struct recording_message message;
        const char *problem = NULL;
        bool good = recording_read(reader, slice_from_string(wanted->line), &message, &problem);
        cr_expect_eq(good, wanted->channel != NULL, "%s", wanted->line);
        if (good && wanted->channel) {
            cr_expect_eq(recording_message_time(&message), wanted->time, "%s", wanted->line);
            cr_expect(slice_equal(message.channel, slice_from_string(wanted->channel)), "%s", wanted->line);
            cr_expect(slice_equal(message.data, slice_from_string(wanted->data)), "%s", wanted->line);
        } else {
            cr_expect_not_null(problem);
        }
        cr_expect_eq(recording_read_escaped(reader, slice_from_string(wanted->line), &message, &problem), good);
        if (good && !message.escaped && wanted->data)
            cr_expect(slice_equal(message.data, slice_from_string(wanted->data)), "%s", wanted->line);
    }
    recording_reader_destroy(reader);
}

/* A line of `length` bytes of data with `odd` put over the place `at`. */
static char *line_with(size_t length, size_t at, const char *odd)
{
    struct buffer line = {0};
    buffer_append_string(&line, "{\"t\": 1795424807.440672, \"ch\": \"lab.test\", \"data\": \"");
    size_t start = line.length;
    for (size_t index = 0; index < length; index++)
        buffer_append_char(&line, (char)('a' + index % 26));
    for (const char *byte = odd; *byte; byte++)
        line.data[start + at++] = *byte;
    buffer_append_string(&line, "\"}");
    return buffer_string(&line), line.data;
}

Test(recording, escaped_messages)
{
    static const struct {
        const char *odd;
        bool escaped; /* given as it stands */
        bool plain;   /* the same, without any escape */
    } cases[] = {
        {"x", false, true},         {"\\\"", true, false},     {"\\\"\\\"", true, false}, {"\\\\", false, false},
        {"\\\\\\\"", false, false}, {"\\n\\\"", false, false}, {"\\u0041", false, false}, {"\"", false, false},
        {"\t", false, false},       {"\xc3\xa9", false, true}, {"\\\"\\", false, false},
    };
    struct recording_reader *reader = recording_reader_create(), *other = recording_reader_create();
    struct buffer plain = {0};
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        size_t width = strlen(cases[index].odd);
        for (size_t length = width; length < 200; length++) {
            for (size_t at = 0; at + width <= length; at++) {
                struct recording_message message, read;
                const char *problem;
                char *line = line_with(length, at, cases[index].odd);
                bool good = recording_read_escaped(reader, slice_from_string(line), &message, &problem);
                cr_assert_eq(good, recording_read(other, slice_from_string(line), &read, &problem), "%s", line);
                if (good) {
                    struct slice text = message.escaped ? recording_unescape(message.data, &plain) : message.data;
                    cr_assert(slice_equal(text, read.data), "%s", line);
                    bool block = strlen(line) - 2 >= 64; /* shorter ones are read */
                    cr_assert_eq(message.escaped, block && cases[index].escaped, "%s", line);
                    bool stands = message.data.data >= line && message.data.data < line + strlen(line);
                    cr_assert_eq(stands, block && (cases[index].escaped || cases[index].plain), "%s", line);
                }
                free(line);
            }
        }
    }
    buffer_free(&plain);
    recording_reader_destroy(reader);
    recording_reader_destroy(other);
}

static const struct line_case block_cases[] = {
    {"", "end"}, {"\n", "[\n]end"}, {"a", "[a]end"}, {"a\nb", "[a\nb]end"}, {"a\r\n\nb\n", "[a\r\n\nb\n]end"}};

Test(recording, blocks)
{
    uint64_t too_long;
    for (size_t index = 0; index < sizeof block_cases / sizeof *block_cases; index++) {
        struct slice content = slice_from_string(block_cases[index].content);
        struct buffer packed = compressed(content);
        char *plain = blocks_of(content, 100, &too_long);
        char *unpacked = blocks_of(buffer_slice(&packed), 100, &too_long);
        cr_expect_str_eq(plain, block_cases[index].lines);
        cr_expect_str_eq(unpacked, block_cases[index].lines);
        free(plain);
        free(unpacked);
        buffer_free(&packed);
    }
}

/* Every block but the last is as long as was asked for, ends with a line, and nothing is lost between two of them. */
Test(recording, blocks_of_a_long_file)
{
    struct buffer content = {0}, joined = {0}, block = {0}, error = {0};
    for (unsigned line = 0; line < 60000; line++)
        buffer_append_format(&content, "%0*u\n", (int)(line % 90), line);
    struct buffer packed = compressed(buffer_slice(&content));
    const struct slice files[] = {buffer_slice(&content), buffer_slice(&packed)};
    for (size_t index = 0; index < 2; index++) {
        char *path = file_with(files[index]);
        struct line_reader *reader = line_reader_open(path, &error);
        uint64_t too_long = 0;
        unsigned count = 0;
        while (line_reader_block(reader, 100000, &block, &too_long, &error) == LINE_OK) {
            count++;
            cr_expect(block.length >= 100000 || joined.length + block.length == content.length);
            cr_expect_eq(block.data[block.length - 1], '\n');
            buffer_append_slice(&joined, buffer_slice(&block));
            buffer_clear(&block);
        }
        cr_expect_gt(count, 3);
        cr_expect(slice_equal(buffer_slice(&joined), buffer_slice(&content)));
        buffer_clear(&joined);
        line_reader_close(reader);
        unlink(path);
        free(path);
    }
    buffer_free(&content);
    buffer_free(&packed);
    buffer_free(&joined);
    buffer_free(&block);
    buffer_free(&error);
}

Test(recording, blocks_of_a_file_that_broke_off)
{
    struct buffer content = {0};
    uint64_t too_long;
    for (unsigned line = 0; line < 200000; line++)
        buffer_append_format(&content, "%u\n", line * 2654435761u);
    struct buffer packed = compressed(buffer_slice(&content));
    char *blocks = blocks_of(slice_of(packed.data, packed.length - 100), 1000, &too_long);
    size_t length = strlen(blocks);
    cr_expect_gt(length, 100000);
    cr_expect_str_eq(blocks + length - strlen("\n]end"), "\n]end", "no half line");
    free(blocks);
    buffer_free(&content);
    buffer_free(&packed);
}

Test(recording, blocks_pass_over_lines_that_are_too_long, .timeout = 120)
{
    struct buffer content = {0};
    uint64_t too_long;
    buffer_append_string(&content, "before\n");
    size_t length = RECORDING_LINE_MAXIMUM + (1u << 20);
    memset(buffer_reserve(&content, length), 'x', length);
    content.length += length;
    buffer_append_string(&content, "\nafter\n");
    char *blocks = blocks_of(buffer_slice(&content), 1, &too_long);
    cr_assert_lt(strlen(blocks), 100);
    cr_expect_str_eq(blocks, "[before\n][after\n]end");
    cr_expect_eq(too_long, 1);
    free(blocks);
    buffer_free(&content);
}
