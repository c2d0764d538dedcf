/* A pattern is read as a concatenation of parts. What can be written out as a few short sequences of byte sets is
 * multiplied with what comes before it, so that "8(?:00|33)" becomes "800" and "833"; where that grows too large, or a
 * part may repeat, the sequences so far are weighed and new ones begin. Of all that was weighed, the rarest is kept: in
 * a text that matches, each of the weighed lists has a sequence that occurs.
 *
 * A character outside ASCII has several bytes, all of them above 0x7f. A part that may be such a character ("wide") has
 * all those bytes in its set; behind it only further wide parts are at a known distance. */
#include "filters/pattern_factor.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/memory.h"

/* Sequences at a time, and their length. */
#define SEQUENCES_MAXIMUM FACTORS_MAXIMUM
#define SEQUENCE_MAXIMUM 8
#define NESTING_MAXIMUM 24
/* Rarer than this is no better; more common than that is no use. */
#define PROBABILITY_USEFUL 0.02

struct sequence {
    struct byte_set sets[SEQUENCE_MAXIMUM];
    uint32_t length;
    bool wide; /* its last part may be a character outside ASCII */
};

/* All that a part may be, if that can be written out. */
struct language {
    struct sequence sequences[SEQUENCES_MAXIMUM];
    uint32_t count;
};

/* What is known of a part of an expression. */
struct part {
    bool exact; /* `language` has all that it matches */
    struct language language;
    struct factor_list best; /* probability 1: none */
};

struct reader {
    const char *at;
    const char *end;
    bool caseless;
    bool failed; /* something that it does not know */
};

static const struct byte_set every_byte = {{~0ull, ~0ull, ~0ull, ~0ull}};

double byte_set_probability(const struct byte_set *set)
{
    /* In English chat, in thousandths; capitals a tenth of the letter. */
    static const unsigned char letters[26] = {65, 12, 22, 34, 100, 18, 16, 48, 56, 2,  6, 32, 20,
                                              56, 60, 15, 2,  48,  51, 73, 22, 8,  19, 2, 16, 2};
    /* From the space on; links make slashes and colons common. */
    static const unsigned char others[96] = {[0] = 160,
                                             ['!' - ' '] = 4,
                                             ['"' - ' '] = 4,
                                             ['\'' - ' '] = 6,
                                             ['(' - ' '] = 3,
                                             [')' - ' '] = 3,
                                             [',' - ' '] = 10,
                                             ['-' - ' '] = 5,
                                             ['.' - ' '] = 15,
                                             ['/' - ' '] = 60,
                                             ['0' - ' '] = 8,
                                             8,
                                             8,
                                             8,
                                             8,
                                             8,
                                             8,
                                             8,
                                             8,
                                             8,
                                             [':' - ' '] = 60,
                                             2,
                                             3,
                                             3,
                                             3,
                                             5,
                                             3,
                                             ['[' - ' '] = 2,
                                             1,
                                             2,
                                             1,
                                             3,
                                             1,
                                             ['{' - ' '] = 1,
                                             1,
                                             1,
                                             1,
                                             1,
                                             ['#' - ' '] = 2,
                                             2,
                                             2,
                                             2,
                                             ['*' - ' '] = 2,
                                             2};
    double sum = 0;
    for (unsigned byte = 0; byte < 128; byte++) {
        if (!byte_set_has(set, (unsigned char)byte))
            continue;
        unsigned lower = byte | 0x20;
        if (lower >= 'a' && lower <= 'z' && byte >= 'A')
            sum += letters[lower - 'a'] * (byte < 'a' ? 0.0001 : 0.001);
        else
            sum += byte < ' ' ? 0.0005 : others[byte - ' '] * 0.001;
    }
    return sum + 0.001 * (__builtin_popcountll(set->bits[2]) + __builtin_popcountll(set->bits[3]));
}

static void set_add(struct byte_set *set, unsigned char byte)
{
    set->bits[byte / 64] |= 1ull << byte % 64;
}

static void set_add_range(struct byte_set *set, unsigned first, unsigned last)
{
    for (unsigned byte = first; byte <= last; byte++)
        set_add(set, (unsigned char)byte);
}

/* Any byte of a character outside ASCII. */
static void set_add_wide(struct byte_set *set)
{
    set->bits[2] = set->bits[3] = ~0ull;
}

static bool set_is_wide(const struct byte_set *set)
{
    return set->bits[2] || set->bits[3];
}

static void set_add_cases(struct byte_set *set)
{
    for (unsigned letter = 'a'; letter <= 'z'; letter++) {
        unsigned capital = letter - 0x20;
        if (byte_set_has(set, (unsigned char)letter) || byte_set_has(set, (unsigned char)capital)) {
            set_add(set, (unsigned char)letter);
            set_add(set, (unsigned char)capital);
        }
    }
}

static void best_none(struct factor_list *best)
{
    best->count = 0;
    best->probability = 1;
}

