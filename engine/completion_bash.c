/* One function with the options, the values and the operands of each subcommand in a `case`. What follows `=` is a word
 * of its own to bash (COMP_WORDBREAKS), so that `--config=we` is completed like `--config we`. */
#include "engine/completion.h"
#include "engine/option_value.h"
#include "filters/module.h"

static const char bash_head[] =
    "_weir()\n"
    "{\n"
    "    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
    "    local options= operand= operand_files= value= value_files= takes_value=\n"
    "    COMPREPLY=()\n"
    "    if ((COMP_CWORD == 1)); then\n"
    "        COMPREPLY=($(compgen -W \"$_weir_subcommands help --help --version\" -- \"$current\"))\n"
    "        return\n"
    "    fi\n"
    "    if [[ $current == = ]]; then\n"
    "        current=\n"
    "    elif [[ $before == = ]]; then\n"
    "        before=${COMP_WORDS[COMP_CWORD-2]}\n"
    "    fi\n"
    "    case ${COMP_WORDS[1]} in\n"
    "        help)\n"
    "            operand=$_weir_subcommands\n"
    "            ;;\n";

static const char bash_tail[] = "    esac\n"
                                "    if [[ ! $takes_value ]]; then\n"
                                "        if [[ $current == -?* ]]; then\n"
                                "            COMPREPLY=($(compgen -W \"$options\" -- \"$current\"))\n"
                                "            return\n"
                                "        fi\n"
                                "        value=$operand value_files=$operand_files\n"
                                "        [[ $current || $value || $value_files ]] || value=$options\n"
                                "    fi\n"
                                "    COMPREPLY=($(compgen -W \"$value\" -- \"$current\"))\n"
                                "    if [[ $value_files ]]; then\n"
                                "        local path\n"
                                "        while IFS= read -r path; do\n"
                                "            COMPREPLY+=(\"$path\")\n"
                                "        done < <(compgen -f -- \"$current\")\n"
                                "        compopt -o filenames 2>/dev/null\n"
                                "    fi\n"
                                "}\n"
                                "complete -F _weir weir\n";

static void append_subcommands(struct buffer *output, const struct subcommand *const *all)
{
    buffer_append_string(output, "_weir_subcommands='");
    for (size_t index = 0; all[index]; index++)
        buffer_append_format(output, "%s%s", index ? " " : "", all[index]->name);
    buffer_append_string(output, "'\n_weir_modules='");
    for (size_t index = 0; module_registry[index]; index++)
        buffer_append_format(output, "%s%s", index ? " " : "", module_registry[index]->name);
    buffer_append_string(output, "'\n_weir_callbacks='");
    for (size_t index = 0; index < CALLBACK_COUNT; index++)
        buffer_append_format(output, "%s%s", index ? " " : "", callback_definitions[index].name);
    buffer_append_string(output, "'\n");
}

/* The assignments to `NAME` and `NAME_files` that stand for a value. */
static void append_value(struct buffer *output, const char *name, const char *words)
{
    struct slice rest = slice_from_string(words), word;
    enum option_value value;
    bool files = false, any = false;
    struct buffer list = {0};
    while (option_value_next(&rest, &word, &value)) {
        const char *space = list.length ? " " : "";
        files = files || value == OPTION_VALUE_FILE;
        if (value == OPTION_VALUE_LITERAL)
            buffer_append_format(&list, "%s%.*s", space, (int)word.length, word.data);
        else if (value == OPTION_VALUE_MODULE)
            buffer_append_format(&list, "%s$_weir_modules", space);
        else if (value == OPTION_VALUE_CALLBACK)
            buffer_append_format(&list, "%s$_weir_callbacks", space);
    }
    any = list.length > 0;
    if (any)
        buffer_append_format(output, " %s=\"%s\"", name, buffer_string(&list));
    if (files)
        buffer_append_format(output, " %s_files=yes", name);
    buffer_free(&list);
}

static void append_options(struct buffer *output, const struct option_definition *option)
{
    buffer_append_string(output, "            options='");
    for (; option && option->name; option++) {
        if (option->letter)
            buffer_append_format(output, "-%c ", option->letter);
        buffer_append_format(output, "--%s ", option->name);
    }
    buffer_append_string(output, "-h --help'\n");
}

static void append_option_values(struct buffer *output, const struct option_definition *option)
{
    bool open = false;
    for (; option && option->name; option++) {
        if (option->type == OPTION_FLAG)
            continue;
        if (!open)
            buffer_append_string(output, "            case $before in\n");
        open = true;
        buffer_append_format(output, "                --%s", option->name);
        if (option->letter)
            buffer_append_format(output, " | -%c", option->letter);
        buffer_append_string(output, ") takes_value=yes");
        append_value(output, "value", option->argument);
        buffer_append_string(output, " ;;\n");
    }
    if (open)
        buffer_append_string(output, "            esac\n");
}

void completion_append_bash(struct buffer *output, const struct subcommand *const *all)
{
    buffer_append_string(output, "# Completes command lines of weir in bash; printed by `weir completion bash`.\n");
    append_subcommands(output, all);
    buffer_append_string(output, bash_head);
    for (; *all; all++) {
        buffer_append_format(output, "        %s)\n", (*all)->name);
        append_options(output, (*all)->options);
        if ((*all)->operand) {
            struct buffer operand = {0};
            append_value(&operand, "operand", (*all)->operand);
            if (operand.length)
                buffer_append_format(output, "           %s\n", buffer_string(&operand));
            buffer_free(&operand);
        }
        append_option_values(output, (*all)->options);
        buffer_append_string(output, "            ;;\n");
    }
    buffer_append_string(output, bash_tail);
}
