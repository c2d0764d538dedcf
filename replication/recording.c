/* A recording is read at the speed of replay, and almost every line has one shape: a number and two strings, of which
 * one is full of escaped quotes. That shape is read here; whatever else may be JSON goes through the parser. Who asks
 * for it gets the second string unread, if a look at its quotes and backslashes (json_quotes.h) says that nothing else
 * is in it. */
#include "replication/recording.h"

#include <stdlib.h>
#include <yyjson.h>

#include "base/json_block.h"
#include "base/json_scan.h"
#include "base/memory.h"
#include "replication/json_quotes.h"

struct recording_reader {
    struct buffer channel; /* unescaped text of the last usual message */
    struct buffer data;
    struct buffer middle; /* the bytes between the time and the data of that message, which give `channel` */
    yyjson_doc *document; /* of the last message, if it was read the slow way */
};

struct recording_reader *recording_reader_create(void)
{
    return memory_allocate_zeroed(1, sizeof(struct recording_reader));
}

void recording_reader_destroy(struct recording_reader *reader)
{
    if (!reader)
        return;
    yyjson_doc_free(reader->document);
    buffer_free(&reader->channel);
    buffer_free(&reader->data);
    buffer_free(&reader->middle);
    free(reader);
}

static const char *skip_space(const char *cursor, const char *end)
{
    while (cursor < end && (*cursor == ' ' || *cursor == '\t' || *cursor == '\r' || *cursor == '\n'))
        cursor++;
    return cursor;
}

/* Copies what needs no thought up to a quote, a backslash, a control character or the end. There is room for a block
 * behind the output. */
static inline const char *copy_plain(const char *cursor, const char *end, char **output)
{
    while (end - cursor >= JSON_BLOCK) {
        uint32_t special = json_block_special(cursor);
        memcpy(*output, cursor, JSON_BLOCK);
        if (special) {
            unsigned count = (unsigned)__builtin_ctz(special);
            *output += count;
            return cursor + count;
        }
        cursor += JSON_BLOCK;
        *output += JSON_BLOCK;
    }
    while (cursor < end && *cursor != '"' && *cursor != '\\' && (unsigned char)*cursor >= 32)
        *(*output)++ = *cursor++;
    return cursor;
}

/* Reads the string whose opening quote is at `cursor` into `buffer`; NULL if it has to be read the slow way. */
static const char *read_string(const char *cursor, const char *end, struct buffer *buffer)
{
    if (cursor >= end || *cursor != '"')
        return NULL;
    cursor++;
    buffer_clear(buffer);
    /* No escape is shorter than what it stands for. */
    char *start = buffer_reserve(buffer, (size_t)(end - cursor) + JSON_BLOCK);
    char *output = start;
    for (;;) {
        cursor = copy_plain(cursor, end, &output);
        if (cursor >= end)
            return NULL;
        if (*cursor == '"')
            break;
        if (*cursor != '\\')
            return NULL;
        if (end - cursor > 1 && cursor[1] == '"') {
            /* Nine of ten escapes: the quotes of the row. */
            *output++ = '"';
            cursor += 2;
            continue;
        }
        cursor = json_read_escape(cursor, end, &output);
        if (!cursor)
            return NULL;
    }
    buffer->length = (size_t)(output - start);
    return cursor + 1;
}

/* Digits with a point between them, at most 32 bytes; kept as text, since a replay never asks for it. NULL for any
 * other number. */
static const char *read_time(const char *cursor, const char *end, struct slice *time)
{
    const char *start = cursor;
    const char *point = NULL;
    for (; cursor < end; cursor++) {
        if (*cursor == '.' && !point && cursor > start)
            point = cursor;
        else if (*cursor < '0' || *cursor > '9')
            break;
    }
    bool leading_zero = cursor - start > 1 && start[0] == '0' && start[1] != '.';
    if (cursor == start || cursor - start > 32 || point == cursor - 1 || leading_zero ||
        (cursor < end && (*cursor == 'e' || *cursor == 'E' || *cursor == '.')))
        return NULL;
    *time = slice_of(start, (size_t)(cursor - start));
    return cursor;
}

double recording_message_time(const struct recording_message *message)
{
    char text[64];
    if (message->time.length == 0 || message->time.length >= sizeof text)
        return 0;
    memcpy(text, message->time.data, message->time.length);
    text[message->time.length] = '\0';
    return strtod(text, NULL);
}

/* The number is digits with at most one point, as take_time has found it. */
int64_t recording_message_time_ms(const struct recording_message *message)
{
    static const int64_t maximum = 253402300800000;
    int64_t milliseconds = 0;
    int decimals = -1;
    for (size_t index = 0; index < message->time.length && decimals < 3; index++) {
        if (message->time.data[index] == '.') {
            decimals = 0;
            continue;
        }
        milliseconds = milliseconds * 10 + (message->time.data[index] - '0');
        decimals += decimals >= 0;
        if (milliseconds > maximum)
            return 0;
    }
    for (decimals = decimals < 0 ? 0 : decimals; decimals < 3; decimals++)
        milliseconds *= 10;
    return milliseconds > maximum ? 0 : milliseconds;
}

static const char *expect(const char *cursor, const char *end, const char *text, size_t length)
{
    cursor = skip_space(cursor, end);
    if ((size_t)(end - cursor) < length || memcmp(cursor, text, length) != 0)
        return NULL;
    return skip_space(cursor + length, end);
}

