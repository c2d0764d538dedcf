/* The rules are those of the HTML standard's tokenizer, as far as they decide what is text: `<` begins a tag only
 * before a letter, `/`, `!` or `?`; a `>` within quotes does not end one. */
#include "filters/html.h"

#include <ctype.h>

static bool is_space(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r' || byte == '\f';
}

static bool is_letter(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

/* The end of the tag whose name ends at `at`: its `>`, or `end`. A quote counts only as the begin of a value. */
static const char *tag_end(const char *at, const char *end)
{
    char before = ' ';
    while (at < end && *at != '>') {
        if ((*at == '"' || *at == '\'') && before == '=') {
            const char *quote = memchr(at + 1, *at, (size_t)(end - at - 1));
            if (!quote)
                return end;
            at = quote;
        }
        if (!is_space(*at))
            before = *at;
        at++;
    }
    return at;
}

/* The `>` of the comment or declaration at `at`, which is "<!" or "<?", or `end`. */
static const char *declaration_end(const char *at, const char *end)
{
    if (end - at >= 4 && memcmp(at, "<!--", 4) == 0) {
        at += 4;
        if (at < end && *at == '>') /* browsers take `<!-->` for a whole comment */
            return at;
        for (; (at = memchr(at, '-', (size_t)(end - at))); at++)
            if (end - at >= 3 && at[1] == '-' && at[2] == '>')
                return at + 2;
        return end;
    }
    const char *stop = memchr(at, '>', (size_t)(end - at));
    return stop ? stop : end;
}

bool html_next(struct slice html, size_t *position, struct html_tag *tag)
{
    *tag = (struct html_tag){0};
    if (!slice_present(html) || *position >= html.length)
        return false;
    const char *begin = html.data + *position;
    const char *end = html.data + html.length;
    for (const char *at = begin; (at = memchr(at, '<', (size_t)(end - at))); at++) {
        bool declares = end - at > 1 && (at[1] == '!' || at[1] == '?');
        bool closes = end - at > 1 && at[1] == '/';
        const char *name = at + 1 + closes;
        if (!declares && !closes && (name == end || !is_letter(*name)))
            continue;
        tag->before = slice_of(begin, (size_t)(at - begin));
        tag->closing = closes;
        const char *stop = name;
        while (!declares && stop < end && !is_space(*stop) && *stop != '>' && *stop != '/')
            stop++;
        tag->name = slice_of(name, declares ? 0 : (size_t)(stop - name));
        const char *last = declares ? declaration_end(at, end) : tag_end(stop, end);
        if (!declares && !closes && last < end)
            tag->attributes = slice_of(stop, (size_t)(last - stop));
        if (last == end)
            tag->name = slice_of(name, 0);
        *position = (size_t)((last < end ? last + 1 : end) - html.data);
        return true;
    }
    tag->before = slice_of(begin, (size_t)(end - begin));
    *position = html.length;
    return true;
}

static bool equal_caseless(struct slice text, const char *lower)
{
    size_t index = 0;
    for (; index < text.length && lower[index]; index++)
        if (tolower((unsigned char)text.data[index]) != lower[index])
            return false;
    return index == text.length && !lower[index];
}

bool html_tag_is(const struct html_tag *tag, const char *name)
{
    return tag->name.length && equal_caseless(tag->name, name);
}

/* The value at `*at`, behind the `=` and its white space. */
static struct slice read_attribute_value(const char **at, const char *end)
{
    const char *begin = *at;
    if (begin < end && (*begin == '"' || *begin == '\'')) {
        const char *quote = memchr(begin + 1, *begin, (size_t)(end - begin - 1));
        *at = quote ? quote + 1 : end;
        return slice_of(begin + 1, (size_t)((quote ? quote : end) - begin - 1));
    }
    while (*at < end && !is_space(**at))
        (*at)++;
    return slice_of(begin, (size_t)(*at - begin));
}

static void skip_space(const char **at, const char *end)
{
    while (*at < end && is_space(**at))
        (*at)++;
}

struct slice html_attribute(struct slice attributes, const char *name)
{
    if (!slice_present(attributes))
        return SLICE_ABSENT;
    const char *at = attributes.data;
    const char *end = at + attributes.length;
    while (at < end) {
        if (is_space(*at) || *at == '/') {
            at++;
            continue;
        }
        const char *begin = at++;
        while (at < end && !is_space(*at) && *at != '=' && *at != '/')
            at++;
        struct slice found = slice_of(begin, (size_t)(at - begin));
        struct slice value = slice_of(at, 0);
        skip_space(&at, end);
        if (at < end && *at == '=') {
            at++;
            skip_space(&at, end);
            value = read_attribute_value(&at, end);
        }
        if (equal_caseless(found, name))
            return value;
    }
    return SLICE_ABSENT;
}
