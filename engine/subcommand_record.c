/* `weir record`: live traffic into files. */
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/log.h"
#include "engine/option.h"
#include "engine/record.h"
#include "engine/record_progress.h"
#include "filters/duration.h"
#include "replication/line_writer.h"

struct record_options {
    const char *configuration;
    const char *events;
    const char *rotate;
    const char *limit;
    const char *level;
    bool all_streams;
    bool without_content;
    bool replicate;
};

static const struct option_definition definitions[] = {
    {"config", 'c', OPTION_CONFIGURATION, offsetof(struct record_options, configuration), "FILE", false,
     "The engine's configuration, which names the server, its Redis and the source of event bodies."},
    {"events", 'e', OPTION_TEXT, offsetof(struct record_options, events), "FILE", false,
     "Record the events' bodies there, for the option of the same name of `weir replay`."},
    {"rotate", 0, OPTION_TEXT, offsetof(struct record_options, rotate), "TIME|SIZE", false,
     "Begin new files after this time (30m, 1h, 1d) or size (100M, 2G). Their names then hold the time (UTC)."},
    {"limit", 0, OPTION_TEXT, offsetof(struct record_options, limit), "SIZE", false,
     "Remove the oldest files of the series, those of earlier runs too, when all together are larger (10G)."},
    {"level", 'l', OPTION_TEXT, offsetof(struct record_options, level), "N", false,
     "How hard files that end in .zst are compressed, 1 to 19. Default: 3."},
    {"all-streams", 'a', OPTION_FLAG, offsetof(struct record_options, all_streams), NULL, false,
     "Keep the rows of all streams, without what could open an account, and the other commands. Default: rows of "
     "streams that Weir does not read lose their data."},
    {"without-content", 0, OPTION_FLAG, offsetof(struct record_options, without_content), NULL, false,
     "Replace the letters of all texts in bodies, and of presence messages, by x: their lengths stay."},
    {"replicate", 0, OPTION_FLAG, offsetof(struct record_options, replicate), NULL, false,
     "Ask all writers once where they stand (REPLICATE), after each connection. Default: only listen."},
    {0},
};

static int complain(const char *sentence)
{
    fprintf(stderr, "weir record: %s\n", sentence);
    return EXIT_CODE_USAGE;
}

/* A whole number above 0 with one of K, M, G, T (times 1024 each), or none. */
static bool read_size(const char *text, uint64_t *bytes)
{
    static const char units[] = "KMGT";
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    unsigned long long number = strtoull(text, &end, 10);
    unsigned shift = 0;
    const char *unit = *end ? strchr(units, *end) : NULL;
    if (unit) {
        shift = 10 * (unsigned)(unit - units + 1);
        end++;
    }
    if (*end || number == 0 || number > (UINT64_MAX >> 1 >> shift))
        return false;
    *bytes = (uint64_t)number << shift;
    return true;
}

static bool read_rotation(const char *text, struct record_files_settings *files)
{
    /* "100M" is a size and "100m" a time, as everywhere else. */
    return (duration_read(text, &files->rotate_ms) && files->rotate_ms >= 1000) ||
           read_size(text, &files->rotate_bytes);
}

static int read_options(const struct record_options *options, struct record_files_settings *files)
{
    if (options->rotate && !read_rotation(options->rotate, files))
        return complain("--rotate is a time of a second or more (30m, 1h, 1d) or a size (100M, 2G)");
    if (options->limit && !read_size(options->limit, &files->limit_bytes))
        return complain("--limit is a size: 500M, 10G");
    if (options->limit && !options->rotate)
        return complain("--limit removes whole files, so that it needs --rotate");
    files->level = LINE_WRITER_LEVEL_DEFAULT;
    if (options->level) {
        char *end;
        long level = strtol(options->level, &end, 10);
        if (*end || end == options->level || level < 1 || level > LINE_WRITER_LEVEL_MAXIMUM)
            return complain("--level is a number from 1 to 19");
        files->level = (int)level;
    }
    if (options->events && strcmp(options->events, files->recording) == 0)
        return complain("--events and the recording are the same file");
    return EXIT_CODE_OK;
}

static void on_stop(evutil_socket_t number, short events, void *context)
{
    (void)number, (void)events;
    record_stop(context);
}

static void on_rotate(evutil_socket_t number, short events, void *context)
{
    (void)number, (void)events;
    record_rotate(context);
}

static void print_summary(const struct record *record)
{
    struct record_counts counts;
    struct buffer size = {0};
    record_summarise(record, &counts);
    record_append_size(&size, counts.files.bytes);
    fprintf(stderr, "recorded %llu messages, %llu events, %llu bodies in %.0f s: %s in %llu files\n",
            (unsigned long long)counts.messages, (unsigned long long)counts.events,
            (unsigned long long)counts.bodies.written, counts.seconds, buffer_string(&size),
            (unsigned long long)counts.files.files);
    buffer_free(&size);
    const struct {
        const char *text;
        uint64_t count;
    } notes[] = {
        {"gaps, in which nothing was heard", counts.gaps},
        {"messages left out", counts.dropped},
        {"events whose body was not to be had", counts.bodies.missing + counts.bodies.waiting},
        {"events whose body is none", counts.bodies.unreadable},
        {"events without a body, since too many were awaited", counts.bodies.left_out},
        {"old files removed to keep the limit", counts.files.removed},
    };
    for (size_t index = 0; index < sizeof notes / sizeof *notes; index++)
        if (notes[index].count)
            fprintf(stderr, "  %llu %s\n", (unsigned long long)notes[index].count, notes[index].text);
}

