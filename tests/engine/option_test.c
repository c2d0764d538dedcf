/* Command lines of an invented subcommand, and the page made from its table. */
#include "engine/option_parser.h"

#include <criterion/criterion.h>
#include <stddef.h>
#include <stdio.h>

#include "engine/text_layout.h"

struct sample_options {
    const char *config;
    const char *output;
    bool all;
    bool loop;
    struct option_texts files;
};

static const struct option_definition definitions[] = {
    {.name = "config",
     .letter = 'c',
     .type = OPTION_TEXT,
     .offset = offsetof(struct sample_options, config),
     .argument = "FILE",
     .required = true,
     .text = "The configuration."},
    {.name = "output",
     .type = OPTION_TEXT,
     .offset = offsetof(struct sample_options, output),
     .argument = "FILE",
     .text = "Where to write."},
    {.name = "all",
     .letter = 'a',
     .type = OPTION_FLAG,
     .offset = offsetof(struct sample_options, all),
     .text = "Everything."},
    {.name = "loop",
     .letter = 'l',
     .type = OPTION_FLAG,
     .offset = offsetof(struct sample_options, loop),
     .text = "Again and again."},
    {.name = "files",
     .letter = 'f',
     .type = OPTION_TEXTS,
     .offset = offsetof(struct sample_options, files),
     .argument = "FILE…",
     .text = "Some files."},
    {.name = NULL},
};

static int sample_run(const void *options, char **operands, size_t operand_count)
{
    (void)options, (void)operands, (void)operand_count;
    return EXIT_CODE_OK;
}

static const struct subcommand sample = {
    .name = "sample",
    .summary = "does nothing",
    .synopsis = "weir sample -c FILE RECORDING [OTHER]",
    .description = "First paragraph.\n\nSecond paragraph.",
    .examples = " weir sample -c x y\nweir sample -c x z",
    .options = definitions,
    .options_size = sizeof(struct sample_options),
    .minimum_operands = 1,
    .maximum_operands = 2,
    .run = sample_run,
};

/* Splits `line` at spaces and parses it. */
static enum option_parse_status parse(const char *line, struct sample_options *options, char **arguments,
                                      size_t *operands, struct buffer *error)
{
    static char copy[200];
    size_t count = 0;
    snprintf(copy, sizeof copy, "%s", line);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
        arguments[count++] = word;
    *options = (struct sample_options){0};
    buffer_clear(error);
    return option_parse(&sample, arguments, count, options, operands, error);
}

Test(option, every_form_of_an_option_is_read)
{
    static const char *const lines[] = {
        "-c file --all --output out rec", "--config file -a --output=out rec",
        "rec -cfile --output=out --all",  "--config=file rec --output out -a",
        "-acfile --output=out rec",       "-c other -c file -a --output out rec",
        "-c file -a --output out -- rec",
    };
    struct buffer error = {0};
    for (size_t index = 0; index < sizeof lines / sizeof *lines; index++) {
        struct sample_options options;
        char *arguments[20];
        size_t operands = 0;
        cr_assert_eq(parse(lines[index], &options, arguments, &operands, &error), OPTION_PARSE_OK, "%s: %s",
                     lines[index], buffer_string(&error));
        cr_expect_str_eq(options.config, "file", "%s", lines[index]);
        cr_expect_str_eq(options.output, "out", "%s", lines[index]);
        cr_expect(options.all, "%s", lines[index]);
        cr_expect_not(options.loop, "%s", lines[index]);
        cr_assert_eq(operands, 1, "%s", lines[index]);
        cr_expect_str_eq(arguments[0], "rec", "%s", lines[index]);
    }
    buffer_free(&error);
}

Test(option, operands_may_look_like_options_behind_two_dashes)
{
    struct buffer error = {0};
    struct sample_options options;
    char *arguments[20];
    size_t operands = 0;
    cr_assert_eq(parse("-c file - -- --all", &options, arguments, &operands, &error), OPTION_PARSE_OK);
    cr_assert_eq(operands, 2);
    cr_assert_str_eq(arguments[0], "-");
    cr_assert_str_eq(arguments[1], "--all");
    cr_assert_not(options.all);
    cr_assert_eq(parse("-c file --output=", &options, arguments, &operands, &error), OPTION_PARSE_WRONG);
    cr_assert_str_eq(options.output, "");
    buffer_free(&error);
}

Test(option, mistakes_are_named)
{
    static const struct {
        const char *line;
        const char *error;
    } cases[] = {
        {"-c file --ouput x rec", "unknown option --ouput; did you mean --output?"},
        {"-c file --entirely rec", "unknown option --entirely"},
        {"-c file -x rec", "unknown option -x"},
        {"-c file --all=yes rec", "--all takes no value"},
        {"rec -c", "--config needs a value: --config FILE"},
        {"rec", "--config FILE is missing"},
        {"-c file", "an argument is missing: weir sample -c FILE RECORDING [OTHER]"},
        {"-c file a b c d", "\"c\" is one argument too many"},
    };
    struct buffer error = {0};
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        struct sample_options options;
        char *arguments[20];
        size_t operands = 0;
        cr_expect_eq(parse(cases[index].line, &options, arguments, &operands, &error), OPTION_PARSE_WRONG);
        cr_expect_str_eq(buffer_string(&error), cases[index].error);
    }
    struct sample_options options;
    char *arguments[20];
    size_t operands = 0;
    cr_expect_eq(parse("--help", &options, arguments, &operands, &error), OPTION_PARSE_HELP);
    cr_expect_eq(parse("a -h", &options, arguments, &operands, &error), OPTION_PARSE_HELP);
    buffer_free(&error);
}

