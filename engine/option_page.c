/* The help pages, in the order and with the headings of a manual page, from the same table that the parser reads. */
#include "engine/option_parser.h"
#include "engine/text_layout.h"

#define PAGE_WIDTH 90u
#define PAGE_INDENT 7u
#define TEXT_INDENT 11u

const struct option_exit_meaning option_exit_meanings[] = {
    {EXIT_CODE_OK, "It was done."},
    {EXIT_CODE_FAILED, "It could not be done: a file, a server or the network failed. The reason is on stderr."},
    {EXIT_CODE_USAGE, "The command line is wrong."},
    {EXIT_CODE_CONFIGURATION, "The configuration is wrong; every error is on stderr with its line and column."},
    {EXIT_CODE_OK, NULL},
};

const char option_weir_description[] =
    "Follows the replication stream of a Synapse deployment on Redis, asks an ordered chain of modules about "
    "each event, and publishes their verdicts on Redis.";

static void append_heading(struct buffer *output, const char *heading)
{
    buffer_append_format(output, "%s%s\n", output->length ? "\n" : "", heading);
}

static void append_text(struct buffer *output, const char *heading, const char *text)
{
    append_heading(output, heading);
    text_append_wrapped(output, text, PAGE_INDENT, PAGE_WIDTH);
}

static void append_options(struct buffer *output, const struct option_definition *option)
{
    append_heading(output, "OPTIONS");
    for (; option && option->name; option++) {
        buffer_append_format(output, "%*s", (int)PAGE_INDENT, "");
        if (option->letter)
            buffer_append_format(output, "-%c%s%s, ", option->letter, option->argument ? " " : "",
                                 option->argument ? option->argument : "");
        buffer_append_format(output, "--%s%s%s%s\n", option->name, option->argument ? " " : "",
                             option->argument ? option->argument : "", option->required ? " (required)" : "");
        text_append_wrapped(output, option->text, TEXT_INDENT, PAGE_WIDTH);
        if (option->type == OPTION_CONFIGURATION)
            text_append_wrapped(output, "Default: " OPTION_CONFIGURATION_DEFAULT ".", TEXT_INDENT, PAGE_WIDTH);
    }
    buffer_append_format(output, "%*s-h, --help\n%*sShows this page.\n", (int)PAGE_INDENT, "", (int)TEXT_INDENT, "");
}

static void append_exit_status(struct buffer *output, const char *more)
{
    static const size_t widths[] = {2, PAGE_WIDTH - TEXT_INDENT};
    append_heading(output, "EXIT STATUS");
    for (size_t index = 0; option_exit_meanings[index].meaning; index++) {
        char code[2] = {(char)('0' + option_exit_meanings[index].code), '\0'};
        text_append_row(output, (const char *const[]){code, option_exit_meanings[index].meaning}, widths, 2,
                        PAGE_INDENT);
    }
    if (more) {
        buffer_append_char(output, '\n');
        text_append_wrapped(output, more, PAGE_INDENT, PAGE_WIDTH);
    }
}

/* Command lines, each on a line of its own however long it is: a space in front keeps a line as it is. */
static void append_examples(struct buffer *output, const char *examples)
{
    struct buffer lines = {0};
    for (const char *line = examples; *line;) {
        size_t length = strcspn(line, "\n");
        buffer_append_string(&lines, *line == ' ' ? "" : " ");
        buffer_append(&lines, line, length);
        buffer_append_char(&lines, '\n');
        line += length + (line[length] == '\n');
    }
    append_text(output, "EXAMPLES", buffer_string(&lines));
    buffer_free(&lines);
}

void option_append_page(struct buffer *output, const struct subcommand *subcommand)
{
    append_heading(output, "NAME");
    buffer_append_format(output, "%*sweir %s - %s\n", (int)PAGE_INDENT, "", subcommand->name, subcommand->summary);
    append_text(output, "SYNOPSIS", subcommand->synopsis);
    append_text(output, "DESCRIPTION", subcommand->description);
    append_options(output, subcommand->options);
    append_exit_status(output, subcommand->exit_status);
    if (subcommand->examples)
        append_examples(output, subcommand->examples);
}

void option_append_overview(struct buffer *output, const struct subcommand *const *all)
{
    static const size_t widths[] = {10, PAGE_WIDTH - PAGE_INDENT - 12};
    append_text(output, "NAME", "weir - event-filter engine beside Synapse, the Matrix homeserver");
    append_text(output, "SYNOPSIS",
                " weir SUBCOMMAND [OPTION]... [ARGUMENT]...\n weir help [SUBCOMMAND]\n weir --version");
    append_text(output, "DESCRIPTION", option_weir_description);
    append_heading(output, "SUBCOMMANDS");
    for (; *all; all++)
        text_append_row(output, (const char *const[]){(*all)->name, (*all)->summary}, widths, 2, PAGE_INDENT);
    append_exit_status(output, NULL);
    append_text(output, "EXAMPLES",
                " weir check -c weir.yaml    shows what a configuration does, or all that is wrong with it\n"
                " weir run -c weir.yaml      runs the engine\n"
                " weir help replay           shows the page of one subcommand");
}
