/* The link scanner against one that is written down straight from the definition in filters/links.h. */
#include <stdint.h>
#include <stdlib.h>
#include <strings.h>

#include "base/utf8.h"
#include "filters/links.h"

static bool white_space(uint32_t point)
{
    static const uint32_t points[] = {'\t', '\n',   '\v',   '\f',   '\r',   ' ',    0x85,
                                      0xa0, 0x1680, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000};
    for (size_t index = 0; index < sizeof points / sizeof *points; index++)
        if (points[index] == point)
            return true;
    return point >= 0x2000 && point <= 0x200a;
}

/* Where the authority that begins at `start` ends. */
static size_t authority_end(struct slice text, size_t start)
{
    const unsigned char *bytes = (const unsigned char *)text.data;
    const unsigned char *cursor = bytes + start;
    while (cursor < bytes + text.length) {
        const unsigned char *here = cursor;
        uint32_t point = utf8_decode(&cursor, bytes + text.length);
        if (white_space(point) || (point < 0x80 && point && strchr("/?#\"'<>()[],", (int)point)))
            return (size_t)(here - bytes);
    }
    return text.length;
}

static struct slice naive_host(struct slice text, size_t start)
{
    size_t end = authority_end(text, start);
    size_t host = start;
    for (size_t index = start; index < end; index++)
        if (text.data[index] == '@')
            host = index + 1;
    for (size_t index = host; index < end; index++) {
        if (text.data[index] == ':') {
            end = index;
            break;
        }
    }
    if (end > host && text.data[end - 1] == '.')
        end--;
    return slice_of(text.data + host, end - host);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of((const char *)data, size);
    if (size == 0 || !utf8_valid(text))
        return 0;
    size_t position = 0;
    struct slice host;
    for (size_t index = 0; index < size; index++) {
        size_t scheme = size - index >= 7 && strncasecmp(text.data + index, "http://", 7) == 0    ? 7
                        : size - index >= 8 && strncasecmp(text.data + index, "https://", 8) == 0 ? 8
                                                                                                  : 0;
        if (scheme == 0)
            continue;
        struct slice expected = naive_host(text, index + scheme);
        if (!links_next(text, &position, &host) || host.data != expected.data || host.length != expected.length)
            abort();
    }
    if (links_next(text, &position, &host))
        abort();
    return 0;
}