Test(option, the_page_has_the_parts_of_a_manual_page)
{
    struct buffer page = {0};
    option_append_page(&page, &sample);
    const char *text = buffer_string(&page);
    static const char *const parts[] = {
        "NAME\n       weir sample - does nothing\n",
        "\nSYNOPSIS\n",
        "\nDESCRIPTION\n       First paragraph.\n\n       Second paragraph.\n",
        "\nOPTIONS\n       -c FILE, --config FILE (required)\n           The configuration.\n",
        "\n       -h, --help\n",
        "\nEXIT STATUS\n       0   It was done.\n",
        "\nEXAMPLES\n        weir sample -c x y\n        weir sample -c x z\n"};
    for (size_t index = 0; index < sizeof parts / sizeof *parts; index++)
        cr_expect_not_null(strstr(text, parts[index]), "%s\nis not in\n%s", parts[index], text);
    buffer_free(&page);
}

Test(option, texts_and_tables_wrap)
{
    struct buffer output = {0};
    text_append_wrapped(&output, "one two three four\nfive\n\n kept   as it is and long\nsix", 2, 12);
    cr_expect_str_eq(buffer_string(&output), "  one two\n  three four\n  five\n\n   kept   as it is and long\n  six\n");
    buffer_clear(&output);
    static const size_t widths[] = {4, 8, 5};
    text_append_row(&output, (const char *const[]){"a", "list of texts", "toolong word"}, widths, 3, 1);
    cr_expect_str_eq(buffer_string(&output), " a     list of   toolong\n       texts     word\n");
    buffer_free(&output);
}

Test(option, the_exit_codes_of_subcommand_main)
{
    cr_assert_eq(subcommand_main(0, NULL), EXIT_CODE_USAGE);
    cr_assert_eq(subcommand_main(1, (char *[]){"--help", NULL}), EXIT_CODE_OK);
    cr_assert_eq(subcommand_main(1, (char *[]){"--version", NULL}), EXIT_CODE_OK);
    cr_assert_eq(subcommand_main(2, (char *[]){"help", "check", NULL}), EXIT_CODE_OK);
    cr_assert_eq(subcommand_main(2, (char *[]){"check", "--help", NULL}), EXIT_CODE_OK);
    cr_assert_eq(subcommand_main(1, (char *[]){"chekc", NULL}), EXIT_CODE_USAGE);
    cr_assert_eq(subcommand_main(1, (char *[]){"replay", NULL}), EXIT_CODE_USAGE);
    cr_assert_eq(subcommand_main(3, (char *[]){"check", "-c", "/nowhere/weir.yaml", NULL}), EXIT_CODE_CONFIGURATION);
    cr_assert_eq(subcommand_main(2, (char *[]){"modules", "keyword", NULL}), EXIT_CODE_FAILED);
    cr_assert_eq(subcommand_main(2, (char *[]){"modules", "keywords", NULL}), EXIT_CODE_OK);
}

Test(option, several_values_up_to_the_next_option)
{
    static const struct {
        const char *line;
        const char *files;
        size_t operands;
    } cases[] = {
        {"-c x rec --files a b c", "a b c ", 1},
        {"rec --files a b -c x", "a b ", 1},
        {"rec --files a -c x --files b c", "a b c ", 1},
        {"rec --files=a b -c x", "a b ", 1},
        {"-c x -fa b -- rec", "a b ", 1},
        {"-c x rec", "", 1},
    };
    struct buffer error = {0}, files = {0};
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        struct sample_options options;
        char *arguments[20];
        size_t operands = 0;
        cr_assert_eq(parse(cases[index].line, &options, arguments, &operands, &error), OPTION_PARSE_OK, "%s: %s",
                     cases[index].line, buffer_string(&error));
        buffer_clear(&files);
        for (size_t file = 0; file < options.files.count; file++)
            buffer_append_format(&files, "%s ", options.files.items[file]);
        cr_expect_str_eq(buffer_string(&files), cases[index].files, "%s", cases[index].line);
        cr_expect_eq(operands, cases[index].operands);
    }
    buffer_free(&error);
    buffer_free(&files);
}

Test(option, a_configuration_has_a_default)
{
    static const struct option_definition table[] = {
        {.name = "config",
         .letter = 'c',
         .type = OPTION_CONFIGURATION,
         .argument = "FILE",
         .text = "The configuration."},
        {.name = NULL},
    };
    const struct subcommand with_default = {.name = "x", .options = table, .options_size = sizeof(const char *)};
    struct buffer error = {0};
    const char *configuration = NULL;
    size_t operands;
    cr_expect_eq(option_parse(&with_default, NULL, 0, &configuration, &operands, &error), OPTION_PARSE_OK);
    cr_expect_str_eq(configuration, "/etc/weir/weir.yaml");
    char *arguments[] = {"-c", "other.yaml"};
    cr_expect_eq(option_parse(&with_default, arguments, 2, &configuration, &operands, &error), OPTION_PARSE_OK);
    cr_expect_str_eq(configuration, "other.yaml");
    buffer_free(&error);
}
