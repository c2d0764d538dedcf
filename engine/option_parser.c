/* getopt_long is not used: it accepts abbreviations, which break when an option is added, keeps global state and cannot
 * name the nearest known option. */
#include "engine/option_parser.h"

#include "filters/parameter.h"

#define OPTIONS_MAXIMUM 63u

/* The command line while it is read; `next` is the argument after the one at hand. */
struct parsing {
    const struct subcommand *subcommand;
    char **arguments;
    size_t count;
    size_t next;
    void *options;
    struct buffer *error;
    uint64_t seen; /* by the option's place in the table */
};

/* `value`, and what follows it up to the next option. */
static enum option_parse_status add_texts(struct parsing *parsing, const struct option_definition *option,
                                          struct option_texts *texts, const char *value)
{
    for (;;) {
        if (texts->count == OPTION_TEXTS_MAXIMUM) {
            buffer_append_format(parsing->error, "--%s takes %u values at most", option->name, OPTION_TEXTS_MAXIMUM);
            return OPTION_PARSE_WRONG;
        }
        texts->items[texts->count++] = value;
        if (parsing->next == parsing->count || parsing->arguments[parsing->next][0] == '-')
            return OPTION_PARSE_OK;
        value = parsing->arguments[parsing->next++];
    }
}

static enum option_parse_status set_option(struct parsing *parsing, size_t index, const char *value)
{
    const struct option_definition *option = &parsing->subcommand->options[index];
    char *target = (char *)parsing->options + option->offset;
    parsing->seen |= UINT64_C(1) << index;
    if (option->type == OPTION_FLAG) {
        if (value) {
            buffer_append_format(parsing->error, "--%s takes no value", option->name);
            return OPTION_PARSE_WRONG;
        }
        *(bool *)target = true;
        return OPTION_PARSE_OK;
    }
    if (!value && parsing->next < parsing->count)
        value = parsing->arguments[parsing->next++];
    if (!value) {
        buffer_append_format(parsing->error, "--%s needs a value: --%s %s", option->name, option->name,
                             option->argument);
        return OPTION_PARSE_WRONG;
    }
    if (option->type == OPTION_TEXTS)
        return add_texts(parsing, option, (struct option_texts *)target, value);
    *(const char **)target = value;
    return OPTION_PARSE_OK;
}

static enum option_parse_status unknown_option(struct parsing *parsing, const char *name, size_t length)
{
    const char *names[OPTIONS_MAXIMUM + 2] = {"help"};
    const struct option_definition *option = parsing->subcommand->options;
    for (size_t index = 1; option && option->name && index <= OPTIONS_MAXIMUM; index++, option++)
        names[index] = option->name;
    struct buffer word = {0};
    buffer_append(&word, name, length);
    const char *nearest = nearest_word(buffer_string(&word), names);
    buffer_append_format(parsing->error, "unknown option --%s", buffer_string(&word));
    if (nearest)
        buffer_append_format(parsing->error, "; did you mean --%s?", nearest);
    buffer_free(&word);
    return OPTION_PARSE_WRONG;
}

static enum option_parse_status parse_long(struct parsing *parsing, const char *text)
{
    const char *equals = strchr(text, '=');
    size_t length = equals ? (size_t)(equals - text) : strlen(text);
    if (!equals && strcmp(text, "help") == 0)
        return OPTION_PARSE_HELP;
    const struct option_definition *option = parsing->subcommand->options;
    for (size_t index = 0; option && option[index].name; index++)
        if (strlen(option[index].name) == length && memcmp(option[index].name, text, length) == 0)
            return set_option(parsing, index, equals ? equals + 1 : NULL);
    return unknown_option(parsing, text, length);
}

/* "-c", "-cFILE", or several flags "-ab". */
static enum option_parse_status parse_letters(struct parsing *parsing, const char *text)
{
    for (; *text; text++) {
        const struct option_definition *option = parsing->subcommand->options;
        size_t index = 0;
        while (option && option[index].name && option[index].letter != *text)
            index++;
        if (!option || !option[index].name) {
            if (*text == 'h')
                return OPTION_PARSE_HELP;
            buffer_append_format(parsing->error, "unknown option -%c", *text);
            return OPTION_PARSE_WRONG;
        }
        bool takes_value = option[index].type != OPTION_FLAG;
        enum option_parse_status status = set_option(parsing, index, takes_value && text[1] ? text + 1 : NULL);
        if (status != OPTION_PARSE_OK || takes_value)
            return status;
    }
    return OPTION_PARSE_OK;
}

static enum option_parse_status check_complete(struct parsing *parsing, size_t operands)
{
    const struct subcommand *subcommand = parsing->subcommand;
    const struct option_definition *option = subcommand->options;
    for (size_t index = 0; option && option[index].name; index++) {
        if (!option[index].required || parsing->seen >> index & 1)
            continue;
        buffer_append_format(parsing->error, "--%s %s is missing", option[index].name, option[index].argument);
        return OPTION_PARSE_WRONG;
    }
    if (operands > subcommand->maximum_operands) {
        buffer_append_format(parsing->error, "\"%s\" is one argument too many",
                             parsing->arguments[subcommand->maximum_operands]);
        return OPTION_PARSE_WRONG;
    }
    if (operands < subcommand->minimum_operands) {
        buffer_append_format(parsing->error, "an argument is missing: %s", subcommand->synopsis);
        return OPTION_PARSE_WRONG;
    }
    return OPTION_PARSE_OK;
}

static void set_defaults(struct parsing *parsing)
{
    const struct option_definition *option = parsing->subcommand->options;
    for (size_t index = 0; option && option[index].name; index++) {
        const char **target = (const char **)((char *)parsing->options + option[index].offset);
        if (option[index].type == OPTION_CONFIGURATION && !(parsing->seen >> index & 1))
            *target = OPTION_CONFIGURATION_DEFAULT;
    }
}

enum option_parse_status option_parse(const struct subcommand *subcommand, char **arguments, size_t argument_count,
                                      void *options, size_t *operand_count, struct buffer *error)
{
    struct parsing parsing = {
        .subcommand = subcommand, .arguments = arguments, .count = argument_count, .options = options, .error = error};
    size_t operands = 0;
    bool only_operands = false;
    while (parsing.next < parsing.count) {
        char *text = arguments[parsing.next++];
        enum option_parse_status status = OPTION_PARSE_OK;
        if (only_operands || text[0] != '-' || text[1] == '\0')
            arguments[operands++] = text;
        else if (strcmp(text, "--") == 0)
            only_operands = true;
        else if (text[1] == '-')
            status = parse_long(&parsing, text + 2);
        else
            status = parse_letters(&parsing, text + 1);
        if (status != OPTION_PARSE_OK)
            return status;
    }
    *operand_count = operands;
    set_defaults(&parsing);
    return check_complete(&parsing, operands);
}
