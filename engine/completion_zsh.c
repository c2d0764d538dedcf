/* The specifications of zsh's _arguments (zshcompsys(1)), one an option, in single quotes. */
#include <string.h>

#include "engine/completion.h"
#include "engine/option_value.h"
#include "filters/module.h"

/* Inside single quotes; what stands in `special` gets a backslash for _arguments. */
static void append_quoted(struct buffer *output, const char *text, size_t length, const char *special)
{
    for (size_t index = 0; index < length; index++) {
        if (text[index] == '\'') {
            buffer_append_string(output, "'\\''");
            continue;
        }
        if (strchr(special, text[index]))
            buffer_append_char(output, '\\');
        buffer_append_char(output, text[index]);
    }
}

/* Up to its first stop: a line of the menu. */
static size_t sentence_length(const char *text)
{
    const char *stop = strstr(text, ". ");
    size_t length = stop ? (size_t)(stop - text) : strlen(text);
    return !stop && length && text[length - 1] == '.' ? length - 1 : length;
}

static void append_names(struct buffer *output, const struct subcommand *const *all)
{
    buffer_append_string(output, "_weir_subcommands=(\n");
    for (; *all; all++) {
        buffer_append_format(output, "    '%s:", (*all)->name);
        append_quoted(output, (*all)->summary, strlen((*all)->summary), "\\");
        buffer_append_string(output, "'\n");
    }
    buffer_append_string(output, "    'help:show the page of a subcommand'\n)\n_weir_modules=(\n");
    for (size_t index = 0; module_registry[index]; index++) {
        const char *summary = module_registry[index]->summary;
        buffer_append_format(output, "    '%s:", module_registry[index]->name);
        append_quoted(output, summary, sentence_length(summary), "\\");
        buffer_append_string(output, "'\n");
    }
    buffer_append_string(output, ")\n_weir_callbacks=(\n");
    for (size_t index = 0; index < CALLBACK_COUNT; index++)
        buffer_append_format(output, "    %s\n", callback_definitions[index].name);
    buffer_append_string(output, ")\n\n");
}

/* ":MESSAGE:ACTION" of a value. Words that are written as they stand come before files, if both are there. */
static void append_action(struct buffer *output, const char *words)
{
    static const char *const actions[] = {
        [OPTION_VALUE_FILE] = "_files",
        [OPTION_VALUE_MODULE] = "_weir_module",
        [OPTION_VALUE_CALLBACK] = "_weir_callback",
        [OPTION_VALUE_UNKNOWN] = NULL,
    };
    struct slice rest = slice_from_string(words), word;
    enum option_value value;
    const char *action = NULL;
    struct buffer literals = {0};
    while (option_value_next(&rest, &word, &value)) {
        if (value == OPTION_VALUE_LITERAL)
            buffer_append_format(&literals, "%s%.*s", literals.length ? " " : "", (int)word.length, word.data);
        else if (actions[value])
            action = actions[value];
    }
    buffer_append_char(output, ':');
    append_quoted(output, words, strlen(words), ":\\");
    buffer_append_char(output, ':');
    if (action)
        buffer_append_string(output, action);
    else if (literals.length)
        buffer_append_format(output, "(%s)", buffer_string(&literals));
    buffer_free(&literals);
}

static void append_option(struct buffer *output, const struct option_definition *option)
{
    const char *more = option->type == OPTION_TEXTS ? "*" : "";
    buffer_append_string(output, "                '");
    if (option->letter && !*more)
        buffer_append_format(output, "(-%c --%s)", option->letter, option->name);
    buffer_append_string(output, more);
    if (option->letter && option->argument)
        buffer_append_format(output, "'{-%c+,--%s=}'", option->letter, option->name);
    else if (option->letter)
        buffer_append_format(output, "'{-%c,--%s}'", option->letter, option->name);
    else
        buffer_append_format(output, "--%s%s", option->name, option->argument ? "=" : "");
    buffer_append_char(output, '[');
    append_quoted(output, option->text, sentence_length(option->text), "[]\\");
    buffer_append_char(output, ']');
    if (option->argument)
        append_action(output, option->argument);
    buffer_append_string(output, "' \\\n");
}

static void append_subcommand(struct buffer *output, const struct subcommand *subcommand)
{
    buffer_append_format(output, "        %s)\n            _arguments -s \\\n", subcommand->name);
    for (const struct option_definition *option = subcommand->options; option && option->name; option++)
        append_option(output, option);
    buffer_append_string(output, "                '(-h --help)'{-h,--help}'[Shows this page]'");
    if (subcommand->operand) {
        buffer_append_format(output, " \\\n                '%s", subcommand->maximum_operands > 1 ? "*" : "1");
        append_action(output, subcommand->operand);
        buffer_append_char(output, '\'');
    }
    buffer_append_string(output, "\n            ;;\n");
}

void completion_append_zsh(struct buffer *output, const struct subcommand *const *all)
{
    buffer_append_string(output, "#compdef weir\n# Completes command lines of weir in zsh; printed by `weir completion "
                                 "zsh`.\n"
                                 "_weir_module() { _describe module _weir_modules }\n"
                                 "_weir_callback() { _describe callback _weir_callbacks }\n\n"
                                 "_weir() {\n"
                                 "local -a _weir_subcommands _weir_modules _weir_callbacks\n");
    append_names(output, all);
    buffer_append_string(output, "    if (( CURRENT == 2 )); then\n"
                                 "        _describe subcommand _weir_subcommands\n"
                                 "        compadd -- --help --version\n"
                                 "        return\n"
                                 "    fi\n"
                                 "    shift words\n"
                                 "    (( CURRENT-- ))\n"
                                 "    case $words[1] in\n"
                                 "        help)\n"
                                 "            _describe subcommand _weir_subcommands\n"
                                 "            ;;\n");
    for (; *all; all++)
        append_subcommand(output, *all);
    buffer_append_string(output, "    esac\n"
                                 "}\n\n"
                                 "if [[ $funcstack[1] == _weir ]]; then\n"
                                 "    _weir \"$@\"\n"
                                 "else\n"
                                 "    compdef _weir weir\n"
                                 "fi\n");
}