#define EXPECT(literal) ((cursor = expect(cursor, end, (literal), sizeof(literal) - 1)) != NULL)

/* What stands between the time and the data of a usual line is mostly what stood there in the line before: then the
 * channel is known already. */
static const char *skip_known_middle(const struct recording_reader *reader, const char *cursor, const char *end)
{
    size_t length = reader->middle.length;
    bool same = length && (size_t)(end - cursor) >= length && memcmp(cursor, reader->middle.data, length) == 0;
    return same ? cursor + length : NULL;
}

static const char *read_middle(struct recording_reader *reader, const char *cursor, const char *end)
{
    const char *start = cursor;
    buffer_clear(&reader->middle);
    if (EXPECT(",") && EXPECT("\"ch\"") && EXPECT(":") &&
        (cursor = read_string(cursor, end, &reader->channel)) != NULL && EXPECT(",") && EXPECT("\"data\"") &&
        EXPECT(":"))
        buffer_append(&reader->middle, start, (size_t)(cursor - start));
    return cursor;
}

/* The string at `cursor`, up to the closing brace that ends the line, as it stands there. */
static bool take_escaped(struct slice line, const char *cursor, struct recording_message *message)
{
    const char *last = line.data + line.length - 2;
    if (cursor >= last || *cursor != '"' || last[0] != '"' || last[1] != '}')
        return false;
    struct slice text = slice_of(cursor + 1, (size_t)(last - cursor - 1));
    bool seen;
    if (!json_quotes_escaped(line, text, &seen))
        return false;
    message->data = text;
    message->escaped = seen;
    return true;
}

/* `{"t": number, "ch": string, "data": string}`, in this order. */
static bool read_usual(struct recording_reader *reader, struct slice line, struct recording_message *message,
                       bool escaped)
{
    const char *cursor = line.data;
    const char *end = cursor + line.length;
    if (line.length > 6 && memcmp(cursor, "{\"t\": ", 6) == 0)
        cursor += 6;
    else if (!(EXPECT("{") && EXPECT("\"t\"") && EXPECT(":")))
        return false;
    if (!(cursor = read_time(cursor, end, &message->time)))
        return false;
    const char *data = skip_known_middle(reader, cursor, end);
    cursor = data ? data : read_middle(reader, cursor, end);
    if (cursor && escaped && take_escaped(line, cursor, message)) {
        message->channel = buffer_slice(&reader->channel);
        return true;
    }
    if (!cursor || !(cursor = read_string(cursor, end, &reader->data)))
        return false;
    bool ends = end - cursor == 1 && *cursor == '}';
    if (!ends && (!EXPECT("}") || cursor != end))
        return false;
    message->channel = buffer_slice(&reader->channel);
    message->data = buffer_slice(&reader->data);
    return true;
}

static bool read_any(struct recording_reader *reader, struct slice line, struct recording_message *message,
                     const char **problem)
{
    reader->document = yyjson_read(line.data, line.length, YYJSON_READ_NUMBER_AS_RAW);
    if (!reader->document) {
        *problem = "the line is no JSON";
        return false;
    }
    yyjson_val *root = yyjson_doc_get_root(reader->document);
    yyjson_val *found_time = NULL, *channel = NULL, *data = NULL;
    size_t index, size;
    yyjson_val *key, *value;
    yyjson_obj_foreach(root, index, size, key, value)
    {
        if (yyjson_equals_str(key, "t"))
            found_time = value;
        else if (yyjson_equals_str(key, "ch"))
            channel = value;
        else if (yyjson_equals_str(key, "data"))
            data = value;
    }
    if (!yyjson_is_str(channel) || !yyjson_is_str(data)) {
        *problem = "the line is no recorded message: `ch` or `data` is missing or no text";
        return false;
    }
    message->time =
        yyjson_is_raw(found_time) ? slice_of(yyjson_get_raw(found_time), yyjson_get_len(found_time)) : SLICE_ABSENT;
    message->channel = slice_of(yyjson_get_str(channel), yyjson_get_len(channel));
    message->data = slice_of(yyjson_get_str(data), yyjson_get_len(data));
    return true;
}

static bool read_line(struct recording_reader *reader, struct slice line, struct recording_message *message,
                      bool escaped, const char **problem)
{
    if (reader->document)
        yyjson_doc_free(reader->document);
    reader->document = NULL;
    message->escaped = false;
    if (line.length == 0) {
        *problem = "the line is empty";
        return false;
    }
    return read_usual(reader, line, message, escaped) || read_any(reader, line, message, problem);
}

bool recording_read(struct recording_reader *reader, struct slice line, struct recording_message *message,
                    const char **problem)
{
    return read_line(reader, line, message, false, problem);
}

bool recording_read_escaped(struct recording_reader *reader, struct slice line, struct recording_message *message,
                            const char **problem)
{
    return read_line(reader, line, message, true, problem);
}

struct slice recording_unescape(struct slice text, struct buffer *output)
{
    const char *cursor = text.data;
    const char *end = cursor + text.length;
    buffer_clear(output);
    char *start = buffer_reserve(output, text.length + JSON_BLOCK);
    char *write = start;
    while ((cursor = copy_plain(cursor, end, &write)) < end) {
        if (*cursor == '\\' && ++cursor == end)
            break;
        *write++ = *cursor++;
    }
    output->length = (size_t)(write - start);
    return buffer_slice(output);
}
