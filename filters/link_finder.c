/* A text is walked from one `:` or `.` to the next, for nothing else can make a link. A run of host characters is read
 * once, and a word's end is looked for once, so that a text of dots, or of links without a blank, costs no more than
 * another. */
#include "filters/link_finder.h"

#include <stdint.h>
#include <stdlib.h>
#include <strings.h>

#include "base/utf8.h"
#include "filters/characters.h"
#include "filters/links.h"

/* How far back the sigil of a Matrix id is looked for, from the colon before its server. */
#define ID_MAXIMUM 255u

static const char *const suffixes[] = {
#define SUFFIX(label) label,
#include "filters/link_suffixes.def"
#undef SUFFIX
};

/* Countries' domains that are more often the ends of files' names or of abbreviations. */
static const char extensions[] = " ad ai am as bz cc cd cs db do eg ex gz hs id ie js kt la lz md mk ml mm mp ms my pl "
                                 "pm ps py rb rs sh so st tf tk ts tv vb vi xz ";

static bool is_alphanumeric(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9');
}

/* Part of a bare host: letters outside ASCII, too. */
static bool is_host_byte(char byte)
{
    return is_alphanumeric(byte) || byte == '-' || byte == '_' || byte == '.' || (unsigned char)byte >= 0x80;
}

static bool is_one_of(char byte, const char *set)
{
    return byte && strchr(set, byte) != NULL;
}

static bool has_any_of(struct slice text, const char *set)
{
    for (size_t index = 0; index < text.length; index++)
        if (is_one_of(text.data[index], set))
            return true;
    return false;
}

/* Where the word that `start` is in ends. */
static size_t find_word_end(struct slice text, size_t start)
{
    const unsigned char *end = (const unsigned char *)text.data + text.length;
    size_t index = start;
    while (index < text.length) {
        unsigned char byte = (unsigned char)text.data[index];
        if (byte <= ' ' || byte == '<' || byte == '>' || byte == '"')
            return index;
        const unsigned char *cursor = (const unsigned char *)text.data + index;
        uint32_t point = byte < 0x80 ? byte : utf8_decode(&cursor, end);
        if (byte >= 0x80 && character_is_blank(point))
            return index;
        index = byte < 0x80 ? index + 1 : (size_t)(cursor - (const unsigned char *)text.data);
    }
    return text.length;
}

static size_t word_end_of(struct slice text, struct link_walk *walk, size_t start)
{
    if (walk->word_end <= start)
        walk->word_end = find_word_end(text, start);
    return walk->word_end;
}

/* As far as it is read: whole characters. */
static struct slice cut_rest(struct slice rest)
{
    size_t end = LINK_REST_MAXIMUM;
    if (rest.length <= end)
        return rest;
    while (end > 0 && ((unsigned char)rest.data[end] & 0xc0) == 0x80)
        end--;
    return slice_of(rest.data, end);
}

/* What follows the host from `start` on, as far as it is read, without the punctuation behind. */
static struct slice read_rest(struct slice text, struct link_walk *walk, size_t start)
{
    size_t end = word_end_of(text, walk, start);
    end = start + cut_rest(slice_of(text.data + start, end - start)).length;
    bool opened = memchr(text.data + start, '(', end - start) != NULL;
    while (end > start && (is_one_of(text.data[end - 1], ".,;:!?'*_~]}|") || (text.data[end - 1] == ')' && !opened)))
        end--;
    return slice_of(text.data + start, end - start);
}

/* http and https: these have a host in any case. */
static bool is_web(struct slice scheme)
{
    return (scheme.length == 4 && strncasecmp(scheme.data, "http", 4) == 0) ||
           (scheme.length == 5 && strncasecmp(scheme.data, "https", 5) == 0);
}

/* The longest scheme that ends before `colon`; absent: none. */
static struct slice scheme_before(const struct link_kinds *kinds, struct slice text, size_t colon)
{
    struct slice found = SLICE_ABSENT;
    for (size_t index = 0; index < kinds->scheme_count; index++) {
        struct slice scheme = kinds->schemes[index];
        if (scheme.length <= colon && scheme.length > found.length &&
            strncasecmp(text.data + colon - scheme.length, scheme.data, scheme.length) == 0)
            found = slice_of(text.data + colon - scheme.length, scheme.length);
    }
    return found;
}

