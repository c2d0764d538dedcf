/* `weir manual`: the pages that `make install` puts where man(1) looks, and one for a reader of Markdown. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "engine/manual.h"
#include "engine/option.h"
#include "engine/reference.h"

static const struct {
    const char *name;
    void (*append)(struct buffer *output);
} pages[] = {{"weir.1", manual_append_program},
             {"weir.yaml.5", manual_append_configuration},
             {"weir-modules.7", manual_append_modules},
             {"configuration.md", reference_append_configuration}};

static int manual_run(const void *options, char **operands, size_t operand_count)
{
    (void)options, (void)operand_count;
    for (size_t index = 0; index < sizeof pages / sizeof *pages; index++) {
        if (strcmp(pages[index].name, operands[0]) != 0)
            continue;
        struct buffer output = {0};
        pages[index].append(&output);
        bool written = fwrite(output.data, 1, output.length, stdout) == output.length && fflush(stdout) == 0;
        buffer_free(&output);
        return written ? EXIT_CODE_OK : EXIT_CODE_FAILED;
    }
    fprintf(stderr, "weir manual: \"%s\" must be one of: weir.1, weir.yaml.5, weir-modules.7, configuration.md\n",
            operands[0]);
    return EXIT_CODE_USAGE;
}

static const struct option_definition manual_options[] = {{.name = NULL}};

const struct subcommand subcommand_manual = {
    .name = "manual",
    .summary = "print a manual page",
    .synopsis = "weir manual weir.1|weir.yaml.5|weir-modules.7|configuration.md",
    .description =
        "Prints a page made from the program's own tables, in roff: of the subcommands, of the keys of the "
        "configuration, or of the modules and callbacks. The last one is the page of the configuration in Markdown.",
    .examples =
        " weir manual weir.yaml.5 | man -l -\n weir manual weir-modules.7 >/usr/local/share/man/man7/weir-modules.7",
    .options = manual_options,
    .operand = "weir.1|weir.yaml.5|weir-modules.7|configuration.md",
    .minimum_operands = 1,
    .maximum_operands = 1,
    .run = manual_run,
};
