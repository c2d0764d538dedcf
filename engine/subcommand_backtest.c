/* `weir backtest`: what a configuration would have said of the traffic of the past, and what it says other than the one
 * that runs. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/lane.h"
#include "engine/backtest_report.h"
#include "engine/clock.h"
#include "engine/option.h"
#include "engine/player_progress.h"
#include "engine/report.h"
#include "filters/duration.h"

#define RECORDINGS_MAXIMUM OPTION_TEXTS_MAXIMUM
#define DEFAULT_SINCE "7d"
/* Between two drawings of the bar. */
#define PROGRESS_NS 100000000u

struct backtest_options {
    const char *configuration;
    const char *against;
    struct option_texts events;
    const char *jobs;
    const char *json;
    const char *html;
    const char *since;
    bool from_database;
    bool fail_on_change;
};

static const struct option_definition options[] = {
    {"config", 'c', OPTION_TEXT, offsetof(struct backtest_options, configuration), "NEW", true,
     "the configuration to try; it needs `server_name` and `modules`"},
    {"against", 'a', OPTION_TEXT, offsetof(struct backtest_options, against), "OLD", false,
     "the configuration to compare it with: the one that runs"},
    {"events", 'e', OPTION_TEXTS, offsetof(struct backtest_options, events), "FILE…", false,
     "event bodies recorded beside the streams (.jsonl or .jsonl.zst): one file for each RECORDING, in the same order, "
     "or one for all; default: `bodies.file` of NEW. Recordings stand before this option"},
    {"from-database", 'd', OPTION_FLAG, offsetof(struct backtest_options, from_database), NULL, false,
     "take the events from Synapse's database, as `bodies.postgres` of NEW names it, instead of recordings"},
    {"since", 's', OPTION_TEXT, offsetof(struct backtest_options, since), "DURATION", false,
     "with --from-database: how far back, such as 12h or 7d, the default"},
    {"jobs", 'j', OPTION_TEXT, offsetof(struct backtest_options, jobs), "N", false,
     "threads, 1 to 64; default: the processors that this process may use. The outcome is the same"},
    {"json", 0, OPTION_TEXT, offsetof(struct backtest_options, json), "FILE", false,
     "write the outcome as JSON; `-` is standard output, in place of the text"},
    {"html", 0, OPTION_TEXT, offsetof(struct backtest_options, html), "FILE", false,
     "write the outcome as a page with pictures, which needs no network"},
    {"fail-on-change", 0, OPTION_FLAG, offsetof(struct backtest_options, fail_on_change), NULL, false,
     "with --against: end with 4 if any verdict changed"},
    {0},
};

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

/* ---- the bar */

struct bar {
    uint64_t started_ns;
    uint64_t drawn_ns;
    struct buffer text;
};

static void draw_bar(void *context, const struct backtest_progress *progress)
{
    struct bar *bar = context;
    uint64_t now = clock_now_ns();
    if (now - bar->drawn_ns < PROGRESS_NS)
        return;
    bar->drawn_ns = now;
    double seconds = (double)(now - bar->started_ns) / 1e9;
    struct player_progress line = {.share = progress->share,
                                   .counted = "events",
                                   .messages = progress->events,
                                   .rate = (double)progress->events / seconds,
                                   .seconds_left = progress->share > 0.01 ? seconds / progress->share - seconds : -1,
                                   .round = 1};
    buffer_clear(&bar->text);
    player_progress_render(&line, &bar->text);
    fwrite(bar->text.data, 1, bar->text.length, stderr);
}

static void erase_bar(struct bar *bar)
{
    if (bar->drawn_ns != bar->started_ns)
        fputs("\r\033[K", stderr);
    buffer_free(&bar->text);
}

/* ---- the outcome */

/* For its owner alone: what people wrote is quoted in it. */
static FILE *open_report(const char *path)
{
    int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    return descriptor < 0 ? NULL : fdopen(descriptor, "w");
}

