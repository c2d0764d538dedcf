/* Most texts have no link, so the search is memchr's for a colon; only behind `://` is anything read byte by byte. An
 * authority ends at the next slash, hence no byte is read twice. */
#include "filters/links.h"

#include <stdint.h>
#include <strings.h>

enum byte_class { BYTE_PLAIN, BYTE_END, BYTE_AT, BYTE_COLON, BYTE_LEAD };

/* BYTE_LEAD: may begin one of the white space characters outside ASCII. */
static const unsigned char byte_classes[256] = {
    ['\t'] = BYTE_END,  ['\n'] = BYTE_END,  ['\v'] = BYTE_END,  ['\f'] = BYTE_END,  ['\r'] = BYTE_END,
    [' '] = BYTE_END,   ['/'] = BYTE_END,   ['?'] = BYTE_END,   ['#'] = BYTE_END,   ['"'] = BYTE_END,
    ['\''] = BYTE_END,  ['<'] = BYTE_END,   ['>'] = BYTE_END,   ['('] = BYTE_END,   [')'] = BYTE_END,
    ['['] = BYTE_END,   [']'] = BYTE_END,   [','] = BYTE_END,   ['@'] = BYTE_AT,    [':'] = BYTE_COLON,
    [0xc2] = BYTE_LEAD, [0xe1] = BYTE_LEAD, [0xe2] = BYTE_LEAD, [0xe3] = BYTE_LEAD,
};

/* U+0085, U+00A0, U+1680, U+2000 to U+200A, U+2028, U+2029, U+202F, U+205F, U+3000. */
static bool white_space_outside_ascii(const unsigned char *bytes, size_t available)
{
    if (available >= 2 && bytes[0] == 0xc2)
        return bytes[1] == 0x85 || bytes[1] == 0xa0;
    if (available < 3)
        return false;
    unsigned int last = bytes[2];
    if (bytes[0] == 0xe1)
        return bytes[1] == 0x9a && last == 0x80;
    if (bytes[0] == 0xe3)
        return bytes[1] == 0x80 && last == 0x80;
    if (bytes[0] != 0xe2)
        return false;
    if (bytes[1] == 0x80)
        return (last >= 0x80 && last <= 0x8a) || last == 0xa8 || last == 0xa9 || last == 0xaf;
    return bytes[1] == 0x81 && last == 0x9f;
}

struct slice links_host(struct slice text, size_t start, size_t *authority_end)
{
    const unsigned char *bytes = (const unsigned char *)text.data;
    size_t host = start;
    size_t colon = SIZE_MAX;
    size_t index = start;
    for (; index < text.length; index++) {
        enum byte_class class = byte_classes[bytes[index]];
        if (class == BYTE_PLAIN)
            continue;
        if (class == BYTE_END || (class == BYTE_LEAD && white_space_outside_ascii(bytes + index, text.length - index)))
            break;
        if (class == BYTE_AT) {
            host = index + 1;
            colon = SIZE_MAX;
        } else if (class == BYTE_COLON && colon == SIZE_MAX) {
            colon = index;
        }
    }
    *authority_end = index;
    size_t end = colon < index ? colon : index;
    if (end > host && bytes[end - 1] == '.')
        end--;
    return slice_of(text.data + host, end - host);
}

static bool scheme_before(struct slice text, size_t colon)
{
    return (colon >= 4 && strncasecmp(text.data + colon - 4, "http", 4) == 0) ||
           (colon >= 5 && strncasecmp(text.data + colon - 5, "https", 5) == 0);
}

bool links_next(struct slice text, size_t *position, struct slice *host)
{
    while (*position < text.length) {
        const char *found = memchr(text.data + *position, ':', text.length - *position);
        if (!found)
            break;
        size_t colon = (size_t)(found - text.data);
        *position = colon + 1;
        if (text.length - colon < 3 || found[1] != '/' || found[2] != '/' || !scheme_before(text, colon))
            continue;
        *position = colon + 3;
        size_t end;
        *host = links_host(text, colon + 3, &end);
        return true;
    }
    *position = text.length;
    return false;
}

bool links_host_possible(struct slice text)
{
    const unsigned char *bytes = (const unsigned char *)text.data;
    for (size_t index = 0; index < text.length; index++) {
        enum byte_class class = byte_classes[bytes[index]];
        if (class != BYTE_PLAIN &&
            (class != BYTE_LEAD || white_space_outside_ascii(bytes + index, text.length - index)))
            return false;
    }
    return true;
}
