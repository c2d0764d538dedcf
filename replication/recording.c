/* A recording is read at the speed of replay, and almost every line has one shape: a number and two strings, of which
 * one is full of escaped quotes. That shape is read here; whatever else may be JSON goes through the parser. */
#include "replication/recording.h"

#include <stdlib.h>
#include <yyjson.h>

#include "base/memory.h"

struct recording_reader {
    struct buffer channel; /* unescaped text of the last message */
    struct buffer data;
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
    free(reader);
}

static const char *skip_space(const char *cursor, const char *end)
{
    while (cursor < end && (*cursor == ' ' || *cursor == '\t' || *cursor == '\r' || *cursor == '\n'))
        cursor++;
    return cursor;
}

static int hex_digit(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    char lower = (char)(byte | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static bool read_unit(const char *cursor, const char *end, uint32_t *unit)
{
    if (end - cursor < 4)
        return false;
    *unit = 0;
    for (int index = 0; index < 4; index++) {
        int digit = hex_digit(cursor[index]);
        if (digit < 0)
            return false;
        *unit = *unit << 4 | (uint32_t)digit;
    }
    return true;
}

static char *write_utf8(char *output, uint32_t point)
{
    if (point < 0x80) {
        *output++ = (char)point;
    } else if (point < 0x800) {
        *output++ = (char)(0xc0 | point >> 6);
        *output++ = (char)(0x80 | (point & 0x3f));
    } else if (point < 0x10000) {
        *output++ = (char)(0xe0 | point >> 12);
        *output++ = (char)(0x80 | (point >> 6 & 0x3f));
        *output++ = (char)(0x80 | (point & 0x3f));
    } else {
        *output++ = (char)(0xf0 | point >> 18);
        *output++ = (char)(0x80 | (point >> 12 & 0x3f));
        *output++ = (char)(0x80 | (point >> 6 & 0x3f));
        *output++ = (char)(0x80 | (point & 0x3f));
    }
    return output;
}

/* Reads one escape, `cursor` at its backslash; NULL if it is none, or half of a surrogate pair. */
static const char *read_escape(const char *cursor, const char *end, char **output)
{
    static const char plain[128] = {
        ['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t'};
    if (end - cursor < 2)
        return NULL;
    unsigned char letter = (unsigned char)cursor[1];
    cursor += 2;
    if (letter < 128 && plain[letter]) {
        *(*output)++ = plain[letter];
        return cursor;
    }
    uint32_t point, low;
    if (letter != 'u' || !read_unit(cursor, end, &point))
        return NULL;
    cursor += 4;
    if (point >= 0xd800 && point < 0xe000) {
        if (point >= 0xdc00 || end - cursor < 6 || cursor[0] != '\\' || cursor[1] != 'u' ||
            !read_unit(cursor + 2, end, &low) || low < 0xdc00 || low >= 0xe000)
            return NULL;
        point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
        cursor += 6;
    }
    *output = write_utf8(*output, point);
    return cursor;
}

/* Copies what needs no thought, eight bytes at once, up to a quote, a backslash, a control character or the end. */
static inline const char *copy_plain(const char *cursor, const char *end, char **output)
{
    const uint64_t ones = 0x0101010101010101u;
    const uint64_t high = 0x8080808080808080u;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    while (end - cursor >= 8) {
        uint64_t word;
        memcpy(&word, cursor, sizeof word);
        memcpy(*output, &word, sizeof word);
        uint64_t quote = word ^ (ones * '"');
        uint64_t backslash = word ^ (ones * '\\');
        uint64_t special = ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) | ((word - ones * 32) & ~word);
        special &= high;
        if (special) {
            size_t count = (size_t)__builtin_ctzll(special) >> 3;
            *output += count;
            return cursor + count;
        }
        cursor += 8;
        *output += 8;
    }
#endif
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
    char *start = buffer_reserve(buffer, (size_t)(end - cursor) + 8);
    char *output = start;
    for (;;) {
        cursor = copy_plain(cursor, end, &output);
        if (cursor >= end)
            return NULL;
        if (*cursor == '"')
            break;
        if (*cursor != '\\')
            return NULL;
        cursor = read_escape(cursor, end, &output);
        if (!cursor)
            return NULL;
    }
    buffer->length = (size_t)(output - start);
    return cursor + 1;
}

/* Digits with a point between them, at most 18. NULL for any other number. */
static const char *read_time(const char *cursor, const char *end, double *time)
{
    static const long double powers[] = {1e0L,  1e1L,  1e2L,  1e3L,  1e4L,  1e5L,  1e6L,  1e7L,  1e8L, 1e9L,
                                         1e10L, 1e11L, 1e12L, 1e13L, 1e14L, 1e15L, 1e16L, 1e17L, 1e18L};
    uint64_t digits = 0;
    const char *start = cursor;
    const char *point = NULL;
    for (; cursor < end; cursor++) {
        if (*cursor == '.' && !point && cursor > start)
            point = cursor;
        else if (*cursor >= '0' && *cursor <= '9')
            digits = digits * 10 + (uint64_t)(*cursor - '0');
        else
            break;
        if (cursor - start > 18)
            return NULL;
    }
    bool leading_zero = cursor - start > 1 && start[0] == '0' && start[1] != '.';
    if (cursor == start || point == cursor - 1 || leading_zero ||
        (cursor < end && (*cursor == 'e' || *cursor == 'E' || *cursor == '.')))
        return NULL;
    *time = (double)((long double)digits / powers[point ? cursor - point - 1 : 0]);
    return cursor;
}

static const char *expect(const char *cursor, const char *end, const char *text, size_t length)
{
    cursor = skip_space(cursor, end);
    if ((size_t)(end - cursor) < length || memcmp(cursor, text, length) != 0)
        return NULL;
    return skip_space(cursor + length, end);
}

#define EXPECT(literal) ((cursor = expect(cursor, end, (literal), sizeof(literal) - 1)) != NULL)

/* `{"t": number, "ch": string, "data": string}`, in this order. */
static bool read_usual(struct recording_reader *reader, struct slice line, struct recording_message *message)
{
    const char *cursor = line.data;
    const char *end = cursor + line.length;
    bool good = EXPECT("{") && EXPECT("\"t\"") && EXPECT(":") &&
                (cursor = read_time(cursor, end, &message->time)) != NULL && EXPECT(",") && EXPECT("\"ch\"") &&
                EXPECT(":") && (cursor = read_string(cursor, end, &reader->channel)) != NULL && EXPECT(",") &&
                EXPECT("\"data\"") && EXPECT(":") && (cursor = read_string(cursor, end, &reader->data)) != NULL &&
                EXPECT("}");
    if (!good || cursor != end)
        return false;
    message->channel = buffer_slice(&reader->channel);
    message->data = buffer_slice(&reader->data);
    return true;
}

static bool read_any(struct recording_reader *reader, struct slice line, struct recording_message *message,
                     const char **problem)
{
    reader->document = yyjson_read(line.data, line.length, 0);
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
    message->time = yyjson_is_num(found_time) ? yyjson_get_num(found_time) : 0;
    message->channel = slice_of(yyjson_get_str(channel), yyjson_get_len(channel));
    message->data = slice_of(yyjson_get_str(data), yyjson_get_len(data));
    return true;
}

bool recording_read(struct recording_reader *reader, struct slice line, struct recording_message *message,
                    const char **problem)
{
    yyjson_doc_free(reader->document);
    reader->document = NULL;
    if (line.length == 0) {
        *problem = "the line is empty";
        return false;
    }
    return read_usual(reader, line, message) || read_any(reader, line, message, problem);
}
