/* `weir replay`: what this configuration says of a recording, without touching anything. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/lane.h"
#include "engine/option.h"
#include "engine/replay.h"
#include "engine/report.h"
#include "engine/service.h"

struct replay_options {
    const char *configuration;
    const char *events;
    const char *output;
    const char *jobs;
    bool all;
    bool routes;
};

static const struct option_definition options[] = {
    {"config", 'c', OPTION_CONFIGURATION, offsetof(struct replay_options, configuration), "FILE", false,
     "the configuration; it needs `server_name` and `modules`"},
    {"events", 'e', OPTION_TEXT, offsetof(struct replay_options, events), "BODIES", false,
     "event bodies recorded beside the stream, a line each (.jsonl or .jsonl.zst); default: `bodies.file` of the "
     "configuration"},
    {"output", 'o', OPTION_TEXT, offsetof(struct replay_options, output), "FILE", false,
     "where the verdict rows go; `-`, the default, is standard output"},
    {"all", 'a', OPTION_FLAG, offsetof(struct replay_options, all), NULL, false,
     "rows of every event that was judged, not only of those that do not pass"},
    {"jobs", 'j', OPTION_TEXT, offsetof(struct replay_options, jobs), "N", false,
     "threads that judge, 1 to 64; default: the processors that this process may use. The rows are the same, in the "
     "same "
     "order. Chains with modules that remember (lua, plugin, rate, services, presence) or with `observe.ask: "
     "as_synapse` are "
     "judged by one"},
    {"routes", 'r', OPTION_FLAG, offsetof(struct replay_options, routes), NULL, false,
     "rows of presence routes, too: arrays of who gets it and the states"},
    {0},
};

static void print_summary(const struct configuration *configuration, const struct replay_summary *summary)
{
    const struct observer_counts *counts = &summary->counts;
    fprintf(stderr, "%" PRIu64 " messages, %" PRIu64 " events judged, %" PRIu64 " denied, %" PRIu64 " passed\n",
            summary->messages, counts->judged, counts->denied,
            counts->judged - counts->denied - counts->changed - counts->failed);
    for (uint32_t index = 0; index < chain_module_count(configuration->chain) && index < REPLAY_MODULES_MAXIMUM;
         index++)
        fprintf(stderr, "  %2" PRIu32 ". %-20s %8" PRIu64 " denied\n", index + 1,
                chain_module(configuration->chain, index)->name, summary->denials[index]);
    const struct {
        const char *text;
        uint64_t count;
    } notes[] = {
        {"updates of presence asked about", summary->presence.updates},
        {"routes of presence", summary->presence.routes},
        {"rows of presence that could not be read", summary->presence.bad_rows},
        {"events changed", counts->changed},
        {"events whose judgement failed", counts->failed},
        {"rejected events passed over", counts->rejected},
        {"outliers passed over", counts->outliers},
        {"rows seen before passed over", counts->duplicates},
        {"events without a body, judged by their row alone", counts->bodies_missing},
        {"unreadable bodies, judged by their row alone", counts->bodies_unreadable},
        {"replication lines that could not be read", counts->bad_lines},
        {"gaps in the recording", summary->gaps},
        {"lines that are no recorded messages", summary->bad_records},
        {"messages on other channels", summary->other_channels},
    };
    for (size_t index = 0; index < sizeof notes / sizeof *notes; index++)
        if (notes[index].count)
            fprintf(stderr, "  %" PRIu64 " %s\n", notes[index].count, notes[index].text);
    double seconds = summary->seconds > 0 ? summary->seconds : 1e-9;
    fprintf(stderr, "%.3f s, %.0f messages/s, %.0f events/s\n", summary->seconds, (double)summary->messages / seconds,
            (double)counts->judged / seconds);
}

static int open_output(const char *path)
{
    if (!path || strcmp(path, "-") == 0)
        return STDOUT_FILENO;
    int output = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (output < 0)
        fprintf(stderr, "weir replay: cannot write %s: %s\n", path, strerror(errno));
    return output;
}

/* The loop in which the modules' services work while a recording is judged. */
struct services_loop {
    struct event_base *base;
    struct metrics *metrics;
    struct services *services;
    struct observer *observer; /* who gets the answers; NULL before and after the replay */
};

static void on_service_answered(void *context, uint64_t ticket, const struct service_answer *answer)
{
    struct services_loop *loop = context;
    if (loop->observer)
        observer_answered(loop->observer, ticket, answer);
}

