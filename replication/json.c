/* yyjson is strict where Python is, but for three things that are settled here: it does not bound nesting, it has no
 * notion of Python's limit on the digits of an integer, and it prints floats in another form than repr(). */
#include "replication/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/string_table.h"
#include "replication/command.h"

/* sys.get_int_max_str_digits() of Python 3.11 and later. */
#define INTEGER_DIGITS_MAXIMUM 4300

/* Moves over a string whose opening quote was read; a string that does not end leads to `end`. */
static const char *skip_string(const char *cursor, const char *end)
{
    while (cursor < end && *cursor != '"')
        cursor += *cursor == '\\' && end - cursor > 1 ? 2 : 1;
    return cursor < end ? cursor + 1 : end;
}

static const char *skip_digits(const char *cursor, const char *end)
{
    while (cursor < end && *cursor >= '0' && *cursor <= '9')
        cursor++;
    return cursor;
}

/* Looks over a text before it is parsed. A wrong text may pass: the parser refuses it then. */
static bool within_limits(struct slice text, const char **problem)
{
    const char *cursor = text.data;
    const char *end = cursor + text.length;
    size_t depth = 0;
    while (cursor < end) {
        char byte = *cursor;
        if (byte >= '0' && byte <= '9') {
            const char *start = cursor;
            cursor = skip_digits(cursor, end);
            bool fraction = (cursor < end && (*cursor | 0x20) == 'e') || (cursor < end && *cursor == '.') ||
                            (start > text.data && start[-1] == '.');
            if (cursor - start > INTEGER_DIGITS_MAXIMUM && !fraction) {
                *problem = "an integer in the JSON has more than 4,300 digits";
                return false;
            }
            continue;
        }
        cursor++;
        if (byte == '"')
            cursor = skip_string(cursor, end);
        else if (byte == '[' || byte == '{')
            depth++;
        else if ((byte == ']' || byte == '}') && depth > 0)
            depth--;
        if (depth > COMMAND_JSON_DEPTH_MAXIMUM) {
            *problem = "the JSON is nested too deep";
            return false;
        }
    }
    return true;
}

yyjson_doc *json_read(struct slice text, const yyjson_alc *allocator, const char **problem)
{
    if (text.length == 0) {
        *problem = "the JSON is missing";
        return NULL;
    }
    /* Neither limit can be passed by a shorter text. */
    if (text.length > COMMAND_JSON_DEPTH_MAXIMUM && !within_limits(text, problem))
        return NULL;
    /* Without YYJSON_READ_INSITU the text is copied, not written to. */
    yyjson_doc *document =
        yyjson_read_opts((char *)(uintptr_t)text.data, text.length, YYJSON_READ_BIGNUM_AS_RAW, allocator, NULL);
    if (!document)
        *problem = "the JSON does not parse";
    return document;
}

/* The fewest digits that read back as `value`, without the point; `*exponent` is of the first digit. */
static size_t shortest_digits(double value, char digits[18], int *exponent)
{
    char text[40];
    for (int precision = 0; precision <= 16; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, value);
        if (strtod(text, NULL) == value)
            break;
    }
    size_t length = 0;
    const char *cursor = text;
    for (; *cursor != 'e'; cursor++)
        if (*cursor >= '0' && *cursor <= '9')
            digits[length++] = *cursor;
    *exponent = (int)strtol(cursor + 1, NULL, 10);
    while (length > 1 && digits[length - 1] == '0')
        length--;
    return length;
}

/* Python's repr(): plain from 1e-4 up to 1e16, always with a point; else an exponent of at least two digits. */
static void write_double(double value, struct buffer *output)
{
    if (signbit(value))
        buffer_append_char(output, '-');
    char digits[18];
    int exponent;
    size_t length = shortest_digits(fabs(value), digits, &exponent);
    if (exponent < -4 || exponent >= 16) {
        buffer_append_char(output, digits[0]);
        if (length > 1) {
            buffer_append_char(output, '.');
            buffer_append(output, digits + 1, length - 1);
        }
        buffer_append_format(output, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
        return;
    }
    if (exponent < 0) {
        buffer_append(output, "0.0000", (size_t)(1 - exponent));
        buffer_append(output, digits, length);
        return;
    }
    size_t whole = (size_t)exponent + 1;
    for (size_t index = 0; index < whole; index++)
        buffer_append_char(output, index < length ? digits[index] : '0');
    buffer_append_char(output, '.');
    if (length > whole)
        buffer_append(output, digits + whole, length - whole);
    else
        buffer_append_char(output, '0');
}

static bool write_number(yyjson_val *value, struct buffer *output, const char **problem)
{
    if (yyjson_is_raw(value)) {
        struct slice text = slice_of(yyjson_get_raw(value), yyjson_get_len(value));
        if (memchr(text.data, '.', text.length) || memchr(text.data, 'e', text.length) ||
            memchr(text.data, 'E', text.length)) {
            *problem = "the JSON holds a number without finite value";
            return false;
        }
        buffer_append_slice(output, text);
    } else if (yyjson_is_real(value)) {
        write_double(yyjson_get_real(value), output);
    } else if (yyjson_is_uint(value) && yyjson_get_uint(value) > INT64_MAX) {
        buffer_append_format(output, "%llu", (unsigned long long)yyjson_get_uint(value));
    } else {
        buffer_append_integer(output, yyjson_get_sint(value));
    }
    return true;
}

static struct slice text_of(yyjson_val *value)
{
    return slice_of(yyjson_get_str(value), yyjson_get_len(value));
}

static bool write_object(yyjson_val *object, struct buffer *output, const char **problem)
{
    size_t count = yyjson_obj_size(object);
    yyjson_val **values = memory_allocate_zeroed(count, sizeof *values);
    struct string_table *first = string_table_create();
    size_t index, size;
    yyjson_val *key, *value;
    yyjson_obj_foreach(object, index, size, key, value)
    {
        string_table_add(first, text_of(key), (uint32_t)index);
        values[string_table_find(first, text_of(key))] = value;
    }
    buffer_append_char(output, '{');
    bool written = true;
    yyjson_obj_foreach(object, index, size, key, value)
    {
        if (!values[index] || !written)
            continue;
        if (index)
            buffer_append_char(output, ',');
        buffer_append_json_string(output, text_of(key));
        buffer_append_char(output, ':');
        written = json_write(values[index], output, problem);
    }
    buffer_append_char(output, '}');
    string_table_destroy(first);
    free(values);
    return written;
}

bool json_write(yyjson_val *value, struct buffer *output, const char **problem)
{
    size_t index, size;
    yyjson_val *element;
    switch (yyjson_get_type(value)) {
    case YYJSON_TYPE_ARR:
        buffer_append_char(output, '[');
        yyjson_arr_foreach(value, index, size, element)
        {
            if (index)
                buffer_append_char(output, ',');
            if (!json_write(element, output, problem))
                return false;
        }
        buffer_append_char(output, ']');
        return true;
    case YYJSON_TYPE_OBJ:
        return write_object(value, output, problem);
    case YYJSON_TYPE_STR:
        buffer_append_json_string(output, text_of(value));
        return true;
    case YYJSON_TYPE_NUM:
    case YYJSON_TYPE_RAW:
        return write_number(value, output, problem);
    case YYJSON_TYPE_BOOL:
        buffer_append_string(output, yyjson_get_bool(value) ? "true" : "false");
        return true;
    default:
        buffer_append_string(output, "null");
        return true;
    }
}
