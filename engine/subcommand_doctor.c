/* `weir doctor`: is everything there that Weir needs, and does it work? */
#include <stddef.h>
#include <stdio.h>

#include "engine/doctor.h"
#include "engine/option.h"
#include "filters/duration.h"

#define TIMEOUT_DEFAULT_MS 5000
#define TIMEOUT_MAXIMUM_MS 60000

struct doctor_options {
    const char *configuration;
    const char *timeout;
    bool json;
};

static const struct option_definition options[] = {
    {.name = "config",
     .letter = 'c',
     .type = OPTION_CONFIGURATION,
     .offset = offsetof(struct doctor_options, configuration),
     .argument = "FILE",
     .text = "The configuration that the engine runs with."},
    {.name = "timeout",
     .type = OPTION_TEXT,
     .offset = offsetof(struct doctor_options, timeout),
     .argument = "DURATION",
     .text = "How long each answer of Redis, PostgreSQL, the engine and Synapse's writers may take, such as 10s; 5s by "
             "itself, and a minute at most."},
    {.name = "json",
     .type = OPTION_FLAG,
     .offset = offsetof(struct doctor_options, json),
     .text = "One JSON object for programs."},
    {.name = NULL},
};

static bool read_timeout(const char *text, int64_t *timeout_ms)
{
    *timeout_ms = TIMEOUT_DEFAULT_MS;
    return !text || (duration_read(text, timeout_ms) && *timeout_ms >= 100 && *timeout_ms <= TIMEOUT_MAXIMUM_MS);
}

static int run(const void *filled, char **operands, size_t operand_count)
{
    (void)operands, (void)operand_count;
    const struct doctor_options *chosen = filled;
    struct doctor_settings settings = {.configuration = chosen->configuration};
    struct buffer output = {0};
    if (!read_timeout(chosen->timeout, &settings.timeout_ms)) {
        fputs("weir doctor: --timeout is a duration from 100ms to 1m\n", stderr);
        return EXIT_CODE_USAGE;
    }
    settings.listen_ms = settings.timeout_ms;
    struct doctor *doctor = doctor_run(&settings);
    if (chosen->json)
        doctor_append_json(doctor, &output);
    else
        doctor_append_text(doctor, &output);
    int code = doctor_worst(doctor) == DOCTOR_PROBLEM ? EXIT_CODE_FAILED : EXIT_CODE_OK;
    if (!doctor_has_configuration(doctor))
        code = EXIT_CODE_CONFIGURATION;
    if (fwrite(output.data, 1, output.length, stdout) != output.length || fflush(stdout) != 0)
        code = EXIT_CODE_FAILED;
    doctor_destroy(doctor);
    buffer_free(&output);
    return code;
}

const struct subcommand subcommand_doctor = {
    .name = "doctor",
    .summary = "check a set-up end to end, with a fix for each finding",
    .synopsis = "weir doctor [-c FILE] [--timeout DURATION] [--json]",
    .description =
        "Looks at everything that Weir needs, one thing after the other: the configuration and the files that it "
        "names, "
        "who may read its secrets, the state directory and its disk, certificates; Redis, what it would forget, the "
        "rights of its user, its clock; Synapse's replication channel and which writers answer on it; PostgreSQL, the "
        "rights of its role, an event's body, its clock; the engine, whether it runs, is ready and keeps up; the "
        "durable "
        "verdicts, the requests, and whether Synapse's module asks.\n\n"
        "Each finding is `ok`, `note` (it works, but should be known), `problem`, or `skipped` (it could not be looked "
        "at, since something before it failed), with what it means and, where there is one, a fix to copy. Nothing is "
        "changed: rights on Redis are tried in a transaction that is thrown away, and what is published is REPLICATE, "
        "as an engine does when it starts: Synapse's processes answer with their positions.\n\n"
        "It sees what its user sees: run it as the engine's, `sudo -u weir weir doctor`.",
    .exit_status = "0 without a problem (there may be notes), 1 with problems, 3 if the configuration cannot be used.",
    .examples = "weir doctor\n"
                "weir doctor -c weir.yaml --json | jq '.checks[] | select(.state == \"problem\")'",
    .options = options,
    .options_size = sizeof(struct doctor_options),
    .run = run,
};
