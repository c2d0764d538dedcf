/* A strict reader of JSON that builds nothing: it walks a text once, checks every byte of it, and hands out where the
 * strings lie. For event bodies, of which a chain wants a handful of fields.
 *
 * It takes exactly what yyjson takes in its strict mode (RFC 8259, valid UTF-8, no lone surrogates), but for nesting
 * above JSON_SCAN_DEPTH_MAXIMUM; a fuzz target holds the two against each other.
 *
 * The text must be the caller's own copy and be followed by JSON_SCAN_PADDING bytes of NUL: the NULs end every scan, so
 * that no step has to ask where the text ends, and escapes are decoded in place. */
#ifndef WEIR_BASE_JSON_SCAN_H
#define WEIR_BASE_JSON_SCAN_H

#include "base/json_block.h"
#include "base/slice.h"

#define JSON_SCAN_PADDING 64
/* Python's json gives up at about a thousand levels, too; Matrix events have a handful. */
#define JSON_SCAN_DEPTH_MAXIMUM 1024

/* The first byte from `at` on that is no white space. */
static inline char *json_skip_space(char *at)
{
    if ((unsigned char)*at > ' ')
        return at;
    while (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r')
        at++;
    return at;
}

/* The rest of a string that is not plain ASCII: from `at`, where the plain part ends, for a string that begins behind
 * the quote at `start` - 1. For json_read_string alone. */
char *json_read_string_slowly(char *start, char *at, struct slice *value);

/* Reads a string whose opening quote is at `at`: its decoded value in `*value`, decoded in place where it has escapes.
 * The position behind the closing quote, or NULL if it is no string. */
static inline char *json_read_string(char *at, struct slice *value)
{
    char *start = ++at;
    for (;; at += JSON_BLOCK) {
        uint32_t stops = json_block_stops(at);
        if (!stops)
            continue;
        at += __builtin_ctz(stops);
        if (*at != '"')
            return json_read_string_slowly(start, at, value);
        *value = slice_of(start, (size_t)(at - start));
        return at + 1;
    }
}

/* Passes over one value of any kind, checking it; `at` is where it begins, behind any white space. The position behind
 * it, or NULL if it is none. */
char *json_skip_value(char *at);

/* Reads the escape whose backslash is at `at` (which is below `end`), writing what it stands for (four bytes at most,
 * and never more than it is long) to *output, which it moves on. The position behind it, or NULL if it is none, or half
 * of a surrogate pair. Needs no padding. */
const char *json_read_escape(const char *at, const char *end, char **output);

/* Called for each member of an object, with the decoded key and where its value begins; returns the position behind the
 * value, or NULL to give up. */
typedef char *json_member_function(void *context, struct slice key, char *value);

/* Walks the object whose `{` is at `at`. The position behind its `}`, or NULL. Inlined, so that a member function that
 * the compiler can see costs no call. */
static inline __attribute__((always_inline)) char *json_walk_object(char *at, json_member_function *member,
                                                                    void *context)
{
    at = json_skip_space(at + 1);
    if (*at == '}')
        return at + 1;
    for (;;) {
        struct slice key;
        at = *at == '"' ? json_read_string(at, &key) : NULL;
        if (!at)
            return NULL;
        at = json_skip_space(at);
        if (*at != ':')
            return NULL;
        at = member(context, key, json_skip_space(at + 1));
        if (!at)
            return NULL;
        at = json_skip_space(at);
        if (*at == '}')
            return at + 1;
        if (*at != ',')
            return NULL;
        at = json_skip_space(at + 1);
    }
}

#endif
