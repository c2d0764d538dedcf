/* `weir version`: the versions that a bug report needs. */
#include <stddef.h>
#include <stdio.h>

#include "engine/libraries.h"
#include "engine/option.h"

struct version_options {
    bool json;
};

static const struct option_definition version_options[] = {
    {.name = "json",
     .type = OPTION_FLAG,
     .offset = offsetof(struct version_options, json),
     .text = "Prints a JSON object: `version`, and for each of `libraries` what it was `compiled` with and what is "
             "`running`."},
    {.name = NULL},
};

static int version_run(const void *options_, char **operands, size_t operand_count)
{
    const struct version_options *options = options_;
    (void)operands, (void)operand_count;
    struct buffer output = {0};
    if (options->json) {
        buffer_append_string(&output, "{\"version\":\"" WEIR_VERSION "\",\"libraries\":");
        libraries_append_json(&output);
        buffer_append_string(&output, "}\n");
    } else {
        buffer_append_string(&output, "weir " WEIR_VERSION "\n");
        libraries_append_text(&output);
    }
    bool written = fwrite(output.data, 1, output.length, stdout) == output.length && fflush(stdout) == 0;
    buffer_free(&output);
    return written ? EXIT_CODE_OK : EXIT_CODE_FAILED;
}

const struct subcommand subcommand_version = {
    .name = "version",
    .summary = "show the version of weir and of its libraries",
    .synopsis = "weir version [--json]",
    .description = "Prints weir's version on the first line, then the libraries, one a line: the version that weir was "
                   "built with, and the one that is loaded now. `-` stands where a library does not tell, and for "
                   "libcurl, which is loaded when it is needed, where it is not installed.",
    .examples = " weir version\n weir version --json",
    .options = version_options,
    .options_size = sizeof(struct version_options),
    .run = version_run,
};
