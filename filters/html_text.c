/* What a reader sees of HTML. White space is run together as browsers do it, so that the text of an indented source is
 * not taken for one full of blanks; tags within a word leave no trace, so that `vi<b></b>agra` is one word. */
#include "filters/html.h"

#include <stdint.h>

#include "base/utf8.h"

/* The references that stand for ASCII, so that nobody hides a word or an `@` in one, and those that people write. None
 * is shorter than what it stands for. */
static const struct reference {
    struct slice name;
    uint32_t point;
} references[] = {
#define REFERENCE(name, point) {{name, sizeof(name) - 1}, point},
#include "filters/html_references.def"
#undef REFERENCE
};

/* Windows-1252, which HTML takes for the control characters from 0x80 to 0x9f. */
static const uint16_t windows_1252[32] = {0x20ac, 0x81,   0x201a, 0x192,  0x201e, 0x2026, 0x2020, 0x2021,
                                          0x2c6,  0x2030, 0x160,  0x2039, 0x152,  0x8d,   0x17d,  0x8f,
                                          0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
                                          0x2dc,  0x2122, 0x161,  0x203a, 0x153,  0x9d,   0x17e,  0x178};

static int digit_value(char byte, int base)
{
    int value = byte >= '0' && byte <= '9'   ? byte - '0'
                : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10
                : byte >= 'A' && byte <= 'F' ? byte - 'A' + 10
                                             : 99;
    return value < base ? value : -1;
}

/* The reference `&#…` at `at`: its length, 0 if it is none. */
static size_t read_number(const char *at, const char *end, uint32_t *point)
{
    const char *digits = at + 2;
    int base = digits < end && (*digits == 'x' || *digits == 'X') ? 16 : 10;
    digits += base == 16;
    const char *stop = digits;
    uint32_t value = 0;
    for (int digit; stop < end && (digit = digit_value(*stop, base)) >= 0; stop++)
        value = value > 0x110000 ? value : value * (uint32_t)base + (uint32_t)digit;
    if (stop == digits)
        return 0;
    if (value >= 0x80 && value < 0xa0)
        value = windows_1252[value - 0x80];
    bool is_character = value && value <= 0x10ffff && (value < 0xd800 || value >= 0xe000);
    *point = is_character ? value : UTF8_REPLACEMENT;
    return (size_t)(stop - at) + (stop < end && *stop == ';');
}

/* The reference at `at`, an `&`: its length, 0 if it is none. */
static size_t read_reference(const char *at, const char *end, uint32_t *point)
{
    if (end - at > 2 && at[1] == '#')
        return read_number(at, end, point);
    const char *stop = at + 1;
    while (stop < end && stop - at < 12 &&
           ((*stop | 0x20) >= 'a' ? (*stop | 0x20) <= 'z' : *stop >= '0' && *stop <= '9'))
        stop++;
    if (stop == end || *stop != ';')
        return 0;
    struct slice name = slice_of(at + 1, (size_t)(stop - at - 1));
    for (size_t index = 0; index < sizeof references / sizeof *references; index++) {
        if (!slice_equal(name, references[index].name))
            continue;
        *point = references[index].point;
        return name.length + 2;
    }
    return 0;
}

size_t html_decode(struct slice raw, char *output)
{
    const char *at = raw.data;
    const char *end = at + raw.length;
    char *begin = output;
    while (at < end) {
        const char *reference = memchr(at, '&', (size_t)(end - at));
        size_t plain = (size_t)((reference ? reference : end) - at);
        memmove(output, at, plain);
        output += plain;
        at += plain;
        if (!reference)
            break;
        uint32_t point;
        size_t length = read_reference(at, end, &point);
        if (!length) {
            *output++ = *at++;
            continue;
        }
        output += utf8_encode(point, output);
        at += length;
    }
    return (size_t)(output - begin);
}

/* Text being written, with the white space that is due before the next character. */
struct writing {
    char *begin;
    char *at;
    size_t breaks; /* <br> */
    bool block;
    bool space;
};

static void write_due(struct writing *writing)
{
    bool fresh = writing->at == writing->begin || writing->at[-1] == '\n';
    for (; writing->breaks; writing->breaks--, fresh = true)
        *writing->at++ = '\n';
    if (!fresh && (writing->block || writing->space))
        *writing->at++ = writing->block ? '\n' : ' ';
    writing->block = writing->space = false;
}

static bool is_space(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r' || byte == '\f';
}

static void write_text(struct writing *writing, struct slice raw, bool preformatted)
{
    const char *at = raw.data;
    const char *end = at + raw.length;
    while (at < end) {
        if (!preformatted && is_space(*at)) {
            writing->space = true;
            at++;
            continue;
        }
        const char *stop = at;
        while (stop < end && (preformatted || !is_space(*stop)))
            stop++;
        write_due(writing);
        writing->at += html_decode(slice_of(at, (size_t)(stop - at)), writing->at);
        at = stop;
    }
}

static bool is_block(const struct html_tag *tag)
{
    static const char *const blocks[] = {"p",   "div", "li", "ul",    "ol",      "tr",     "blockquote",
                                         "pre", "h1",  "h2", "h3",    "h4",      "h5",     "h6",
                                         "hr",  "td",  "th", "table", "details", "summary"};
    for (size_t index = 0; index < sizeof blocks / sizeof *blocks; index++)
        if (html_tag_is(tag, blocks[index]))
            return true;
    return false;
}

size_t html_text(struct slice html, bool without_code, char *output)
{
    struct writing writing = {.begin = output, .at = output};
    size_t position = 0;
    unsigned preformatted = 0;
    unsigned code = 0;
    struct html_tag tag;
    while (html_next(html, &position, &tag)) {
        if (!(without_code && (preformatted || code)))
            write_text(&writing, tag.before, preformatted != 0);
        if (!tag.name.length)
            continue;
        unsigned *depth = html_tag_is(&tag, "pre") ? &preformatted : html_tag_is(&tag, "code") ? &code : NULL;
        if (depth)
            *depth = tag.closing ? *depth - (*depth > 0) : *depth + 1;
        writing.breaks += html_tag_is(&tag, "br");
        writing.block |= is_block(&tag);
    }
    if (writing.breaks)
        write_due(&writing);
    return (size_t)(writing.at - writing.begin);
}
