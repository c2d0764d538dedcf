/* Jansson could sort the keys, but writes other escapes (capital letters in \u001F), and fractions that Python would
 * write otherwise. Sorting UTF-8 by bytes sorts by code points. */
#include "filters/canonical_json.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"

struct writing {
    struct buffer *output;
    size_t limit; /* of output->length */
    unsigned depth;
};

static bool append_value(struct writing *writing, const json_t *value);

static bool append(struct writing *writing, const char *text, size_t length)
{
    if (length > writing->limit - writing->output->length)
        return false;
    buffer_append(writing->output, text, length);
    return true;
}

/* What stands for a byte in a string, if it may not stand there itself. */
static size_t escape(unsigned char byte, char text[static 8])
{
    static const char letters[][2] = {{'"', '"'},  {'\\', '\\'}, {'\b', 'b'}, {'\f', 'f'},
                                      {'\n', 'n'}, {'\r', 'r'},  {'\t', 't'}};
    for (size_t index = 0; index < sizeof letters / sizeof *letters; index++)
        if ((unsigned char)letters[index][0] == byte)
            return (size_t)snprintf(text, 8, "\\%c", letters[index][1]);
    return byte < ' ' ? (size_t)snprintf(text, 8, "\\u%04x", byte) : 0;
}

static bool append_text(struct writing *writing, const char *text, size_t length)
{
    char escaped[8];
    size_t start = 0;
    if (!append(writing, "\"", 1))
        return false;
    for (size_t at = 0; at < length; at++) {
        size_t escaped_length = escape((unsigned char)text[at], escaped);
        if (!escaped_length)
            continue;
        if (!append(writing, text + start, at - start) || !append(writing, escaped, escaped_length))
            return false;
        start = at + 1;
    }
    return append(writing, text + start, length - start) && append(writing, "\"", 1);
}

/* As Python's repr: the shortest digits that give the number back, with an exponent below 1e-4 and from 1e16 on. */
static bool append_real(struct writing *writing, double number)
{
    char text[40];
    int precision = 0;
    do {
        snprintf(text, sizeof text, "%.*e", precision, number);
    } while (strtod(text, NULL) != number && ++precision < 17);
    int exponent = atoi(strchr(text, 'e') + 1);
    if (exponent >= -4 && exponent < 16) {
        int places = precision - exponent;
        snprintf(text, sizeof text, "%.*f", places > 1 ? places : 1, number);
    }
    return append(writing, text, strlen(text));
}

static bool append_integer(struct writing *writing, json_int_t number)
{
    char text[24];
    return append(writing, text, (size_t)snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT, number));
}

static int compare_keys(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static bool append_members(struct writing *writing, const json_t *object, const char *const *keys, size_t count)
{
    for (size_t index = 0; index < count; index++) {
        if ((index && !append(writing, ",", 1)) || !append_text(writing, keys[index], strlen(keys[index])) ||
            !append(writing, ":", 1) || !append_value(writing, json_object_get(object, keys[index])))
            return false;
    }
    return true;
}

static bool append_object(struct writing *writing, const json_t *object)
{
    size_t count = 0;
    const char **keys = memory_allocate(json_object_size(object) * sizeof *keys + 1);
    const char *key;
    json_t *member;
    json_object_foreach((json_t *)(uintptr_t)object, key, member)
    {
        keys[count++] = key;
    }
    qsort(keys, count, sizeof *keys, compare_keys);
    bool good = append(writing, "{", 1) && append_members(writing, object, keys, count) && append(writing, "}", 1);
    free(keys);
    return good;
}

static bool append_array(struct writing *writing, const json_t *array)
{
    if (!append(writing, "[", 1))
        return false;
    for (size_t index = 0; index < json_array_size(array); index++)
        if ((index && !append(writing, ",", 1)) || !append_value(writing, json_array_get(array, index)))
            return false;
    return append(writing, "]", 1);
}

static bool append_value(struct writing *writing, const json_t *value)
{
    if (writing->depth == CANONICAL_JSON_DEPTH_MAXIMUM)
        return false;
    bool good = false;
    writing->depth++;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        good = append_object(writing, value);
        break;
    case JSON_ARRAY:
        good = append_array(writing, value);
        break;
    case JSON_STRING:
        good = append_text(writing, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        good = append_integer(writing, json_integer_value(value));
        break;
    case JSON_REAL:
        good = append_real(writing, json_real_value(value));
        break;
    case JSON_TRUE:
        good = append(writing, "true", 4);
        break;
    case JSON_FALSE:
        good = append(writing, "false", 5);
        break;
    case JSON_NULL:
        good = append(writing, "null", 4);
        break;
    }
    writing->depth--;
    return good;
}

bool canonical_json_append(const json_t *value, size_t maximum, struct buffer *output)
{
    size_t start = output->length;
    struct writing writing = {.output = output, .limit = start + maximum};
    if (append_value(&writing, value))
        return true;
    output->length = start;
    return false;
}