/* The part of a sequence that begins with the rarest four in a row; a shorter one is followed by anything. */
static double rarest_window(const struct sequence *sequence, struct factor *factor)
{
    double least = 2;
    uint32_t rarest = 0;
    uint32_t last = sequence->length > FACTOR_RAREST ? sequence->length - FACTOR_RAREST : 0;
    for (uint32_t begin = 0; begin <= last; begin++) {
        double probability = 1;
        for (uint32_t place = begin; place < begin + FACTOR_RAREST && place < sequence->length; place++)
            probability *= byte_set_probability(&sequence->sets[place]);
        if (probability < least) {
            least = probability;
            rarest = begin;
        }
    }
    for (uint32_t place = 0; place < FACTOR_LENGTH; place++)
        factor->sets[place] = rarest + place < sequence->length ? sequence->sets[rarest + place] : every_byte;
    return least;
}

static void weigh_list(struct factor_list *best, const struct factor_list *list)
{
    if (list->probability < best->probability)
        *best = *list;
}

/* Each match of the part has one of the language's sequences. */
static void weigh(struct factor_list *best, const struct language *language)
{
    struct factor_list list = {.count = language->count};
    for (uint32_t number = 0; number < language->count; number++) {
        if (language->sequences[number].length == 0)
            return;
        list.probability += rarest_window(&language->sequences[number], &list.factors[number]);
    }
    if (list.count)
        weigh_list(best, &list);
}

static void language_empty(struct language *language)
{
    language->count = 1;
    language->sequences[0] = (struct sequence){.length = 0};
}

/* Most languages use few of their sequences. */
static void language_copy(struct language *to, const struct language *from)
{
    memcpy(to->sequences, from->sequences, from->count * sizeof *from->sequences);
    to->count = from->count;
}

static bool may_follow(const struct sequence *left, const struct sequence *right)
{
    return !left->wide || right->length == 0 || set_is_wide(&right->sets[0]);
}

/* `run` times `language`; false if that is too much, or where a wide part comes before one that is not. */
static bool multiply(struct language *run, const struct language *language)
{
    if (run->count * language->count > SEQUENCES_MAXIMUM)
        return false;
    struct language *product = memory_allocate(sizeof *product);
    product->count = 0;
    bool good = true;
    for (uint32_t left = 0; left < run->count && good; left++) {
        for (uint32_t right = 0; right < language->count && good; right++) {
            struct sequence *joined = &product->sequences[product->count++];
            const struct sequence *tail = &language->sequences[right];
            *joined = run->sequences[left];
            good = joined->length + tail->length <= SEQUENCE_MAXIMUM && may_follow(joined, tail);
            if (!good)
                break;
            memcpy(joined->sets + joined->length, tail->sets, tail->length * sizeof *tail->sets);
            joined->length += tail->length;
            joined->wide = tail->length ? tail->wide : joined->wide;
        }
    }
    if (good)
        language_copy(run, product);
    free(product);
    return good;
}

/* A concatenation in the making. */
struct concatenation {
    struct language run; /* what the last parts may be, in a row */
    bool whole;          /* `run` is all of it */
    struct factor_list best;
};

/* Behind a wide part the only thing at a known distance is that part's last byte. */
static void keep_last_byte(struct language *run)
{
    for (uint32_t number = 0; number < run->count; number++) {
        struct sequence *sequence = &run->sequences[number];
        if (sequence->length == 0)
            continue;
        sequence->sets[0] = sequence->sets[sequence->length - 1];
        sequence->length = 1;
        sequence->wide = false; /* it is a byte now, not a character */
    }
}

static void append_language(struct concatenation *whole, const struct language *language)
{
    if (multiply(&whole->run, language))
        return;
    weigh(&whole->best, &whole->run);
    whole->whole = false;
    keep_last_byte(&whole->run);
    if (!multiply(&whole->run, language))
        language_copy(&whole->run, language);
}

/* The part any number of times from `least` on; `more`: perhaps more often. */
static void append_part(struct concatenation *whole, const struct part *part, uint32_t least, bool more)
{
    if (!part->exact || least == 0) {
        weigh(&whole->best, &whole->run);
        whole->whole = false;
        language_empty(&whole->run);
        if (least && part->best.count)
            weigh_list(&whole->best, &part->best);
        return;
    }
    uint32_t times = least < FACTOR_LENGTH ? least : FACTOR_LENGTH;
    for (uint32_t time = 0; time < times; time++)
        append_language(whole, &part->language);
    if (!more && times == least)
        return;
    weigh(&whole->best, &whole->run);
    whole->whole = false;
    language_empty(&whole->run);
    for (uint32_t time = 0; time < times; time++)
        append_language(whole, &part->language);
}

static void part_of_set(struct part *part, const struct byte_set *set)
{
    part->exact = true;
    part->language.count = 1;
    part->language.sequences[0] = (struct sequence){.sets = {*set}, .length = 1, .wide = set_is_wide(set)};
    best_none(&part->best);
}

static void part_of_nothing_known(struct part *part)
{
    part->exact = false;
    best_none(&part->best);
}

