/* A domain has as many spellings as browsers forgive; a list would need them all. This is the part of UTS 46 that
 * matters for that, without its tables: the mappings that people use to get around lists, and Punycode (RFC 3492). */
#include "filters/host_name.h"

#include <stdint.h>
#include <strings.h>

#include "base/utf8.h"
#include "filters/case_folding.h"

/* RFC 3492, section 5. */
enum { BASE = 36, T_MIN = 1, T_MAX = 26, SKEW = 38, DAMP = 700, INITIAL_BIAS = 72, INITIAL_POINT = 128 };
/* DNS has labels of 63 bytes. */
#define LABEL_MAXIMUM 63u
#define NO_DIGIT 99u

static unsigned hexadecimal(char byte)
{
    if (byte >= '0' && byte <= '9')
        return (unsigned)(byte - '0');
    char small = (char)(byte | 0x20);
    return small >= 'a' && small <= 'f' ? (unsigned)(small - 'a') + 10 : NO_DIGIT;
}

static size_t decode_percents(struct slice text, char *output)
{
    size_t length = 0;
    for (size_t index = 0; index < text.length; index++) {
        bool encoded = text.data[index] == '%' && text.length - index > 2 && hexadecimal(text.data[index + 1]) < 16 &&
                       hexadecimal(text.data[index + 2]) < 16;
        if (encoded) {
            output[length++] = (char)(hexadecimal(text.data[index + 1]) * 16 + hexadecimal(text.data[index + 2]));
            index += 2;
        } else {
            output[length++] = text.data[index];
        }
    }
    return length;
}

/* What a code point is in a host name; 0: nothing. */
static uint32_t map_point(uint32_t point)
{
    if (point >= 'A' && point <= 'Z')
        return point | 0x20;
    if (point < 0x80)
        return point;
    if (point == 0x3002 || point == 0xff61)
        return '.';
    if (point == 0xad || point == 0x200b || point == 0x2060 || point == 0xfeff)
        return 0;
    if (point >= 0xff01 && point <= 0xff5e)
        return map_point(point - 0xff01 + '!');
    uint32_t folded = case_fold_point(point);
    return folded >= 'A' && folded <= 'Z' ? folded | 0x20 : folded;
}

/* In place: no mapping makes a character longer. Bytes that are not UTF-8 are left out. */
static size_t map_points(char *text, size_t length)
{
    const unsigned char *cursor = (const unsigned char *)text;
    const unsigned char *end = cursor + length;
    size_t written = 0;
    while (cursor < end) {
        const unsigned char *begin = cursor;
        uint32_t point = utf8_decode(&cursor, end);
        bool broken = point == UTF8_REPLACEMENT && cursor - begin == 1;
        uint32_t mapped = broken ? 0 : map_point(point);
        if (mapped)
            written += utf8_encode(mapped, text + written);
    }
    return written;
}

static uint32_t adapt(uint32_t delta, uint32_t count, bool first)
{
    uint32_t rounds = 0;
    delta = first ? delta / DAMP : delta / 2;
    delta += delta / count;
    for (; delta > (BASE - T_MIN) * T_MAX / 2; rounds += BASE)
        delta /= BASE - T_MIN;
    return rounds + (BASE - T_MIN + 1) * delta / (delta + SKEW);
}

static unsigned digit_of(char byte)
{
    if (byte >= 'a' && byte <= 'z')
        return (unsigned)(byte - 'a');
    return byte >= '0' && byte <= '9' ? (unsigned)(byte - '0') + 26 : NO_DIGIT;
}

/* One number of variable length, added to `*sum`; false if there is none, or it is too large. */
static bool read_delta(struct slice digits, size_t *at, uint32_t bias, uint32_t *sum)
{
    uint64_t total = *sum;
    uint64_t weight = 1;
    for (uint32_t place = BASE;; place += BASE) {
        unsigned digit = *at < digits.length ? digit_of(digits.data[(*at)++]) : NO_DIGIT;
        if (digit >= BASE)
            return false;
        uint32_t least = place <= bias ? T_MIN : place >= bias + T_MAX ? T_MAX : place - bias;
        total += digit * weight;
        if (total > INT32_MAX)
            return false;
        if (digit < least)
            break;
        weight *= BASE - least;
        if (weight > INT32_MAX)
            return false;
    }
    *sum = (uint32_t)total;
    return true;
}

/* The code points of a label behind its `xn--`, in small letters, which has at most LABEL_MAXIMUM bytes. 0: it is none.
 */
static uint32_t decode_label(struct slice label, uint32_t points[LABEL_MAXIMUM])
{
    const char *hyphen = memrchr(label.data, '-', label.length);
    uint32_t count = 0;
    for (const char *at = label.data; hyphen && at < hyphen; at++) {
        if ((unsigned char)*at >= 0x80)
            return 0;
        points[count++] = (unsigned char)*at;
    }
    uint32_t point = INITIAL_POINT, bias = INITIAL_BIAS, place = 0;
    for (size_t at = hyphen ? count + 1 : 0; at < label.length; place++) {
        uint32_t before = place;
        if (!read_delta(label, &at, bias, &place))
            return 0;
        count++; /* each takes a digit at least, so there is room */
        bias = adapt(place - before, count, before == 0);
        point += place / count;
        place %= count;
        if (point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
            return 0;
        memmove(points + place + 1, points + place, (count - 1 - place) * sizeof *points);
        points[place] = point;
    }
    return count;
}

/* Appends one label to `output`; returns the bytes written. */
static size_t append_label(struct slice label, bool punycode, char *output)
{
    uint32_t points[LABEL_MAXIMUM];
    size_t written = 0;
    uint32_t count = 0;
    if (punycode && label.length > 4 && label.length <= LABEL_MAXIMUM && memcmp(label.data, "xn--", 4) == 0)
        count = decode_label(slice_of(label.data + 4, label.length - 4), points);
    for (uint32_t index = 0; index < count; index++) {
        uint32_t mapped = map_point(points[index]);
        if (mapped)
            written += utf8_encode(mapped, output + written);
    }
    if (count)
        return written;
    memcpy(output, label.data, label.length);
    return label.length;
}

size_t host_name_fold(struct slice host, bool punycode, char *output)
{
    char mapped[HOST_NAME_READ];
    if (host.length > sizeof mapped) {
        const char *end = host.data + host.length;
        const char *dot = memchr(end - sizeof mapped, '.', sizeof mapped);
        host = dot ? slice_of(dot, (size_t)(end - dot)) : slice_of(end - sizeof mapped, sizeof mapped);
    }
    struct slice rest = slice_of(mapped, map_points(mapped, decode_percents(host, mapped)));
    if (rest.length && rest.data[rest.length - 1] == '.')
        rest.length--;
    size_t written = 0;
    while (rest.length) {
        const char *dot = memchr(rest.data, '.', rest.length);
        size_t length = dot ? (size_t)(dot - rest.data) : rest.length;
        written += append_label(slice_of(rest.data, length), punycode, output + written);
        if (dot)
            output[written++] = '.';
        rest = slice_of(rest.data + length + (dot != NULL), rest.length - length - (dot != NULL));
    }
    return written;
}
