/* OpenSSL's decoder takes white space and pads with zero bytes, so the few lines are our own. */
#include "base/base64.h"

static const char alphabets[][65] = {
    [BASE64_STANDARD] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    [BASE64_URL_SAFE] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
};

void base64_append(struct buffer *output, const void *bytes, size_t length, enum base64_alphabet alphabet)
{
    const unsigned char *from = bytes;
    const char *letters = alphabets[alphabet];
    uint32_t bits = 0;
    unsigned count = 0; /* of bits that are not written yet */
    for (size_t index = 0; index < length; index++) {
        bits = (bits << 8 | from[index]) & 0xffff;
        for (count += 8; count >= 6; count -= 6)
            buffer_append_char(output, letters[bits >> (count - 6) & 63]);
    }
    if (count)
        buffer_append_char(output, letters[bits << (6 - count) & 63]);
}

/* The six bits of a letter; -1 if it is none. */
static int letter_bits(char letter)
{
    if (letter >= 'A' && letter <= 'Z')
        return letter - 'A';
    if (letter >= 'a' && letter <= 'z')
        return letter - 'a' + 26;
    if (letter >= '0' && letter <= '9')
        return letter - '0' + 52;
    if (letter == '+' || letter == '-')
        return 62;
    return letter == '/' || letter == '_' ? 63 : -1;
}

bool base64_read(struct slice text, void *bytes, size_t room)
{
    unsigned char *to = bytes;
    size_t letters = (room * 8 + 5) / 6, written = 0;
    size_t padding = text.length > letters ? text.length - letters : 0;
    if (text.length < letters || (padding && (letters + padding) % 4 != 0) || padding > 2)
        return false;
    for (size_t index = letters; index < text.length; index++)
        if (text.data[index] != '=')
            return false;
    uint32_t bits = 0;
    unsigned count = 0;
    for (size_t index = 0; index < letters; index++) {
        int six = letter_bits(text.data[index]);
        if (six < 0)
            return false;
        bits = (bits << 6 | (uint32_t)six) & 0xffff;
        count += 6;
        if (count >= 8) {
            count -= 8;
            to[written++] = (unsigned char)(bits >> count);
        }
    }
    return written == room;
}