static void part_of_empty(struct part *part)
{
    part->exact = true;
    language_empty(&part->language);
    best_none(&part->best);
}

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
        set_add_range(set, '0', '9');
        break;
    case 'w':
        set_add_range(set, '0', '9');
        set_add_range(set, 'a', 'z');
        set_add_range(set, 'A', 'Z');
        set_add(set, '_');
        break;
    case 's':
        set_add_range(set, '\t', '\r');
        set_add(set, ' ');
        break;
    case 'h':
        set_add(set, '\t');
        set_add(set, ' ');
        break;
    case 'v':
        set_add_range(set, '\n', '\r');
        break;
    case 'D':
    case 'W':
    case 'S':
    case 'H':
    case 'V':
    case 'N':
        *set = every_byte;
        return true;
    default:
        return false;
    }
    set_add_wide(set);
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
    set_add_range(set, (unsigned)first, last < 0x80 ? (unsigned)last : 0x7f);
    if (last < 0x80)
        return;
    set_add_wide(set);
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
            set_add(&set, '-');
            high = low;
        }
        if (high < low)
            return fail(reader);
        add_characters(reader, &set, low, high);
    }
    reader->at++;
    if (reader->caseless)
        set_add_cases(&set);
    part_of_set(part, negated ? &every_byte : &set);
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
    set_add(&set, (unsigned char)byte);
    if (reader->caseless)
        set_add_cases(&set);
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
        part_of_set(part, &every_byte);
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
    set_add(&set, byte);
    if (reader->caseless)
        set_add_cases(&set);
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

/* Adds the empty sequence to a part that may be missing. */
static void make_optional(struct part *part)
{
    if (!part->exact || part->language.count == SEQUENCES_MAXIMUM) {
        part_of_nothing_known(part);
        return;
    }
    part->language.sequences[part->language.count++] = (struct sequence){.length = 0};
}

static bool read_concatenation(struct reader *reader, struct part *part, unsigned depth)
{
    struct concatenation *whole = memory_allocate(sizeof *whole);
    struct part *atom = memory_allocate(sizeof *atom);
    language_empty(&whole->run);
    whole->whole = true;
    best_none(&whole->best);
    while (!at_end(reader) && *reader->at != '|' && *reader->at != ')' && read_atom(reader, atom, depth)) {
        uint32_t least, most;
        read_quantifier(reader, &least, &most);
        if (least == 0 && most == 1) {
            make_optional(atom);
            append_part(whole, atom, 1, false);
        } else {
            append_part(whole, atom, least, most != least);
        }
    }
    if (whole->whole) {
        language_copy(&part->language, &whole->run);
        best_none(&part->best);
    } else {
        weigh(&whole->best, &whole->run);
        part->best = whole->best;
    }
    part->exact = whole->whole;
    free(atom);
    free(whole);
    return !reader->failed;
}

/* The part is one or the other. */
static void unite(struct part *part, const struct part *other)
{
    if (part->exact && other->exact && part->language.count + other->language.count <= SEQUENCES_MAXIMUM) {
        memcpy(part->language.sequences + part->language.count, other->language.sequences,
               other->language.count * sizeof *other->language.sequences);
        part->language.count += other->language.count;
        return;
    }
    struct factor_list right = other->best;
    if (part->exact)
        weigh(&part->best, &part->language);
    if (other->exact)
        weigh(&right, &other->language);
    part->exact = false;
    if (part->best.count == 0 || right.count == 0 || part->best.count + right.count > FACTORS_MAXIMUM) {
        best_none(&part->best);
        return;
    }
    memcpy(part->best.factors + part->best.count, right.factors, right.count * sizeof *right.factors);
    part->best.count += right.count;
    part->best.probability += right.probability;
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
            unite(part, other);
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
    language_empty(&whole->run);
    whole->whole = true;
    best_none(&whole->best);
    for (size_t index = 0; index < pattern->text.length; index++) {
        unsigned char letter = (unsigned char)pattern->text.data[index];
        struct byte_set set = {{0}};
        bool wildcard = pattern->syntax == PATTERN_GLOB && (letter == '*' || letter == '?');
        set_add(&set, letter);
        if (!pattern->case_sensitive)
            set_add_cases(&set);
        if (wildcard || letter >= 0x80)
            part_of_nothing_known(byte);
        else
            part_of_set(byte, &set);
        append_part(whole, byte, 1, false);
    }
    weigh(&whole->best, &whole->run);
    part->exact = false;
    part->best = whole->best;
    free(byte);
    free(whole);
}

bool pattern_factors(const struct pattern *pattern, struct factor_list *list)
{
    struct part *part = memory_allocate(sizeof *part);
    bool known = true;
    best_none(&part->best);
    if (pattern->syntax == PATTERN_REGEX)
        known = read_regex(pattern->text, !pattern->case_sensitive, part);
    else
        read_bytes(pattern, part);
    if (known && part->exact)
        weigh(&part->best, &part->language);
    known = known && part->best.count && part->best.probability <= PROBABILITY_USEFUL;
    if (known)
        *list = part->best;
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
