#include "filters/server_name.h"

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_hexadecimal(char byte)
{
    return is_digit(byte) || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F');
}

static bool is_host_byte(char byte)
{
    return is_digit(byte) || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '-' || byte == '.';
}

static size_t run_length(struct slice text, size_t from, bool (*belongs)(char byte))
{
    size_t at = from;
    while (at < text.length && belongs(text.data[at]))
        at++;
    return at - from;
}

static bool is_address_byte(char byte)
{
    return is_hexadecimal(byte) || byte == ':' || byte == '.';
}

bool server_name_valid(struct slice text)
{
    if (!slice_present(text) || text.length > SERVER_NAME_MAXIMUM)
        return false;
    size_t at;
    if (text.length && text.data[0] == '[') {
        size_t length = run_length(text, 1, is_address_byte);
        at = 1 + length;
        if (length < 2 || at == text.length || text.data[at++] != ']')
            return false;
    } else {
        at = run_length(text, 0, is_host_byte);
        if (at == 0)
            return false;
    }
    if (at == text.length)
        return true;
    size_t digits = text.data[at] == ':' ? run_length(text, at + 1, is_digit) : 0;
    return digits >= 1 && digits <= 5 && at + 1 + digits == text.length;
}

struct slice server_name_host(struct slice name)
{
    if (!name.data)
        return name;
    bool bracket = name.length && name.data[0] == '[';
    const char *end = memchr(name.data, bracket ? ']' : ':', name.length);
    return end ? slice_of(name.data, (size_t)(end - name.data) + bracket) : name;
}
