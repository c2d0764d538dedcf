/* A growing run of bytes that keeps its memory when it is emptied: for output lines and messages, which in the steady
 * state allocate nothing. The owner bounds what it appends. */
#ifndef WEIR_BASE_BUFFER_H
#define WEIR_BASE_BUFFER_H

#include <stdint.h>

#include "base/slice.h"

struct buffer {
    char *data;
    size_t length;
    size_t capacity;
};

/* A zeroed struct is an empty buffer. */
void buffer_free(struct buffer *buffer);
static inline void buffer_clear(struct buffer *buffer)
{
    buffer->length = 0;
}
static inline struct slice buffer_slice(const struct buffer *buffer)
{
    return slice_of(buffer->data ? buffer->data : "", buffer->length);
}

/* Room for `extra` bytes behind the content; returns where they begin. The caller adds to `length` what it wrote. */
char *buffer_reserve(struct buffer *buffer, size_t extra);
void buffer_append(struct buffer *buffer, const char *data, size_t length);
static inline void buffer_append_slice(struct buffer *buffer, struct slice text)
{
    buffer_append(buffer, text.data, text.length);
}
static inline void buffer_append_string(struct buffer *buffer, const char *text)
{
    buffer_append(buffer, text, strlen(text));
}
void buffer_append_char(struct buffer *buffer, char byte);
void buffer_append_integer(struct buffer *buffer, int64_t value);
void buffer_append_format(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A JSON string with its quotes, or `null` for an absent slice, escaped as Synapse (Python's json) writes its rows:
 * control characters, U+007F and everything above it as \uXXXX (surrogate pairs above U+FFFF), `/` as it is. Bytes that
 * are not UTF-8 become U+FFFD. */
void buffer_append_json_string(struct buffer *buffer, struct slice text);

/* Ends the content with a NUL that `length` does not count, for C interfaces. */
const char *buffer_string(struct buffer *buffer);

#endif