static bool write_whole(const char *path, const struct buffer *text)
{
    bool standard = strcmp(path, "-") == 0;
    FILE *file = standard ? stdout : open_report(path);
    bool good = file && fwrite(text->data, 1, text->length, file) == text->length;
    good = file && (standard ? fflush(file) : fclose(file)) == 0 && good;
    if (!good)
        fprintf(stderr, "weir backtest: cannot write %s: %s\n", path, strerror(errno));
    return good;
}

static bool write_outcome(const struct backtest_options *chosen, const struct backtest_report *report)
{
    const struct {
        const char *path;
        void (*append)(struct buffer *output, const struct backtest_report *report);
    } forms[] = {{chosen->json, backtest_append_json},
                 {chosen->html, backtest_append_page},
                 {chosen->json && strcmp(chosen->json, "-") == 0 ? NULL : "-", backtest_append_text}};
    bool good = true;
    for (size_t index = 0; index < sizeof forms / sizeof *forms; index++) {
        struct buffer text = {0};
        if (forms[index].path) {
            forms[index].append(&text, report);
            good = write_whole(forms[index].path, &text) && good;
        }
        buffer_free(&text);
    }
    return good;
}

static int run_backtest(const struct backtest_options *chosen, struct backtest_settings *settings)
{
    struct bar bar = {.started_ns = clock_now_ns()};
    bar.drawn_ns = bar.started_ns;
    struct backtest_report report;
    struct buffer error = {0};
    if (isatty(STDERR_FILENO)) {
        settings->progress = draw_bar;
        settings->context = &bar;
    }
    bool good = backtest_run(settings, &report, &error);
    erase_bar(&bar);
    if (!good)
        fprintf(stderr, "weir backtest: %s\n", buffer_string(&error));
    const struct backtest_recording_counts *recording = &report.recording;
    if (recording->messages && recording->messages == recording->other_channels)
        fprintf(stderr, "weir backtest: no message is on the channel of %s: is `server_name` right?\n",
                settings->configurations[BACKTEST_NEW]->server_name);
    if (!report.bodies_failed)
        good = write_outcome(chosen, &report) && good;
    bool changed = chosen->fail_on_change && report.tally->changed;
    backtest_report_free(&report);
    buffer_free(&error);
    if (!good)
        return EXIT_CODE_FAILED;
    return changed ? EXIT_CODE_CHANGED : EXIT_CODE_OK;
}

/* ---- what is asked for */

static bool refuse(const char *sentence)
{
    fprintf(stderr, "weir backtest: %s\n", sentence);
    return false;
}

static bool check_options(const struct backtest_options *chosen, size_t recordings, int64_t *since_ms)
{
    if (!read_jobs(chosen->jobs)) {
        fprintf(stderr, "weir backtest: --jobs is a number from 1 to %u\n", LANES_MAXIMUM);
        return false;
    }
    if (chosen->fail_on_change && !chosen->against)
        return refuse("--fail-on-change needs --against OLD: without it nothing can change");
    if (chosen->since && !chosen->from_database)
        return refuse("--since goes with --from-database: recordings are judged whole");
    if (chosen->from_database && (recordings || chosen->events.count))
        return refuse("--from-database takes no recordings and no --events");
    if (!chosen->from_database && !recordings)
        return refuse("an argument is missing: a RECORDING, before --events, or --from-database");
    if (chosen->events.count > 1 && chosen->events.count != recordings)
        return refuse("--events takes one file for each RECORDING, in the same order, or one for all");
    int64_t duration = 0;
    if (!duration_read(chosen->since ? chosen->since : DEFAULT_SINCE, &duration) || duration <= 0)
        return refuse("--since is a duration such as 12h or 7d");
    *since_ms = clock_wall_ms() - duration;
    return true;
}

/* Before anything is judged. */
static bool can_be_read(const char *const *paths, size_t count)
{
    for (size_t index = 0; index < count; index++)
        if (strcmp(paths[index], "-") != 0 && access(paths[index], R_OK) != 0) {
            fprintf(stderr, "weir backtest: %s: %s\n", paths[index], strerror(errno));
            return false;
        }
    return true;
}

