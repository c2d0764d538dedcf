/* Everything works on the text as it was sent: names are compared while they are decoded, so that nothing is copied but
 * the value that is asked for. */
#include "base/query_string.h"

bool query_string_next(struct slice *rest, struct query_parameter *parameter)
{
    while (rest->length) {
        size_t length = 0;
        while (length < rest->length && rest->data[length] != '&' && rest->data[length] != ';')
            length++;
        struct slice item = slice_of(rest->data, length);
        size_t taken = length < rest->length ? length + 1 : length;
        *rest = slice_of(rest->data + taken, rest->length - taken);
        const char *equals = length ? memchr(item.data, '=', length) : NULL;
        if (!equals)
            continue;
        size_t name_length = (size_t)(equals - item.data);
        parameter->name = slice_of(item.data, name_length);
        parameter->value = slice_of(equals + 1, length - name_length - 1);
        return true;
    }
    return false;
}

/* The value of a hexadecimal digit, or -1. */
static int digit_of(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    if (byte >= 'a' && byte <= 'f')
        return byte - 'a' + 10;
    if (byte >= 'A' && byte <= 'F')
        return byte - 'A' + 10;
    return -1;
}

/* The next byte of a text that has one, taken off it. */
static char next_byte(struct slice *encoded)
{
    const char *data = encoded->data;
    char byte = *data == '+' ? ' ' : *data;
    size_t taken = 1;
    if (byte == '%' && encoded->length >= 3 && digit_of(data[1]) >= 0 && digit_of(data[2]) >= 0) {
        byte = (char)(digit_of(data[1]) << 4 | digit_of(data[2]));
        taken = 3;
    }
    *encoded = slice_of(data + taken, encoded->length - taken);
    return byte;
}

void query_string_decode(struct slice encoded, struct buffer *output)
{
    if (encoded.length == 0)
        return;
    char *bytes = buffer_reserve(output, encoded.length);
    size_t count = 0;
    while (encoded.length)
        bytes[count++] = next_byte(&encoded);
    output->length += count;
}

static bool stands_for(struct slice encoded, struct slice text)
{
    size_t matched = 0;
    while (encoded.length && matched < text.length)
        if (next_byte(&encoded) != text.data[matched++])
            return false;
    return encoded.length == 0 && matched == text.length;
}

bool query_string_find(struct slice query, struct slice name, struct buffer *value)
{
    struct query_parameter parameter;
    while (query_string_next(&query, &parameter)) {
        if (!stands_for(parameter.name, name))
            continue;
        query_string_decode(parameter.value, value);
        return true;
    }
    return false;
}
