/* A pattern is read as a concatenation of parts (pattern_part.h). Reading regular expressions, it gives up at anything
 * that it does not know for certain: a pattern without factors costs time, a wrong factor a match. */
#include "filters/pattern_factor.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/memory.h"
#include "filters/pattern_part.h"

#define NESTING_MAXIMUM 24
/* What is more common is no use. */
#define PROBABILITY_USEFUL 0.02

struct reader {
    const char *at;
    const char *end;
    bool caseless;
    bool failed; /* something that it does not know */
};

static bool at_end(const struct reader *reader)
{
    return reader->at >= reader->end;
}

static bool take(struct reader *reader, char byte)
{
    if (at_end(reader) || *reader->at != byte)
        return false;
    reader->at++;
    return true;
}

static bool fail(struct reader *reader)
{
    reader->failed = true;
    return false;
}

/* The characters of `\d` and its like, by Unicode: those in ASCII, and any others. */
static bool add_class(struct byte_set *set, char letter)
{
    switch (letter) {
    case 'd':
        byte_set_add_range(set, '0', '9');
        break;
    case 'w':
        byte_set_add_range(set, '0', '9');
        byte_set_add_range(set, 'a', 'z');
        byte_set_add_range(set, 'A', 'Z');
        byte_set_add(set, '_');
        break;
    case 's':
        byte_set_add_range(set, '\t', '\r');
        byte_set_add(set, ' ');
        break;
    case 'h':
        byte_set_add(set, '\t');
        byte_set_add(set, ' ');
        break;
    case 'v':
        byte_set_add_range(set, '\n', '\r');
        break;
    case 'D':
    case 'W':
    case 'S':
    case 'H':
    case 'V':
    case 'N':
        *set = byte_set_every;
        return true;
    default:
        return false;
    }
    byte_set_add_wide(set);
    return true;
}

/* `\xHH`, `\x{H…}` behind the x. */
static bool read_hexadecimal(struct reader *reader, unsigned *point)
{
    bool braces = take(reader, '{');
    unsigned digits = 0;
    *point = 0;
    while (!at_end(reader) && isxdigit((unsigned char)*reader->at) && (braces ? digits < 7 : digits < 2)) {
        char byte = *reader->at++;
        *point = *point << 4 | (unsigned)(byte <= '9' ? byte - '0' : (byte | 0x20) - 'a' + 10);
        digits++;
    }
    return digits > 0 && (!braces || take(reader, '}'));
}

/* One character that stands for itself, behind the backslash: its byte, 0x80 for any outside ASCII, or -1. */
static int read_escaped_character(struct reader *reader)
{
    static const char letters[] = "tnrfea";
    static const char meanings[] = "\t\n\r\f\x1b\a";
    char byte = *reader->at++;
    const char *known = byte ? strchr(letters, byte) : NULL;
    if (known)
        return meanings[known - letters];
    if (byte == 'x') {
        unsigned point;
        return !read_hexadecimal(reader, &point) ? -1 : point < 0x80 ? (int)point : 0x80;
    }
    return (unsigned char)byte >= 0x80 || isalnum((unsigned char)byte) ? -1 : (unsigned char)byte;
}

/* The next member of a bracketed class: a class (true, already added), or a character as above in *byte. */
static bool read_member(struct reader *reader, struct byte_set *set, int *byte)
{
    *byte = -1;
    if (at_end(reader))
        return fail(reader);
    unsigned char first = (unsigned char)*reader->at++;
    if (first == '[' && !at_end(reader) && strchr(":.=", *reader->at))
        return fail(reader);
    if (first >= 0x80) {
        while (!at_end(reader) && ((unsigned char)*reader->at & 0xc0) == 0x80)
            reader->at++;
        *byte = 0x80;
        return true;
    }
    *byte = first;
    if (first != '\\')
        return true;
    if (at_end(reader))
        return fail(reader);
    if (add_class(set, *reader->at)) {
        reader->at++;
        *byte = -1;
        return true;
    }
    *byte = *reader->at == 'b' ? (reader->at++, '\b') : read_escaped_character(reader);
    return *byte >= 0 || fail(reader);
}

static void add_characters(const struct reader *reader, struct byte_set *set, int first, int last)
{
    byte_set_add_range(set, (unsigned)first, last < 0x80 ? (unsigned)last : 0x7f);
    if (last < 0x80)
        return;
    byte_set_add_wide(set);
    if (reader->caseless) /* U+017F and U+212A may be among them */
        add_class(set, 'w');
}

