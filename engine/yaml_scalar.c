/* What a plain scalar means, by the rules of YAML 1.1 in the form that PyYAML's resolver has them (yaml/resolver.py and
 * yaml/constructor.py): an administrator copies lines from homeserver.yaml, and they must mean the same here.
 * Timestamps stay texts, since nothing here takes a date. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/yaml_document.h"

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(text, *words) == 0)
            return true;
    return false;
}

static int digit_value(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    if (byte >= 'a' && byte <= 'f')
        return byte - 'a' + 10;
    if (byte >= 'A' && byte <= 'F')
        return byte - 'A' + 10;
    return 99;
}

/* An integer while it is being read; `wide` keeps what 64 bits cannot. */
struct integer_reader {
    uint64_t magnitude;
    double wide;
    bool overflow;
};

static void integer_add_digit(struct integer_reader *reader, unsigned base, unsigned digit)
{
    if (__builtin_mul_overflow(reader->magnitude, (uint64_t)base, &reader->magnitude) ||
        __builtin_add_overflow(reader->magnitude, (uint64_t)digit, &reader->magnitude))
        reader->overflow = true;
    reader->wide = reader->wide * base + digit;
}

static void integer_finish(const struct integer_reader *reader, bool negative, struct yaml_node *node)
{
    uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
    node->number = reader->overflow ? reader->wide : (double)reader->magnitude;
    if (negative)
        node->number = -node->number;
    if (reader->overflow || reader->magnitude > limit) {
        node->kind = YAML_KIND_NUMBER;
        return;
    }
    node->kind = YAML_KIND_INTEGER;
    node->integer = negative ? (int64_t)(0 - reader->magnitude) : (int64_t)reader->magnitude;
}

/* Digits of `base` and underscores up to the end; at least one character, as PyYAML's patterns have it. */
static bool read_digits(const char *cursor, int base, struct integer_reader *reader)
{
    if (!*cursor)
        return false;
    bool any = false;
    for (; *cursor; cursor++) {
        if (*cursor == '_')
            continue;
        int digit = digit_value(*cursor);
        if (digit >= base)
            return false;
        integer_add_digit(reader, (unsigned)base, (unsigned)digit);
        any = true;
    }
    return any;
}

/* `1:30` is 90 and `1:30:00` is 5400: base 60, each later part of one or two digits below 60. */
static bool read_sexagesimal(const char *cursor, struct integer_reader *reader)
{
    if (*cursor < '1' || *cursor > '9')
        return false;
    for (; *cursor && *cursor != ':'; cursor++) {
        if (*cursor == '_')
            continue;
        if (*cursor < '0' || *cursor > '9')
            return false;
        integer_add_digit(reader, 10, (unsigned)(*cursor - '0'));
    }
    if (!*cursor)
        return false;
    while (*cursor == ':') {
        unsigned part = 0, length = 0;
        for (cursor++; *cursor >= '0' && *cursor <= '9' && length < 2; cursor++, length++)
            part = part * 10 + (unsigned)(*cursor - '0');
        if (length == 0 || part > 59)
            return false;
        integer_add_digit(reader, 60, part);
    }
    return *cursor == '\0';
}

static bool resolve_integer(struct yaml_node *node)
{
    const char *cursor = node->text;
    bool negative = *cursor == '-';
    if (*cursor == '-' || *cursor == '+')
        cursor++;
    struct integer_reader reader = {0};
    bool read;
    if (cursor[0] == '0' && cursor[1] == 'b')
        read = read_digits(cursor + 2, 2, &reader);
    else if (cursor[0] == '0' && cursor[1] == 'x')
        read = read_digits(cursor + 2, 16, &reader);
    else if (cursor[0] == '0' && cursor[1])
        read = read_digits(cursor + 1, 8, &reader);
    else if (cursor[0] >= '0' && cursor[0] <= '9' && strchr(cursor, ':'))
        read = read_sexagesimal(cursor, &reader);
    else
        read = cursor[0] >= '0' && cursor[0] <= '9' && read_digits(cursor, 10, &reader);
    if (read)
        integer_finish(&reader, negative, node);
    return read;
}

/* `1.5`, `1.`, `.5`, `1.5e+3`: a point is needed, and an exponent needs its sign. */
static bool resolve_number(struct yaml_node *node)
{
    static const char *const infinities[] = {".inf", ".Inf", ".INF", NULL};
    static const char *const not_numbers[] = {".nan", ".NaN", ".NAN", NULL};
    const char *cursor = node->text;
    bool negative = *cursor == '-', sign = negative || *cursor == '+';
    if (is_one_of(cursor + sign, infinities) || is_one_of(cursor, not_numbers)) {
        node->kind = YAML_KIND_NUMBER;
        node->number = is_one_of(cursor, not_numbers) ? (double)NAN : negative ? (double)-INFINITY : (double)INFINITY;
        return true;
    }
    char digits[64];
    size_t length = 0, before = 0, after = 0;
    bool point = false, exponent = false;
    for (; *cursor && length < sizeof digits - 1; cursor++) {
        bool is_digit = *cursor >= '0' && *cursor <= '9';
        if (*cursor == '_' && !exponent && before + after > 0)
            continue;
        if (*cursor == '.' && !point && (before > 0 || !sign))
            point = true;
        else if ((*cursor == 'e' || *cursor == 'E') && point && !exponent && (cursor[1] == '-' || cursor[1] == '+') &&
                 cursor[2]) {
            exponent = true;
            digits[length++] = *cursor++;
            if (length >= sizeof digits - 1)
                return false;
        } else if (is_digit)
            before += !point, after += point;
        else if (!(length == 0 && sign))
            return false;
        digits[length++] = *cursor;
    }
    if (*cursor || !point || before + after == 0)
        return false;
    digits[length] = '\0';
    node->kind = YAML_KIND_NUMBER;
    node->number = strtod(digits, NULL);
    return true;
}

void yaml_scalar_resolve(struct yaml_node *node)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const yes[] = {"yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON", NULL};
    static const char *const no[] = {"no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF", NULL};
    if (is_one_of(node->text, nulls)) {
        node->kind = YAML_KIND_NULL;
    } else if (is_one_of(node->text, yes) || is_one_of(node->text, no)) {
        node->kind = YAML_KIND_BOOLEAN;
        node->boolean = is_one_of(node->text, yes);
    } else if (!resolve_integer(node) && !resolve_number(node)) {
        node->kind = YAML_KIND_TEXT;
    }
}