/* 0 if it is no number of jobs. */
static unsigned read_jobs(const char *text)
{
    cpu_set_t processors;
    if (!text)
        return sched_getaffinity(0, sizeof processors, &processors) == 0 ? (unsigned)CPU_COUNT(&processors) : 1;
    char *end;
    unsigned long number = strtoul(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && number <= LANES_MAXIMUM ? (unsigned)number : 0;
}

static void print_jobs(const struct replay_settings *settings, const struct replay_options *chosen)
{
    const char *reason;
    unsigned jobs = replay_jobs_possible(settings, &reason);
    if (reason && settings->jobs > 1)
        fprintf(stderr, "judged by one job: %s allows no more\n", reason);
    else if (chosen->jobs && jobs != settings->jobs)
        fprintf(stderr, "judged by %u jobs\n", jobs);
}

static int replay(const struct configuration *configuration, const struct replay_options *chosen, const char *recording,
                  const char *bodies, struct services_loop *loop)
{
    int output = open_output(chosen->output);
    if (output < 0)
        return EXIT_CODE_FAILED;
    struct replay_settings settings = {.chain = configuration->chain,
                                       .server_name = configuration->server_name,
                                       .instance_name = configuration->instance_name,
                                       .recording = recording,
                                       .bodies = bodies,
                                       .jobs = read_jobs(chosen->jobs),
                                       .output = output,
                                       .all = chosen->all,
                                       .routes = chosen->routes,
                                       .judge_rejected = configuration->observe_rejected,
                                       .judge_outliers = configuration->observe_outliers,
                                       .ask_as_synapse = configuration->observe_as_synapse,
                                       .base = loop->base,
                                       .answers_to = &loop->observer};
    struct replay_summary summary;
    struct buffer error = {0};
    bool good = replay_run(&settings, &summary, &error);
    if (!good)
        fprintf(stderr, "weir replay: %s\n", buffer_string(&error));
    if (!summary.bodies_failed) {
        print_summary(configuration, &summary);
        print_jobs(&settings, chosen);
    }
    if (summary.messages && summary.messages == summary.other_channels)
        fprintf(stderr, "weir replay: no message is on the channel of %s: is `server_name` right?\n",
                configuration->server_name);
    buffer_free(&error);
    if (output != STDOUT_FILENO && close(output) != 0) {
        fprintf(stderr, "weir replay: cannot write %s: %s\n", chosen->output, strerror(errno));
        good = false;
    }
    return good ? EXIT_CODE_OK : EXIT_CODE_FAILED;
}

static int run_configuration(const struct configuration *configuration, const struct replay_options *chosen,
                             const char *recording, struct services_loop *loop)
{
    const char *path = chosen->events ? chosen->events : configuration->bodies_file;
    /* Before the output is emptied. */
    if (path && strcmp(path, "-") != 0 && access(path, R_OK) != 0) {
        fprintf(stderr, "weir replay: %s: %s\n", path, strerror(errno));
        return EXIT_CODE_FAILED;
    }
    if (!path && chain_needs_body(configuration->chain))
        fprintf(stderr, "weir replay: without --events BODIES the modules that need bodies are not asked\n");
    return replay(configuration, chosen, recording, path, loop);
}

static int run(const void *filled, char **operands, size_t operand_count)
{
    (void)operand_count;
    const struct replay_options *chosen = filled;
    if (!read_jobs(chosen->jobs)) {
        fprintf(stderr, "weir replay: --jobs is a number from 1 to %u\n", LANES_MAXIMUM);
        return EXIT_CODE_USAGE;
    }
    struct services_loop loop = {.base = event_base_new(), .metrics = metrics_create()};
    int code = EXIT_CODE_CONFIGURATION;
    loop.services = services_create(loop.base, loop.metrics, on_service_answered, &loop);
    struct configuration *configuration = report_configuration_load(
        "replay", chosen->configuration, CONFIGURATION_FOR_REPLAY, services_interface(loop.services));
    if (configuration) {
        log_open(configuration->log_level);
        code = run_configuration(configuration, chosen, operands[0], &loop);
        configuration_destroy(configuration);
    }
    services_destroy(loop.services);
    metrics_destroy(loop.metrics);
    event_base_free(loop.base);
    return code;
}

const struct subcommand subcommand_replay = {
    .name = "replay",
    .summary = "judge a recording and print the verdicts, without Redis",
    .synopsis = "weir replay [-c FILE] RECORDING [--events BODIES] [--output FILE|-] [--jobs N] [--all] "
                "[--routes]",
    .description =
        "Reads a recorded replication stream (JSON lines, plain or zstd) and takes every line through the same path "
        "as the running engine: command, position, row, body, chain. For each event that does not pass, one row goes "
        "to the output, in the order of the stream: the same JSON object that `weir run` publishes. A summary with "
        "the verdicts of each module and the rate goes to standard error.\n\n"
        "Nothing is changed anywhere: a replay is how to see what a rule would have done before it is turned on.",
    .examples = "weir replay -c weir.yaml recording.jsonl.zst --events recording.events.jsonl.zst | jq .rule",
    .options = options,
    .options_size = sizeof(struct replay_options),
    .operand = "FILE",
    .minimum_operands = 1,
    .maximum_operands = 1,
    .run = run,
};
