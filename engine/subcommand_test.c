/* `weir test`: what a configuration says of events that its administrator thought of. */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

#include "engine/cases.h"
#include "engine/cases_services.h"
#include "engine/log.h"
#include "engine/option.h"
#include "engine/report.h"

struct test_options {
    const char *configuration;
    bool tap;
    bool explain;
};

static const struct option_definition test_options[] = {
    {.name = "config",
     .letter = 'c',
     .type = OPTION_CONFIGURATION,
     .offset = offsetof(struct test_options, configuration),
     .argument = "FILE",
     .text = "The configuration that is tested. It needs no Redis and no source of bodies."},
    {.name = "explain",
     .type = OPTION_FLAG,
     .offset = offsetof(struct test_options, explain),
     .text = "Tell below each case that fails what every module said."},
    {.name = "tap",
     .type = OPTION_FLAG,
     .offset = offsetof(struct test_options, tap),
     .text = "Write a line for each case, in the Test Anything Protocol."},
    {.name = NULL},
};

#define FILES_MAXIMUM 1000

/* Reads all files, so that what is wrong in the last is known before the first is run. */
static bool read_files(const char *server_name, char **paths, size_t count, struct case_file **files)
{
    struct buffer errors = {0};
    bool good = true;
    for (size_t index = 0; index < count; index++) {
        files[index] = case_file_read(paths[index], server_name, &errors);
        good = good && files[index];
    }
    fputs(buffer_string(&errors), stderr);
    if (!good)
        fprintf(stderr, "weir test: there are mistakes in the cases; nothing was tested\n");
    buffer_free(&errors);
    return good;
}

static void append_end(const struct test_options *options, const struct cases_summary *summary, struct buffer *output)
{
    if (options->tap)
        buffer_append_format(output, "1..%" PRIu32 "\n", summary->cases);
    else
        buffer_append_format(output, "%" PRIu32 " case%s: %" PRIu32 " as expected, %" PRIu32 " not\n", summary->cases,
                             summary->cases == 1 ? "" : "s", summary->cases - summary->failed, summary->failed);
}

static int run_files(const struct test_options *options, struct configuration *configuration,
                     struct case_services *services, struct case_file **files, size_t count)
{
    const struct cases_settings settings = {
        .configuration = configuration, .services = services, .tap = options->tap, .explain = options->explain};
    struct cases_summary summary = {0};
    struct buffer output = {0}, errors = {0};
    bool good = true;
    for (size_t index = 0; good && index < count; index++)
        good = cases_run(&settings, files[index], &summary, &output, &errors);
    if (good)
        append_end(options, &summary, &output);
    fputs(buffer_string(&errors), stderr);
    bool written = fwrite(output.data, 1, output.length, stdout) == output.length && fflush(stdout) == 0;
    buffer_free(&output);
    buffer_free(&errors);
    return summary.failed || !written || !good ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}

static int run(const void *filled, char **operands, size_t operand_count)
{
    const struct test_options *options = filled;
    struct case_file *files[FILES_MAXIMUM] = {NULL};
    struct case_services *services = case_services_create();
    struct configuration *configuration = report_configuration_load(
        "test", options->configuration, CONFIGURATION_FOR_REPLAY, case_services_interface(services));
    int code = EXIT_CODE_CONFIGURATION;
    if (configuration) {
        /* What modules say of waves and the like is no failure of a case. */
        log_open(options->explain || configuration->log_level > LOG_ERROR ? configuration->log_level : LOG_ERROR);
        if (read_files(configuration->server_name, operands, operand_count, files))
            code = run_files(options, configuration, services, files, operand_count);
    }
    configuration_destroy(configuration);
    case_services_destroy(services);
    for (size_t index = 0; index < operand_count; index++)
        case_file_destroy(files[index]);
    return code;
}

const struct subcommand subcommand_test = {
    .name = "test",
    .summary = "test a configuration with events and the verdicts that are expected of it",
    .synopsis = "weir test [-c FILE] CASES.yaml... [--explain] [--tap]",
    .description =
        "Asks the configured modules about each case, and tells which ones did not end as the case expects, a line "
        "each: FILE:LINE:COLUMN: NAME: what was expected and what came, by which module and rule, and why. A case is "
        "an event, or a callback with its arguments; it may be repeated, at times of its own, and go on where the one "
        "before it stopped. Otherwise each begins with modules that remember nothing.\n\n"
        "Nothing is connected to: what services of modules answer stands in the case.\n\n"
        "docs/testing-rules.md tells how cases are written.",
    .exit_status = "1 if a case did not end as expected, 3 if the configuration or a file of cases is wrong.",
    .examples = "weir test -c weir.yaml cases.yaml",
    .options = test_options,
    .options_size = sizeof(struct test_options),
    .operand = "FILE",
    .minimum_operands = 1,
    .maximum_operands = FILES_MAXIMUM,
    .run = run,
};
