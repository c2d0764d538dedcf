/* What an event costs is mostly its strings: ids, hashes and signatures that no module looks at. They are passed over
 * sixteen bytes at a time where the processor can, eight otherwise; the bits of one comparison tell where the string
 * ends, whether it has escapes and whether it has to be checked for UTF-8. */
#include "base/json_scan.h"

#include "base/utf8.h"

static int hex_digit(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* Four hexadecimal digits, or -1. */
static int32_t read_unit(const char *at, const char *end)
{
    if (end - at < 4)
        return -1;
    int32_t unit = 0;
    for (int index = 0; index < 4; index++) {
        int digit = hex_digit(at[index]);
        if (digit < 0)
            return -1;
        unit = unit << 4 | digit;
    }
    return unit;
}

static char *write_utf8(char *output, int32_t point)
{
    if (point < 0x80) {
        *output++ = (char)point;
        return output;
    }
    if (point >= 0x10000) {
        *output++ = (char)(0xf0 | point >> 18);
        *output++ = (char)(0x80 | (point >> 12 & 0x3f));
    } else if (point >= 0x800) {
        *output++ = (char)(0xe0 | point >> 12);
    }
    if (point >= 0x800)
        *output++ = (char)(0x80 | (point >> 6 & 0x3f));
    else
        *output++ = (char)(0xc0 | point >> 6);
    *output++ = (char)(0x80 | (point & 0x3f));
    return output;
}

const char *json_read_escape(const char *at, const char *end, char **output)
{
    static const char values[128] = {
        ['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t'};
    unsigned char letter = end - at < 2 ? 0 : (unsigned char)at[1];
    at += 2;
    if (letter < 128 && values[letter]) {
        *(*output)++ = values[letter];
        return at;
    }
    int32_t point = letter == 'u' ? read_unit(at, end) : -1;
    if (point < 0 || (point >= 0xdc00 && point < 0xe000))
        return NULL;
    at += 4;
    if (point >= 0xd800 && point < 0xe000) {
        bool paired = end - at >= 6 && at[0] == '\\' && at[1] == 'u';
        int32_t low = paired ? read_unit(at + 2, end) : -1;
        if (low < 0xdc00 || low >= 0xe000)
            return NULL;
        point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
        at += 6;
    }
    *output = write_utf8(*output, point);
    return at;
}

/* The rest of a string from its first backslash on, decoded in place. */
static __attribute__((noinline)) char *read_escaped(char *start, char *at, struct slice *value)
{
    char *output = at;
    while (*at != '"') {
        if (*at == '\\') {
            /* The longest escape has twelve bytes; the padding lets them be looked at. */
            const char *behind = json_read_escape(at, at + 12, &output);
            if (!behind)
                return NULL;
            at += behind - at;
        } else if ((unsigned char)*at < 0x20) {
            return NULL;
        } else {
            *output++ = *at++;
        }
    }
    *value = slice_of(start, (size_t)(output - start));
    return utf8_valid(*value) ? at + 1 : NULL;
}

char *json_read_string_slowly(char *start, char *at, struct slice *value)
{
    for (;; at += JSON_BLOCK) {
        uint32_t special = json_block_special(at);
        if (!special)
            continue;
        at += __builtin_ctz(special);
        break;
    }
    if (*at == '\\')
        return read_escaped(start, at, value);
    if (*at != '"')
        return NULL;
    *value = slice_of(start, (size_t)(at - start));
    return utf8_valid(*value) ? at + 1 : NULL;
}

static inline bool is_digit(char byte)
{
    return (unsigned char)(byte - '0') < 10;
}

static char *skip_digits(char *at)
{
    if (!is_digit(*at))
        return NULL;
    while (is_digit(*at))
        at++;
    return at;
}

static char *skip_number(char *at)
{
    at += *at == '-';
    if (*at == '0')
        at++;
    else if (!(at = skip_digits(at)))
        return NULL;
    if (*at == '.' && !(at = skip_digits(at + 1)))
        return NULL;
    if ((*at | 0x20) == 'e') {
        at++;
        at += *at == '+' || *at == '-';
        at = skip_digits(at);
    }
    return at;
}

static char *skip_word(char *at, const char *word, size_t length)
{
    return memcmp(at, word, length) == 0 ? at + length : NULL;
}

/* A value that is no container. */
static inline char *skip_scalar(char *at)
{
    struct slice ignored;
    switch (*at) {
    case '"':
        return json_read_string(at, &ignored);
    case 't':
        return skip_word(at, "true", 4);
    case 'f':
        return skip_word(at, "false", 5);
    case 'n':
        return skip_word(at, "null", 4);
    default:
        return skip_number(at);
    }
}

/* Containers that are open, innermost last: a bit each, 1 for an object. */
struct nesting {
    uint64_t kinds[JSON_SCAN_DEPTH_MAXIMUM / 64];
    unsigned depth;
};

static inline bool nesting_push(struct nesting *nesting, bool object)
{
    unsigned depth = nesting->depth;
    if (depth == JSON_SCAN_DEPTH_MAXIMUM)
        return false;
    uint64_t outer = depth % 64 ? nesting->kinds[depth / 64] & (((uint64_t)1 << depth % 64) - 1) : 0;
    nesting->kinds[depth / 64] = outer | (uint64_t)object << depth % 64;
    nesting->depth = depth + 1;
    return true;
}

static inline bool nesting_in_object(const struct nesting *nesting)
{
    unsigned innermost = nesting->depth - 1;
    return nesting->kinds[innermost / 64] >> innermost % 64 & 1;
}

/* A key and its colon, up to where the value begins. */
static inline char *skip_key(char *at)
{
    struct slice ignored;
    at = *at == '"' ? json_read_string(at, &ignored) : NULL;
    if (!at)
        return NULL;
    at = json_skip_space(at);
    return *at == ':' ? json_skip_space(at + 1) : NULL;
}

/* Behind a value: closes containers that end here. The position where the next value begins, or, with the nesting at 0,
 * where the outermost container ended. */
static inline char *close_or_continue(char *at, struct nesting *nesting)
{
    while (nesting->depth) {
        bool object = nesting_in_object(nesting);
        at = json_skip_space(at);
        if (*at == ',') {
            at = json_skip_space(at + 1);
            return object ? skip_key(at) : at;
        }
        if (*at != (object ? '}' : ']'))
            return NULL;
        at++;
        nesting->depth--;
    }
    return at;
}

char *json_skip_value(char *at)
{
    struct nesting nesting;
    nesting.depth = 0;
    do {
        bool object = *at == '{';
        if (object || *at == '[') {
            if (!nesting_push(&nesting, object))
                return NULL;
            at = json_skip_space(at + 1);
            if (*at != (object ? '}' : ']')) {
                at = object ? skip_key(at) : at;
                continue;
            }
            at++;
            nesting.depth--;
        } else {
            at = skip_scalar(at);
        }
        if (at)
            at = close_or_continue(at, &nesting);
    } while (at && nesting.depth);
    return at;
}