/* The host behind `//`, up to a backslash, and the rest. */
static void read_authority(struct slice text, struct link_walk *walk, size_t start, struct link *link)
{
    size_t limit = text.length - start < LINK_REST_MAXIMUM ? text.length - start : LINK_REST_MAXIMUM;
    const char *backslash = memchr(text.data + start, '\\', limit);
    size_t end;
    link->host = links_host(backslash ? slice_of(text.data, (size_t)(backslash - text.data)) : text, start, &end);
    link->rest = read_rest(text, walk, end);
    walk->position = start;
}

/* The link whose scheme ends at `colon`; false if there is none. */
static bool read_with_scheme(const struct link_kinds *kinds, struct slice text, struct link_walk *walk, size_t colon,
                             struct link *link)
{
    struct slice scheme = scheme_before(kinds, text, colon);
    if (!scheme.data)
        return false;
    size_t start = colon - scheme.length;
    *link = (struct link){.scheme = scheme, .host = SLICE_ABSENT};
    link->nested = start < walk->link_end && start > 0 && is_one_of(text.data[start - 1], "/=&?%:+#");
    if (text.length - colon > 2 && text.data[colon + 1] == '/' && text.data[colon + 2] == '/') {
        read_authority(text, walk, colon + 3, link);
    } else {
        bool begins = start == 0 || !is_alphanumeric(text.data[start - 1]);
        link->rest = read_rest(text, walk, colon + 1);
        if (is_web(scheme) || !begins || start < walk->link_end || !has_any_of(link->rest, "/@?"))
            return false;
        walk->position = colon + 1;
    }
    size_t end = (size_t)(link->rest.data + link->rest.length - text.data);
    link->text = slice_of(text.data + start, end - start);
    if (end > walk->link_end)
        walk->link_end = end;
    return true;
}

static int compare_suffixes(const void *key, const void *element)
{
    return strcmp(key, *(const char *const *)element);
}

/* Whether clients make a link of a name that ends in this label: all of it in small letters, or in capitals. */
static bool is_suffix(struct slice label)
{
    char small[16];
    bool capitals = label.length && label.data[0] >= 'A' && label.data[0] <= 'Z';
    if (label.length < 2 || label.length >= sizeof small)
        return false;
    for (size_t index = 0; index < label.length; index++) {
        char byte = label.data[index];
        if (capitals ? byte < 'A' || byte > 'Z' : byte < 'a' || byte > 'z')
            return false;
        small[index] = (char)(byte | 0x20);
    }
    small[label.length] = '\0';
    if (label.length == 2) {
        const char padded[] = {' ', small[0], small[1], ' ', '\0'};
        return !strstr(extensions, padded);
    }
    return bsearch(small, suffixes, sizeof suffixes / sizeof *suffixes, sizeof *suffixes, compare_suffixes) != NULL;
}

/* Whether the colon before a run is within a Matrix id, whose server the run then is. */
static bool follows_sigil(struct slice text, size_t colon)
{
    for (size_t index = colon; index > 0 && colon - index < ID_MAXIMUM; index--) {
        char byte = text.data[index - 1];
        if (is_one_of(byte, "@#!+$"))
            return index == 1 || !is_alphanumeric(text.data[index - 2]);
        if (!is_host_byte(byte) && !is_one_of(byte, "=/"))
            return false;
    }
    return false;
}

/* Without what cannot be at the ends of a name, and without all before two dots. */
static struct slice trim_run(struct slice run)
{
    while (run.length && is_one_of(run.data[run.length - 1], ".-_"))
        run.length--;
    for (size_t index = run.length; index > 1; index--)
        if (run.data[index - 1] == '.' && run.data[index - 2] == '.')
            return slice_of(run.data + index, run.length - index);
    while (run.length && is_one_of(run.data[0], ".-_"))
        run = slice_of(run.data + 1, run.length - 1);
    return run;
}

