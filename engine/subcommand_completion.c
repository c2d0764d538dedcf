/* `weir completion`: what a shell needs to complete command lines. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "engine/completion.h"

static const struct {
    const char *name;
    void (*append)(struct buffer *output, const struct subcommand *const *all);
} shells[] = {{"bash", completion_append_bash}, {"zsh", completion_append_zsh}};

static int completion_run(const void *options, char **operands, size_t operand_count)
{
    (void)options, (void)operand_count;
    for (size_t index = 0; index < sizeof shells / sizeof *shells; index++) {
        if (strcmp(shells[index].name, operands[0]) != 0)
            continue;
        struct buffer output = {0};
        shells[index].append(&output, subcommands);
        bool written = fwrite(output.data, 1, output.length, stdout) == output.length && fflush(stdout) == 0;
        buffer_free(&output);
        return written ? EXIT_CODE_OK : EXIT_CODE_FAILED;
    }
    fprintf(stderr, "weir completion: \"%s\" must be one of: bash, zsh\n", operands[0]);
    return EXIT_CODE_USAGE;
}

static const struct option_definition completion_options[] = {{.name = NULL}};

const struct subcommand subcommand_completion = {
    .name = "completion",
    .summary = "print the script by which bash or zsh completes command lines of weir",
    .synopsis = "weir completion bash|zsh",
    .description =
        "Prints a script that completes subcommands, options, files, and the names of modules and callbacks. "
        "`make install` puts both where the shells look for them.",
    .examples = " source <(weir completion bash)                      # in ~/.bashrc\n"
                " weir completion zsh >/usr/local/share/zsh/site-functions/_weir",
    .options = completion_options,
    .operand = "bash|zsh",
    .minimum_operands = 1,
    .maximum_operands = 1,
    .run = completion_run,
};
