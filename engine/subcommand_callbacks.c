/* `weir callbacks`: the table of callbacks, for people and as the reference page. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "engine/openapi.h"
#include "engine/option.h"
#include "engine/reference.h"
#include "filters/parameter.h"

struct callbacks_options {
    bool markdown;
    bool openapi;
};

static const struct option_definition callbacks_options[] = {
    {.name = "markdown",
     .type = OPTION_FLAG,
     .offset = offsetof(struct callbacks_options, markdown),
     .text = "Prints the reference page in Markdown."},
    {.name = "openapi",
     .type = OPTION_FLAG,
     .offset = offsetof(struct callbacks_options, openapi),
     .text = "Prints the OpenAPI description of the HTTP API, as GET /openapi.json has it."},
    {.name = NULL},
};

static int unknown_callback(const char *name)
{
    const char *names[CALLBACK_COUNT + 1] = {0};
    for (int callback = 0; callback < CALLBACK_COUNT; callback++)
        names[callback] = callback_definitions[callback].name;
    const char *nearest = nearest_word(name, names);
    fprintf(stderr, "weir callbacks: unknown callback \"%s\"%s%s%s\n", name, nearest ? "; did you mean \"" : "",
            nearest ? nearest : "", nearest ? "\"?" : "");
    return EXIT_CODE_FAILED;
}

static int callbacks_run(const void *options_, char **operands, size_t operand_count)
{
    const struct callbacks_options *options = options_;
    enum callback only = operand_count ? callback_find(slice_from_string(operands[0])) : CALLBACK_UNKNOWN;
    if (operand_count && only == CALLBACK_UNKNOWN)
        return unknown_callback(operands[0]);
    struct buffer output = {0};
    bool page = options->markdown || options->openapi;
    if (options->openapi)
        openapi_append(&output);
    else if (options->markdown)
        reference_append_callbacks(&output);
    for (int callback = 0; !page && callback < CALLBACK_COUNT; callback++)
        if (only == CALLBACK_UNKNOWN || only == (enum callback)callback)
            reference_append_callback(&output, (enum callback)callback);
    bool written = fwrite(output.data, 1, output.length, stdout) == output.length && fflush(stdout) == 0;
    buffer_free(&output);
    return written ? EXIT_CODE_OK : EXIT_CODE_FAILED;
}

const struct subcommand subcommand_callbacks = {
    .name = "callbacks",
    .summary = "list the callbacks of Synapse's modules and how their answers combine",
    .synopsis = "weir callbacks [NAME] [--markdown|--openapi]",
    .description =
        "Prints each callback that a module may register: when Synapse asks it, its arguments, since which "
        "version it exists, how the answers of several modules combine by the rules of the newest release and "
        "of v1.47 (`semantics` in the configuration), and what a module's failure means. With NAME, that "
        "callback alone.",
    .exit_status = "1 is also the answer to an unknown NAME.",
    .examples =
        " weir callbacks user_may_invite\n weir callbacks --markdown\n weir callbacks --openapi >weir-openapi.json",
    .options = callbacks_options,
    .options_size = sizeof(struct callbacks_options),
    .operand = "CALLBACK",
    .maximum_operands = 1,
    .run = callbacks_run,
};