/* The bare domain in the run of host bytes around the `.` at `dot`; the walk goes behind the run in any case. */
static bool read_bare(struct slice text, struct link_walk *walk, size_t from, size_t dot, struct link *link)
{
    size_t start = dot, end = dot;
    while (start > from && is_host_byte(text.data[start - 1]))
        start--;
    while (word_end_of(text, walk, start) < dot) /* at a blank outside ASCII */
        for (start = walk->word_end + 1; start < dot && ((unsigned char)text.data[start] & 0xc0) == 0x80;)
            start++;
    while (end < walk->word_end && is_host_byte(text.data[end]))
        end++;
    walk->position = end;
    struct slice host = trim_run(slice_of(text.data + start, end - start));
    const char *last = host.length ? memrchr(host.data, '.', host.length) : NULL;
    char before = start > 0 ? text.data[start - 1] : ' ';
    char after = end < text.length ? text.data[end] : ' ';
    if (!last || start < walk->link_end || is_one_of(before, "@#!+$/\\") || after == '@' ||
        (before == ':' && follows_sigil(text, start - 1)))
        return false;
    size_t port = end;
    while (after == ':' && port + 1 < text.length && text.data[port + 1] >= '0' && text.data[port + 1] <= '9')
        port++;
    size_t path = port > end ? port + 1 : end;
    bool has_path = path < text.length && is_one_of(text.data[path], "/?#");
    bool www = host.length > 4 && strncasecmp(host.data, "www.", 4) == 0;
    struct slice label = slice_of(last + 1, host.length - (size_t)(last + 1 - host.data));
    *link = (struct link){.text = host, .scheme = SLICE_ABSENT, .host = host, .rest = {text.data + end, 0}};
    link->doubtful = !www && (!is_suffix(label) || after == '(');
    if (has_path) {
        link->rest = read_rest(text, walk, path);
        walk->link_end = (size_t)(link->rest.data + link->rest.length - text.data);
        link->text = slice_of(host.data, (size_t)(link->rest.data + link->rest.length - host.data));
    }
    return true;
}

/* The first `byte` from the walk's position on, or the end of the text; `*known` is what was found before. */
static size_t next_of(struct slice text, const struct link_walk *walk, char byte, size_t *known)
{
    if (*known < walk->position || (*known < text.length && text.data[*known] != byte)) {
        const char *found = memchr(text.data + walk->position, byte, text.length - walk->position);
        *known = found ? (size_t)(found - text.data) : text.length;
    }
    return *known;
}

bool link_finder_next(const struct link_kinds *kinds, struct slice text, struct link_walk *walk, struct link *link)
{
    size_t from = walk->position;
    while (text.data && walk->position < text.length) {
        size_t colon = next_of(text, walk, ':', &walk->colon);
        size_t dot = kinds->bare_domains ? next_of(text, walk, '.', &walk->dot) : text.length;
        walk->position = colon < dot ? colon : dot;
        if (walk->position == text.length)
            break;
        if (colon < dot) {
            if (read_with_scheme(kinds, text, walk, colon, link))
                return true;
            walk->position = colon + 1;
        } else {
            if (read_bare(text, walk, from, dot, link))
                return true;
            from = walk->position;
        }
    }
    return false;
}

bool link_finder_reference(const struct link_kinds *kinds, struct slice reference, struct link *link)
{
    while (reference.length && (unsigned char)*reference.data <= ' ')
        reference = slice_of(reference.data + 1, reference.length - 1);
    const char *found = reference.length ? memchr(reference.data, ':', reference.length) : NULL;
    size_t colon = found ? (size_t)(found - reference.data) : 0;
    struct slice scheme = found ? scheme_before(kinds, reference, colon) : SLICE_ABSENT;
    if (!scheme.data || scheme.length != colon)
        return false;
    struct link_walk walk = {.word_end = reference.length};
    size_t start = colon + 1;
    bool web = is_web(scheme);
    *link = (struct link){.scheme = scheme, .host = SLICE_ABSENT, .text = reference};
    if (web || (reference.length - colon > 2 && memcmp(found, "://", 3) == 0)) {
        while (start < reference.length && (reference.data[start] == '/' || (web && reference.data[start] == '\\')))
            start++;
        read_authority(reference, &walk, start, link);
    } else {
        link->rest = cut_rest(slice_of(reference.data + start, reference.length - start));
    }
    return true;
}

bool link_scheme_possible(struct slice text)
{
    if (text.length == 0 || text.length > LINK_SCHEME_MAXIMUM || !is_alphanumeric(text.data[0]))
        return false;
    for (size_t index = 0; index < text.length; index++)
        if (!is_alphanumeric(text.data[index]) && !is_one_of(text.data[index], "+-."))
            return false;
    return true;
}