static int run_record(struct event_base *base, const struct record_settings *settings)
{
    static const struct {
        int number;
        event_callback_fn handler;
    } signals[] = {{SIGINT, on_stop}, {SIGTERM, on_stop}, {SIGHUP, on_rotate}};
    enum { SIGNALS = sizeof signals / sizeof *signals };
    struct buffer error = {0};
    struct event *handlers[SIGNALS];
    struct record *record = record_create(base, settings, &error);
    if (!record) {
        fprintf(stderr, "weir record: %s\n", buffer_string(&error));
        buffer_free(&error);
        return EXIT_CODE_FAILED;
    }
    for (size_t index = 0; index < SIGNALS; index++) {
        handlers[index] = evsignal_new(base, signals[index].number, signals[index].handler, record);
        event_add(handlers[index], NULL);
    }
    bool good = record_run(record, &error);
    if (!good)
        fprintf(stderr, "weir record: %s\n", buffer_string(&error));
    print_summary(record);
    for (size_t index = 0; index < SIGNALS; index++)
        event_free(handlers[index]);
    record_destroy(record);
    buffer_free(&error);
    return good ? EXIT_CODE_OK : EXIT_CODE_FAILED;
}

static int record_configured(const struct record_options *options, struct record_settings *settings)
{
    const struct configuration *configuration = settings->configuration;
    if (options->events && configuration->body_source == BODY_SOURCE_NONE) {
        fprintf(stderr, "weir record: --events needs a source of event bodies: `bodies:`, or `database:`, in %s\n",
                options->configuration);
        return EXIT_CODE_CONFIGURATION;
    }
    struct event_base *base = event_base_new();
    if (!base) {
        fputs("weir record: no event loop can be made\n", stderr);
        return EXIT_CODE_FAILED;
    }
    int code = run_record(base, settings);
    event_base_free(base);
    return code;
}

static int run(const void *given, char **operands, size_t operand_count)
{
    const struct record_options *options = given;
    struct record_settings settings = {
        .files = {.recording = operands[0], .bodies = options->events},
        .all_streams = options->all_streams,
        .without_content = options->without_content,
        .replicate = options->replicate,
        .progress = isatty(STDERR_FILENO),
    };
    (void)operand_count;
    int code = read_options(options, &settings.files);
    if (code != EXIT_CODE_OK)
        return code;
    log_open(settings.progress ? LOG_WARNING : LOG_INFO);
    struct buffer errors = {0};
    struct configuration *configuration =
        configuration_load(options->configuration, CONFIGURATION_FOR_CLIENT, NULL, &errors, NULL);
    settings.configuration = configuration;
    if (configuration)
        code = record_configured(options, &settings);
    else
        code = (fputs(buffer_string(&errors), stderr), EXIT_CODE_CONFIGURATION);
    configuration_destroy(configuration);
    buffer_free(&errors);
    return code;
}

const struct subcommand subcommand_record = {
    .name = "record",
    .summary = "record the live replication stream, with the events' bodies",
    .synopsis = "weir record [-c FILE] RECORDING [--events BODIES] [--rotate TIME|SIZE] [--limit SIZE] [--level N] "
                "[--all-streams] [--without-content] [--replicate]",
    .description =
        "Subscribes to the homeserver's replication channel and writes each message to RECORDING, one a line, as "
        "`weir replay` and `weir play` read it; with --events also the body of each event, from the configuration's "
        "source of bodies, as it goes by. Names that end in .zst are compressed. Files are made for their owner alone "
        "(0600), and none is overwritten.\n\n"
        "Access tokens, push keys, messages to devices and account data are not recorded: of the streams that Weir "
        "does not read only the tokens and the rows' shapes are kept. What people wrote is, unless --without-content "
        "is given.\n\n"
        "It only listens, on connections of its own: Synapse does not notice it. What was recorded reaches the disk "
        "within a second, and a file that was not ended can be read up to there. When Redis was away the recording "
        "says so, and `weir replay` tells of the gap.\n\n"
        "SIGHUP begins new files; without --rotate under the same names, once the old ones were moved away. SIGINT "
        "and "
        "SIGTERM end it, after a wait for the bodies of the last events; a second one at once.",
    .exit_status = "0 also when a signal ended it; 1 when a file cannot be written.",
    .examples = "weir record -c weir.yaml today.jsonl.zst --events today.events.jsonl.zst\n"
                "weir record -c weir.yaml /var/lib/weir/live.jsonl.zst --events /var/lib/weir/live.events.jsonl.zst "
                "--rotate 1h --limit 10G",
    .options = definitions,
    .options_size = sizeof(struct record_options),
    .operand = "FILE",
    .minimum_operands = 1,
    .maximum_operands = 1,
    .run = run,
};