static int run_configurations(const struct backtest_options *chosen, struct backtest_settings *settings)
{
    const struct configuration *new = settings->configurations[BACKTEST_NEW];
    const struct configuration *old = settings->configurations[BACKTEST_OLD];
    /* What judging would warn of is counted and told. */
    log_open(LOG_ERROR);
    if (old && strcmp(new->server_name, old->server_name) != 0) {
        fprintf(stderr, "weir backtest: the two configurations are of different servers: %s and %s\n", new->server_name,
                old->server_name);
        return EXIT_CODE_FAILED;
    }
    if (chosen->from_database && new->body_source != BODY_SOURCE_POSTGRES) {
        fprintf(stderr, "weir backtest: --from-database needs `bodies: {postgres: {...}}` in %s\n", new->path);
        return EXIT_CODE_FAILED;
    }
    if (!chosen->from_database && !settings->body_count && new->bodies_file) {
        settings->bodies = (const char *const *)&new->bodies_file;
        settings->body_count = 1;
    }
    if (!can_be_read(settings->recordings, settings->recording_count) ||
        !can_be_read(settings->bodies, settings->body_count))
        return EXIT_CODE_FAILED;
    if (!chosen->from_database && !settings->body_count &&
        (chain_needs_body(new->chain) || (old && chain_needs_body(old->chain))))
        fprintf(stderr, "weir backtest: without --events FILE the modules that need bodies are not asked\n");
    return run_backtest(chosen, settings);
}

static int run(const void *filled, char **operands, size_t operand_count)
{
    const struct backtest_options *chosen = filled;
    struct backtest_settings settings = {.recordings = (const char *const *)operands,
                                         .recording_count = operand_count,
                                         .bodies = chosen->events.items,
                                         .body_count = chosen->events.count,
                                         .jobs = read_jobs(chosen->jobs)};
    if (!check_options(chosen, operand_count, &settings.since_ms))
        return EXIT_CODE_USAGE;
    const char *const paths[BACKTEST_SIDES] = {chosen->configuration, chosen->against};
    struct configuration *loaded[BACKTEST_SIDES] = {0};
    int code = EXIT_CODE_OK;
    for (unsigned side = 0; side < BACKTEST_SIDES && code == EXIT_CODE_OK; side++) {
        if (paths[side])
            settings.configurations[side] = loaded[side] =
                report_configuration_load("backtest", paths[side], CONFIGURATION_FOR_BACKTEST, NULL);
        if (paths[side] && !loaded[side])
            code = EXIT_CODE_CONFIGURATION;
    }
    if (loaded[BACKTEST_NEW] && code == EXIT_CODE_OK)
        code = run_configurations(chosen, &settings);
    for (unsigned side = 0; side < BACKTEST_SIDES; side++)
        if (loaded[side])
            configuration_destroy(loaded[side]);
    return code;
}

const struct subcommand subcommand_backtest = {
    .name = "backtest",
    .summary = "judge traffic of the past by a new configuration, compare it with the old one, report",
    .synopsis = "weir backtest -c NEW [--against OLD] RECORDING… [--events FILE…] [--jobs N] [--json FILE|-] "
                "[--html FILE]\n"
                "weir backtest -c NEW [--against OLD] --from-database [--since 7d] …",
    .description =
        "Takes the events of recordings, several of them in order, or of Synapse's database through the modules of "
        "NEW, and through those of OLD if it is given, and tells how many were denied, by which module and rule, in "
        "which rooms and of whom, what changed from OLD to NEW with examples, and what each module costs. What "
        "modules in `dry_run` would have done is counted beside.\n\n"
        "Nothing is changed anywhere and nobody is asked: modules that ask a web service are left out, with a warning. "
        "Time is that of the events, so that floods are found as they would have been.",
    .exit_status = "4 means, with --fail-on-change, that some verdict changed.",
    .examples = "weir backtest -c new.yaml --against weir.yaml monday.jsonl.zst --events monday.events.jsonl.zst "
                "--html monday.html\n"
                "weir backtest -c new.yaml --against weir.yaml --from-database --since 7d",
    .options = options,
    .options_size = sizeof(struct backtest_options),
    .operand = "FILE",
    .minimum_operands = 0,
    .maximum_operands = RECORDINGS_MAXIMUM,
    .run = run,
};
