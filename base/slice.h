/* A view of bytes that somebody else owns: how text travels between the parts without being copied.
 *
 * `data` is not NUL-terminated. A slice with `data == NULL` means "absent" (JSON null, a missing key), which is not the
 * same as an empty text. Whoever hands out a slice says how long it lives. */
#ifndef WEIR_BASE_SLICE_H
#define WEIR_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
    const char *data;
    size_t length;
};

/* For a literal: SLICE("m.room.message"). */
#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})
#define SLICE_ABSENT ((struct slice){NULL, 0})

static inline struct slice slice_of(const char *data, size_t length)
{
    return (struct slice){data, length};
}

/* `text` may be NULL, which gives an absent slice. */
static inline struct slice slice_from_string(const char *text)
{
    return (struct slice){text, text ? strlen(text) : 0};
}

static inline bool slice_present(struct slice slice)
{
    return slice.data != NULL;
}

/* Byte for byte; two absent slices are equal, an absent and an empty one are not. */
static inline bool slice_equal(struct slice left, struct slice right)
{
    if (!left.data || !right.data)
        return !left.data && !right.data;
    return left.length == right.length && memcmp(left.data, right.data, left.length) == 0;
}

static inline bool slice_starts_with(struct slice text, struct slice prefix)
{
    return text.length >= prefix.length && (prefix.length == 0 || memcmp(text.data, prefix.data, prefix.length) == 0);
}

#endif
