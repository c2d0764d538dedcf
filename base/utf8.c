/* Lines, ids and patterns come from other people's programs; what is not UTF-8 must be seen before a library that
 * assumes UTF-8 gets it (vectorscan's UTF-8 mode is undefined on other bytes). */
#include "base/utf8.h"

/* Decodes one sequence; returns its length, or 0 if it is no UTF-8. */
static size_t decode_sequence(const unsigned char *bytes, size_t available, uint32_t *point)
{
    unsigned char first = bytes[0];
    if (first < 0x80) {
        *point = first;
        return 1;
    }
    size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || available < length)
        return 0;
    uint32_t value = first & (0x7fu >> length);
    for (size_t index = 1; index < length; index++) {
        if ((bytes[index] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (bytes[index] & 0x3f);
    }
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    if (value < least[length] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
        return 0;
    *point = value;
    return length;
}

uint32_t utf8_decode(const unsigned char **cursor, const unsigned char *end)
{
    uint32_t point;
    size_t length = decode_sequence(*cursor, (size_t)(end - *cursor), &point);
    if (length == 0) {
        *cursor += 1;
        return UTF8_REPLACEMENT;
    }
    *cursor += length;
    return point;
}

size_t utf8_encode(uint32_t point, char *output)
{
    if (point < 0x80) {
        output[0] = (char)point;
        return 1;
    }
    size_t length = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t index = length; index > 1; index--, point >>= 6)
        output[index - 1] = (char)(0x80 | (point & 0x3f));
    static const unsigned char first[5] = {0, 0, 0xc0, 0xe0, 0xf0};
    output[0] = (char)(first[length] | point);
    return length;
}

bool utf8_valid(struct slice text)
{
    const unsigned char *bytes = (const unsigned char *)text.data;
    size_t index = 0;
    while (index < text.length) {
        uint64_t word;
        if (text.length - index >= sizeof word) {
            memcpy(&word, bytes + index, sizeof word);
            if ((word & 0x8080808080808080u) == 0) {
                index += sizeof word;
                continue;
            }
        }
        uint32_t point;
        size_t length = decode_sequence(bytes + index, text.length - index, &point);
        if (length == 0)
            return false;
        index += length;
    }
    return true;
}
