/* `weir check`: what a configuration means, before an engine runs with it. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/check_report.h"
#include "engine/option.h"

struct check_options {
    const char *configuration;
    const char *purpose;
};

static const struct option_definition check_options[] = {
    {.name = "config",
     .letter = 'c',
     .type = OPTION_CONFIGURATION,
     .offset = offsetof(struct check_options, configuration),
     .argument = "FILE",
     .text = "The configuration."},
    {.name = "for",
     .type = OPTION_TEXT,
     .offset = offsetof(struct check_options, purpose),
     .argument = "run|replay|client",
     .text = "What the configuration is needed for: `run` (the default), `replay` (needs no Redis and no source of "
             "bodies) or `client` (play and tail; modules are not looked at)."},
    {.name = NULL},
};

static bool parse_purpose(const char *name, enum configuration_purpose *purpose)
{
    static const struct {
        const char *name;
        enum configuration_purpose purpose;
    } purposes[] = {
        {"run", CONFIGURATION_FOR_RUN}, {"replay", CONFIGURATION_FOR_REPLAY}, {"client", CONFIGURATION_FOR_CLIENT}};
    for (size_t index = 0; index < sizeof purposes / sizeof *purposes; index++) {
        if (strcmp(purposes[index].name, name) == 0) {
            *purpose = purposes[index].purpose;
            return true;
        }
    }
    return false;
}

static int check_run(const void *options_, char **operands, size_t operand_count)
{
    (void)operands, (void)operand_count;
    const struct check_options *options = options_;
    enum configuration_purpose purpose = CONFIGURATION_FOR_RUN;
    if (options->purpose && !parse_purpose(options->purpose, &purpose)) {
        fprintf(stderr, "weir check: --for must be one of: run, replay, client\n");
        return EXIT_CODE_USAGE;
    }
    struct buffer errors = {0}, warnings = {0}, output = {0};
    struct configuration *configuration = configuration_load(options->configuration, purpose, NULL, &errors, &warnings);
    fputs(buffer_string(&errors), stderr);
    for (const char *line = buffer_string(&warnings); *line;) {
        size_t length = strcspn(line, "\n");
        fprintf(stderr, "warning: %.*s\n", (int)length, line);
        line += length + (line[length] == '\n');
    }
    int code = configuration ? EXIT_CODE_OK : EXIT_CODE_CONFIGURATION;
    if (configuration) {
        check_report_append(configuration, &output);
        if (fwrite(output.data, 1, output.length, stdout) != output.length || fflush(stdout) != 0)
            code = EXIT_CODE_FAILED;
    }
    configuration_destroy(configuration);
    buffer_free(&errors);
    buffer_free(&warnings);
    buffer_free(&output);
    return code;
}

const struct subcommand subcommand_check = {
    .name = "check",
    .summary = "check a configuration and show the chain that it makes",
    .synopsis = "weir check [-c FILE] [--for run|replay|client]",
    .description =
        "Reads the configuration with everything that it names: Synapse's own file, the modules' lists, their "
        "patterns. All errors are told at once, a line each, as FILE:LINE:COLUMN: KEY: what is wrong, and, where a "
        "name is unknown, which known one is the nearest.\n\n"
        "For a good configuration it prints, for each callback that some module registered, the modules in the order "
        "in which they are asked with what stands beside them (dry_run, only, except), the rule that combines their "
        "answers, and what a module's failure means; then the pages and login types of modules. What clashes between "
        "modules is told with the lines of both. Modules that stand in Synapse's own file are shown as they are "
        "mapped, with what to write for those that cannot be (`take_modules: false` leaves them out). Warnings go to "
        "stderr and do not change the exit status. Nothing is connected to.",
    .examples = " weir check -c /etc/weir/weir.yaml\n weir check -c weir.yaml --for replay",
    .options = check_options,
    .options_size = sizeof(struct check_options),
    .run = check_run,
};
