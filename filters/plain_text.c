#include "filters/plain_text.h"

static bool is_blank(char byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

static bool is_scheme(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
           byte == '+' || byte == '-' || byte == '.';
}

/* Behind the code that begins with the backtick at `at`; `at` if it begins none. */
static const char *code_end(const char *at, const char *end)
{
    if (end - at >= 3 && at[1] == '`' && at[2] == '`') {
        const char *close = memmem(at + 3, (size_t)(end - at - 3), "```", 3);
        return close ? close + 3 : end;
    }
    const char *line = memchr(at, '\n', (size_t)(end - at));
    const char *close = memchr(at + 1, '`', (size_t)((line ? line : end) - at - 1));
    return close ? close + 1 : at;
}

bool plain_text_next(struct slice text, bool markdown, size_t *position, struct slice *piece)
{
    if (!slice_present(text))
        return false;
    const char *end = text.data + text.length;
    const char *begin = text.data + *position;
    for (const char *at = begin; at < end; at++) {
        const char *stop = at; /* of the piece */
        const char *next = at; /* behind what is left out */
        if (markdown && *at == '`') {
            next = code_end(at, end);
        } else if (*at == ':' && end - at >= 3 && at[1] == '/' && at[2] == '/') {
            while (stop > begin && is_scheme(stop[-1]))
                stop--;
            while (next < end && !is_blank(*next))
                next++;
        }
        if (next == at)
            continue;
        if (stop > begin) {
            *piece = slice_of(begin, (size_t)(stop - begin));
            *position = (size_t)(next - text.data);
            return true;
        }
        begin = next;
        at = next - 1;
    }
    if (begin >= end)
        return false;
    *piece = slice_of(begin, (size_t)(end - begin));
    *position = text.length;
    return true;
}
