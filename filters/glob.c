/* A glob compiles into as little expression as will do: stars at the ends need no `.*`, only a missing anchor, so that
 * `*word*` costs the same as the literal. */
#include "filters/glob.h"

/* A first byte with its continuation bytes. What follows in a glob never begins with a continuation byte, unless it is
 * a star, to which it makes no difference where the character ends. */
#define ANY_CHARACTER "[^\\x80-\\xbf][\\x80-\\xbf]*"

bool glob_has_wildcard(struct slice text)
{
    return text.length && (memchr(text.data, '*', text.length) || memchr(text.data, '?', text.length));
}

static void append_byte(struct buffer *expression, unsigned char byte)
{
    bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9');
    if (byte < 0x20 || byte == 0x7f) {
        buffer_append_format(expression, "\\x%02x", byte);
        return;
    }
    if (!letter && byte < 0x80)
        buffer_append_char(expression, '\\');
    buffer_append_char(expression, (char)byte);
}

void glob_append_literal(struct buffer *expression, struct slice literal)
{
    if (literal.length == 0)
        buffer_append_char(expression, '^');
    for (size_t index = 0; index < literal.length; index++)
        append_byte(expression, (unsigned char)literal.data[index]);
}

void glob_append_glob(struct buffer *expression, struct slice glob, bool utf8)
{
    size_t begin = 0;
    size_t end = glob.length;
    while (begin < end && glob.data[begin] == '*')
        begin++;
    while (end > begin && glob.data[end - 1] == '*')
        end--;
    bool matches_all = begin == end && begin > 0;
    if (begin == 0 || matches_all)
        buffer_append_char(expression, '^');
    for (size_t index = begin; index < end; index++) {
        char byte = glob.data[index];
        if (byte == '?')
            buffer_append_string(expression, utf8 ? "." : ANY_CHARACTER);
        else if (byte != '*')
            append_byte(expression, (unsigned char)byte);
        else if (glob.data[index - 1] != '*')
            buffer_append_string(expression, ".*");
    }
    if (end == glob.length && !matches_all)
        buffer_append_string(expression, "\\z");
}
