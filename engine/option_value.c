/* The table is small on purpose: a new word is a new thing for people to learn. */
#include "engine/option_value.h"

static const struct {
    const char *word;
    enum option_value value;
} values[] = {
    {"FILE", OPTION_VALUE_FILE},
    {"FILE…", OPTION_VALUE_FILE},
    {"BODIES", OPTION_VALUE_FILE},
    {"NEW", OPTION_VALUE_FILE},
    {"OLD", OPTION_VALUE_FILE},
    {"MODULE", OPTION_VALUE_MODULE},
    {"CALLBACK", OPTION_VALUE_CALLBACK},
    {"COUNT", OPTION_VALUE_ANY},
    {"DSN", OPTION_VALUE_ANY},
    {"DURATION", OPTION_VALUE_ANY},
    {"ID", OPTION_VALUE_ANY},
    {"JSON", OPTION_VALUE_ANY},
    {"MS", OPTION_VALUE_ANY},
    {"N", OPTION_VALUE_ANY},
    {"NAME", OPTION_VALUE_ANY},
    {"SIZE", OPTION_VALUE_ANY},
    {"TEXT", OPTION_VALUE_ANY},
    {"TIME", OPTION_VALUE_ANY},
    {"TOKEN", OPTION_VALUE_ANY},
    {"URL", OPTION_VALUE_ANY},
};

static enum option_value value_of(struct slice word)
{
    bool capital = false;
    for (size_t index = 0; index < word.length; index++)
        capital = capital || (word.data[index] >= 'A' && word.data[index] <= 'Z');
    if (!capital)
        return OPTION_VALUE_LITERAL;
    for (size_t index = 0; index < sizeof values / sizeof *values; index++)
        if (slice_equal(word, slice_from_string(values[index].word)))
            return values[index].value;
    return OPTION_VALUE_UNKNOWN;
}

static bool parts(char byte)
{
    return byte == '|' || byte == ' ';
}

bool option_value_next(struct slice *rest, struct slice *word, enum option_value *value)
{
    while (rest->length && parts(*rest->data))
        *rest = slice_of(rest->data + 1, rest->length - 1);
    *word = slice_of(rest->data, 0);
    while (word->length < rest->length && !parts(word->data[word->length]))
        word->length++;
    *rest = slice_of(rest->data + word->length, rest->length - word->length);
    *value = value_of(*word);
    return word->length > 0;
}