/* A class, behind its `[`. */
static bool read_bracket(struct reader *reader, struct part *part)
{
    struct byte_set set = {{0}};
    bool negated = take(reader, '^');
    for (bool first = true; first || at_end(reader) || *reader->at != ']'; first = false) {
        int low, high;
        if (!read_member(reader, &set, &low))
            return false;
        if (low < 0)
            continue;
        bool range = reader->end - reader->at >= 2 && reader->at[0] == '-' && reader->at[1] != ']';
        high = low;
        if (range) {
            reader->at++;
            if (!read_member(reader, &set, &high))
                return false;
        }
        if (high < 0) { /* `[a-\d]`: the hyphen is one */
            byte_set_add(&set, '-');
            high = low;
        }
        if (high < low)
            return fail(reader);
        add_characters(reader, &set, low, high);
    }
    reader->at++;
    if (reader->caseless)
        byte_set_add_cases(&set);
    part_of_set(part, negated ? &byte_set_every : &set);
    return true;
}

static bool read_alternatives(struct reader *reader, struct part *part, unsigned depth);

/* A group, behind its `(`. What looks around is passed over and counts as nothing. */
static bool read_group(struct reader *reader, struct part *part, unsigned depth)
{
    bool looks_around = false;
    if (take(reader, '*'))
        return fail(reader);
    if (take(reader, '?')) {
        bool behind = take(reader, '<');
        if (take(reader, '=') || take(reader, '!'))
            looks_around = true;
        else if (behind || !take(reader, ':'))
            return fail(reader);
    }
    if (!read_alternatives(reader, part, depth + 1) || !take(reader, ')'))
        return fail(reader);
    if (looks_around)
        part_of_empty(part);
    return true;
}

static bool read_backslash(struct reader *reader, struct part *part)
{
    struct byte_set set = {{0}};
    if (at_end(reader))
        return fail(reader);
    if (strchr("bBAZzG", *reader->at)) {
        reader->at++;
        part_of_empty(part);
        return true;
    }
    if (add_class(&set, *reader->at)) {
        reader->at++;
        part_of_set(part, &set);
        return true;
    }
    int byte = read_escaped_character(reader);
    if (byte < 0)
        return fail(reader);
    if (byte >= 0x80) {
        part_of_nothing_known(part);
        return true;
    }
    byte_set_add(&set, (unsigned char)byte);
    if (reader->caseless)
        byte_set_add_cases(&set);
    part_of_set(part, &set);
    return true;
}

static bool read_atom(struct reader *reader, struct part *part, unsigned depth)
{
    unsigned char byte = (unsigned char)*reader->at++;
    struct byte_set set = {{0}};
    switch (byte) {
    case '(':
        return read_group(reader, part, depth);
    case '[':
        return read_bracket(reader, part);
    case '\\':
        return read_backslash(reader, part);
    case '^':
    case '$':
        part_of_empty(part);
        return true;
    case '.':
        part_of_set(part, &byte_set_every);
        return true;
    case '*':
    case '+':
    case '?':
        return fail(reader);
    default:
        break;
    }
    if (byte >= 0x80) {
        while (!at_end(reader) && ((unsigned char)*reader->at & 0xc0) == 0x80)
            reader->at++;
        part_of_nothing_known(part);
        return true;
    }
    byte_set_add(&set, byte);
    if (reader->caseless)
        byte_set_add_cases(&set);
    part_of_set(part, &set);
    return true;
}

/* `{n}`, `{n,}` or `{n,m}`, behind the brace; what is none of them is text. */
static bool read_braces(struct reader *reader, uint32_t *least, uint32_t *most)
{
    const char *at = reader->at;
    char *behind;
    if (at >= reader->end || !isdigit((unsigned char)*at))
        return false;
    unsigned long first = strtoul(at, &behind, 10);
    unsigned long last = first;
    at = behind;
    if (at < reader->end && *at == ',') {
        at++;
        last = UINT32_MAX;
        if (at < reader->end && isdigit((unsigned char)*at)) {
            last = strtoul(at, &behind, 10);
            at = behind;
        }
    }
    if (at >= reader->end || *at != '}')
        return false;
    reader->at = at + 1;
    *least = first > UINT32_MAX ? UINT32_MAX : (uint32_t)first;
    *most = last > UINT32_MAX ? UINT32_MAX : (uint32_t)last;
    return true;
}

