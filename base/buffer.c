/* Output is built in place and reused, since the engine writes one row for each verdict and must not allocate for it.
 */
#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/utf8.h"

void buffer_free(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){0};
}

char *buffer_reserve(struct buffer *buffer, size_t extra)
{
    if (buffer->capacity - buffer->length < extra) {
        size_t wanted = buffer->length + extra;
        size_t capacity = buffer->capacity ? buffer->capacity : 256;
        while (capacity < wanted)
            capacity *= 2;
        buffer->data = memory_reallocate(buffer->data, capacity);
        buffer->capacity = capacity;
    }
    return buffer->data + buffer->length;
}

void buffer_append(struct buffer *buffer, const char *data, size_t length)
{
    if (length == 0)
        return;
    memcpy(buffer_reserve(buffer, length), data, length);
    buffer->length += length;
}

void buffer_append_char(struct buffer *buffer, char byte)
{
    *buffer_reserve(buffer, 1) = byte;
    buffer->length++;
}

void buffer_append_integer(struct buffer *buffer, int64_t value)
{
    char digits[24];
    char *end = digits + sizeof digits;
    char *start = end;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        *--start = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (value < 0)
        *--start = '-';
    buffer_append(buffer, start, (size_t)(end - start));
}

void buffer_append_format(struct buffer *buffer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length > 0) {
        vsnprintf(buffer_reserve(buffer, (size_t)length + 1), (size_t)length + 1, format, again);
        buffer->length += (size_t)length;
    }
    va_end(again);
}

static void append_unicode_escape(struct buffer *buffer, uint32_t unit)
{
    static const char hex[] = "0123456789abcdef";
    char text[6] = {'\\', 'u', hex[unit >> 12 & 15], hex[unit >> 8 & 15], hex[unit >> 4 & 15], hex[unit & 15]};
    buffer_append(buffer, text, sizeof text);
}

static void append_escaped(struct buffer *buffer, uint32_t point)
{
    static const char short_escapes[32] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    if (point == '"' || point == '\\') {
        char text[2] = {'\\', (char)point};
        buffer_append(buffer, text, 2);
    } else if (point < 32 && short_escapes[point]) {
        char text[2] = {'\\', short_escapes[point]};
        buffer_append(buffer, text, 2);
    } else if (point < 0x10000) {
        append_unicode_escape(buffer, point);
    } else {
        append_unicode_escape(buffer, 0xd800 + ((point - 0x10000) >> 10));
        append_unicode_escape(buffer, 0xdc00 + ((point - 0x10000) & 0x3ff));
    }
}

void buffer_append_json_string(struct buffer *buffer, struct slice text)
{
    if (!slice_present(text)) {
        buffer_append(buffer, "null", 4);
        return;
    }
    buffer_append_char(buffer, '"');
    const unsigned char *cursor = (const unsigned char *)text.data;
    const unsigned char *end = cursor + text.length;
    const unsigned char *plain = cursor;
    while (cursor < end) {
        if (*cursor >= 32 && *cursor < 127 && *cursor != '"' && *cursor != '\\') {
            cursor++;
            continue;
        }
        buffer_append(buffer, (const char *)plain, (size_t)(cursor - plain));
        append_escaped(buffer, utf8_decode(&cursor, end));
        plain = cursor;
    }
    buffer_append(buffer, (const char *)plain, (size_t)(cursor - plain));
    buffer_append_char(buffer, '"');
}

const char *buffer_string(struct buffer *buffer)
{
    *buffer_reserve(buffer, 1) = '\0';
    return buffer->data;
}
