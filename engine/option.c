/* From argv to a subcommand: what is common to all of them, so that each is only its own table and its work. */
#include "engine/option.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/option_parser.h"
#include "filters/parameter.h"

#define SUBCOMMANDS_MAXIMUM 63u

/* Writes a page to stdout: it was asked for. */
static int print_page(struct buffer *page)
{
    bool written = fwrite(page->data, 1, page->length, stdout) == page->length && fflush(stdout) == 0;
    buffer_free(page);
    return written ? EXIT_CODE_OK : EXIT_CODE_FAILED;
}

static const struct subcommand *find_subcommand(const char *name)
{
    for (const struct subcommand *const *subcommand = subcommands; *subcommand; subcommand++)
        if (strcmp((*subcommand)->name, name) == 0)
            return *subcommand;
    return NULL;
}

static int unknown_subcommand(const char *name)
{
    const char *names[SUBCOMMANDS_MAXIMUM + 4] = {"help", "--help", "--version"};
    for (size_t index = 0; subcommands[index] && index < SUBCOMMANDS_MAXIMUM; index++)
        names[index + 3] = subcommands[index]->name;
    const char *nearest = nearest_word(name, names);
    fprintf(stderr, "weir: unknown %s \"%s\"", *name == '-' ? "option" : "subcommand", name);
    if (nearest)
        fprintf(stderr, "; did you mean \"%s\"?", nearest);
    fprintf(stderr, "\nTry: weir help\n");
    return EXIT_CODE_USAGE;
}

static int print_help(const char *name)
{
    struct buffer page = {0};
    if (!name) {
        option_append_overview(&page, subcommands);
        return print_page(&page);
    }
    const struct subcommand *subcommand = find_subcommand(name);
    if (!subcommand)
        return unknown_subcommand(name);
    option_append_page(&page, subcommand);
    return print_page(&page);
}

static int run_subcommand(const struct subcommand *subcommand, char **arguments, size_t count)
{
    struct buffer error = {0};
    size_t operands = 0;
    void *options = memory_allocate_zeroed(1, subcommand->options_size ? subcommand->options_size : 1);
    int code = EXIT_CODE_USAGE;
    switch (option_parse(subcommand, arguments, count, options, &operands, &error)) {
    case OPTION_PARSE_OK:
        code = subcommand->run(options, arguments, operands);
        break;
    case OPTION_PARSE_HELP:
        code = print_help(subcommand->name);
        break;
    case OPTION_PARSE_WRONG:
        fprintf(stderr, "weir %s: %s\nTry: weir %s --help\n", subcommand->name, buffer_string(&error),
                subcommand->name);
        break;
    }
    buffer_free(&error);
    free(options);
    return code;
}

int subcommand_main(int argc, char **argv)
{
    if (argc < 1) {
        struct buffer page = {0};
        option_append_overview(&page, subcommands);
        fwrite(page.data, 1, page.length, stderr);
        buffer_free(&page);
        return EXIT_CODE_USAGE;
    }
    const char *name = argv[0];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return print_help(NULL);
    if (strcmp(name, "help") == 0)
        return print_help(argc > 1 && strcmp(argv[1], "--help") != 0 ? argv[1] : NULL);
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
        name = "version";
    const struct subcommand *subcommand = find_subcommand(name);
    return subcommand ? run_subcommand(subcommand, argv + 1, (size_t)argc - 1) : unknown_subcommand(name);
}