static void read_quantifier(struct reader *reader, uint32_t *least, uint32_t *most)
{
    *least = *most = 1;
    if (take(reader, '*')) {
        *least = 0;
        *most = UINT32_MAX;
    } else if (take(reader, '+')) {
        *most = UINT32_MAX;
    } else if (take(reader, '?')) {
        *least = 0;
    } else if (take(reader, '{')) {
        /* Newer releases of PCRE2 take these for quantifiers, too; this one takes them for text. */
        if (!at_end(reader) && (*reader->at == ',' || *reader->at == ' '))
            reader->failed = true;
        if (!read_braces(reader, least, most)) {
            reader->at--;
            return;
        }
    } else {
        return;
    }
    if (!take(reader, '?'))
        (void)take(reader, '+');
}

static bool read_concatenation(struct reader *reader, struct part *part, unsigned depth)
{
    struct concatenation *whole = memory_allocate(sizeof *whole);
    struct part *atom = memory_allocate(sizeof *atom);
    concatenation_begin(whole);
    while (!at_end(reader) && *reader->at != '|' && *reader->at != ')' && read_atom(reader, atom, depth)) {
        uint32_t least, most;
        read_quantifier(reader, &least, &most);
        if (least == 0 && most == 1) {
            part_make_optional(atom);
            concatenation_append(whole, atom, 1, false);
        } else {
            concatenation_append(whole, atom, least, most != least);
        }
    }
    concatenation_end(whole, part);
    free(atom);
    free(whole);
    return !reader->failed;
}

static bool read_alternatives(struct reader *reader, struct part *part, unsigned depth)
{
    if (depth > NESTING_MAXIMUM)
        return fail(reader);
    if (!read_concatenation(reader, part, depth))
        return false;
    struct part *other = memory_allocate(sizeof *other);
    while (!reader->failed && take(reader, '|'))
        if (read_concatenation(reader, other, depth))
            part_unite(part, other);
    free(other);
    return !reader->failed;
}

static bool read_regex(struct slice expression, bool caseless, struct part *part)
{
    struct reader reader = {expression.data, expression.data + expression.length, caseless, false};
    return read_alternatives(&reader, part, 0) && at_end(&reader);
}

/* A literal, or a glob, of which the parts between the wildcards are looked at. */
static void read_bytes(const struct pattern *pattern, struct part *part)
{
    struct concatenation *whole = memory_allocate(sizeof *whole);
    struct part *byte = memory_allocate(sizeof *byte);
    concatenation_begin(whole);
    for (size_t index = 0; index < pattern->text.length; index++) {
        unsigned char letter = (unsigned char)pattern->text.data[index];
        struct byte_set set = {{0}};
        bool wildcard = pattern->syntax == PATTERN_GLOB && (letter == '*' || letter == '?');
        byte_set_add(&set, letter);
        if (!pattern->case_sensitive)
            byte_set_add_cases(&set);
        if (wildcard || letter >= 0x80)
            part_of_nothing_known(byte);
        else
            part_of_set(byte, &set);
        concatenation_append(whole, byte, 1, false);
    }
    concatenation_end(whole, part);
    free(byte);
    free(whole);
}

bool pattern_factors(const struct pattern *pattern, struct factor_list *list)
{
    struct part *part = memory_allocate(sizeof *part);
    bool known = true;
    if (pattern->syntax == PATTERN_REGEX)
        known = read_regex(pattern->text, !pattern->case_sensitive, part);
    else
        read_bytes(pattern, part);
    known = known && part_factors(part, list) && list->probability <= PROBABILITY_USEFUL;
    free(part);
    return known;
}

bool pattern_factor_blind(struct slice text)
{
    const char *end = text.data + text.length;
    for (const char *at = text.data; at < end; at++) {
        at = memchr(at, 0xc5, (size_t)(end - at));
        if (!at)
            break;
        if (end - at >= 2 && (unsigned char)at[1] == 0xbf)
            return true;
    }
    for (const char *at = text.data; at < end; at++) {
        at = memchr(at, 0xe2, (size_t)(end - at));
        if (!at)
            break;
        if (end - at >= 3 && (unsigned char)at[1] == 0x84 && (unsigned char)at[2] == 0xaa)
            return true;
    }
    return false;
}
