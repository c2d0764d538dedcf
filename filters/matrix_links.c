/* The query is cut by hand: in HTML its parameters are parted by `&amp;`, in a plain text by `&`, and a link ends where
 * either would end it. */
#include "filters/matrix_links.h"

#include <stdint.h>
#include <strings.h>

#include "base/text_find.h"

static bool ends_link(char byte)
{
    return (unsigned char)byte <= ' ' || strchr("\"'<>)]", byte);
}

static bool begins_with(const char *at, const char *end, const char *word)
{
    size_t length = strlen(word);
    return (size_t)(end - at) >= length && strncasecmp(at, word, length) == 0;
}

/* The length of what parts two parameters at `at`; 0: nothing does. */
static size_t separator(const char *at, const char *end)
{
    return begins_with(at, end, "&amp;") ? 5 : at < end && *at == '&' ? 1 : 0;
}

/* Copies the query that begins at its `?` without its `via`s; returns its end. */
static const char *copy_query(const char *at, const char *end, char **output)
{
    const char *stop = at;
    while (stop < end && !ends_link(*stop))
        stop++;
    const char *part = at + 1, *parted = at; /* what stands before the part */
    bool first = true;
    for (;;) {
        const char *last = part;
        while (last < stop && !separator(last, stop))
            last++;
        if (!begins_with(part, stop, "via=")) {
            if (first)
                *(*output)++ = '?';
            else
                *output = mempcpy(*output, parted, (size_t)(part - parted));
            *output = mempcpy(*output, part, (size_t)(last - part));
            first = false;
        }
        if (last == stop)
            return stop;
        parted = last;
        part = last + separator(last, stop);
    }
}

struct slice matrix_links_without_via(struct slice text, struct arena *arena)
{
    if (text.length == 0 || !text_find(text, SLICE("via=")))
        return text;
    const char *at = text.data, *end = at + text.length;
    char *memory = arena_allocate(arena, text.length + 1), *output = memory;
    bool in_link = false;
    while (at < end) {
        in_link = !ends_link(*at) && (in_link || begins_with(at, end, "matrix.to/") || begins_with(at, end, "matrix:"));
        if (in_link && *at == '?')
            at = copy_query(at, end, &output);
        else
            *output++ = *at++;
    }
    return slice_of(memory, (size_t)(output - memory));
}
