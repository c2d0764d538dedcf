/* A replay is the observer with a file at each end. Its summary counts what the metrics of a running engine count. */
#include "engine/replay.h"

#include <errno.h>
#include <unistd.h>

#include "base/lane.h"
#include "engine/clock.h"
#include "engine/log.h"
#include "engine/record_marks.h"
#include "engine/replay_jobs.h"
#include "replication/body_file.h"
#include "replication/recording.h"

#define OUTPUT_CHUNK (256u << 10)

struct replay {
    const struct replay_settings *settings;
    struct slice server_name;
    struct observer *observer;
    struct presence_router *presence;
    struct body_file *bodies; /* of a replay of one job */
    struct replay_jobs *jobs; /* NULL for one */
    struct buffer output;
    struct buffer mark; /* unescaped */
    struct buffer *error;
    bool reads_time; /* some module does */
    int64_t now_ms;  /* the latest of the lines so far; 1: none */
    bool failed;
    bool write_failed; /* what was read before a failure is judged and written; after this one it is not */
};

static void write_out(struct replay *replay)
{
    size_t written = 0;
    while (!replay->write_failed && written < replay->output.length) {
        ssize_t count = write(replay->settings->output, replay->output.data + written, replay->output.length - written);
        if (count > 0) {
            written += (size_t)count;
        } else if (errno != EINTR) {
            replay->failed = replay->write_failed = true;
            buffer_append_format(replay->error, "cannot write the rows: %s", strerror(errno));
        }
    }
    buffer_clear(&replay->output);
}

/* What a verdict gives to write; by jobs, each to its own rows. */
static void append_rows(void *context, const struct verdict *verdict, struct buffer *rows)
{
    const struct replay *replay = context;
    if (replay->settings->output < 0)
        return;
    buffer_append_slice(rows, verdict->dry_runs);
    if (verdict->outcome->kind == OUTCOME_PASSED && !replay->settings->all)
        return;
    verdict_append_row(verdict, rows);
    buffer_append_char(rows, '\n');
}

static void write_full(struct replay *replay)
{
    if (replay->output.length >= OUTPUT_CHUNK)
        write_out(replay);
}

static void on_judged(void *context, const struct verdict *verdict)
{
    struct replay *replay = context;
    append_rows(replay, verdict, &replay->output);
    write_full(replay);
}

/* The rows of finished jobs. */
static void on_output(void *context, struct slice rows)
{
    struct replay *replay = context;
    buffer_append_slice(&replay->output, rows);
    write_full(replay);
}

static void on_event(void *context, const struct event_row *row, struct slice writer, int64_t token, bool alone)
{
    struct replay *replay = context;
    if (!replay_jobs_event(replay->jobs, row, writer, token, alone))
        replay->failed = true;
}

static void on_route(void *context, struct slice row)
{
    struct replay *replay = context;
    if (replay->settings->output < 0 || !replay->settings->routes)
        return;
    buffer_append_slice(&replay->output, row);
    buffer_append_char(&replay->output, '\n');
    write_full(replay);
}

/* A recording has no turns of a loop: each token's rows are routed by themselves. */
static void on_rows(void *context, const struct position_rows *rows)
{
    struct replay *replay = context;
    presence_router_rows(replay->presence, rows);
    presence_router_flush(replay->presence);
}

static void on_position(void *context, enum stream stream, struct slice writer, int64_t token)
{
    (void)context, (void)stream, (void)writer, (void)token;
}

static struct slice find_body(void *context, struct slice event_id)
{
    return body_file_find(context, event_id);
}

/* Lets the services work until nothing waits for them. */
static void wait_for_services(struct replay *replay)
{
    while (observer_parked(replay->observer))
        if (!replay->settings->base || event_base_loop(replay->settings->base, EVLOOP_ONCE) != 0)
            observer_give_up(replay->observer, "there is no service that could answer");
}

/* Reading the numbers is left out where nobody asks for them. */
static void set_time(struct replay *replay, const struct recording_message *message)
{
    int64_t now_ms = replay->reads_time ? recording_message_time_ms(message) : 0;
    if (now_ms > replay->now_ms)
        replay->now_ms = now_ms;
    observer_set_time(replay->observer, now_ms);
    presence_router_set_time(replay->presence, replay->now_ms);
}

/* What a recording says about itself is not Synapse's, and no message. */
static void take_mark(struct replay *replay, struct slice message, uint64_t number, struct replay_summary *summary)
{
    static struct log_gate gate;
    struct record_gap gap;
    uint64_t suppressed;
    if (record_format_refuse(message, replay->error))
        replay->failed = true;
    if (!record_gap_read(message, &gap))
        return;
    summary->gaps++;
    if (log_gate_pass(&gate, &suppressed))
        log_warning("the recording has a gap: what was published meanwhile is not in it", LOG_INTEGER("line", number),
                    LOG_NUMBER("seconds", (double)(gap.to_ms - gap.from_ms) / 1000), LOG_TEXT("reason", gap.reason),
                    LOG_INTEGER("suppressed", suppressed));
}

static void warn_of_cut(const char *path)
{
    log_warning("the file was cut short, since whoever wrote it was killed or it was copied in part; what is there was "
                "read",
                LOG_STRING("path", path));
}

static void take_line(struct replay *replay, struct recording_reader *recording, struct slice line, uint64_t number,
                      struct replay_summary *summary)
{
    static struct log_gate gate;
    struct recording_message message;
    const char *problem;
    if (!recording_read_escaped(recording, line, &message, &problem)) {
        summary->bad_records++;
        uint64_t suppressed;
        if (log_gate_pass(&gate, &suppressed))
            log_warning("a line of the recording is no recorded message", LOG_INTEGER("line", number),
                        LOG_STRING("reason", problem), LOG_INTEGER("suppressed", suppressed));
        return;
    }
    if (record_mark_channel(message.channel)) {
        take_mark(replay, message.escaped ? recording_unescape(message.data, &replay->mark) : message.data, number,
                  summary);
        return;
    }
    summary->messages++;
    set_time(replay, &message);
    if (!slice_equal(message.channel, replay->server_name))
        summary->other_channels++;
    else if (message.escaped)
        observer_escaped_line(replay->observer, message.data);
    else
        observer_line(replay->observer, message.data, 0);
    wait_for_services(replay);
}

static void read_recording(struct replay *replay, struct line_reader *lines, struct replay_summary *summary)
{
    struct recording_reader *recording = recording_reader_create();
    struct slice line;
    enum line_status status;
    while (!replay->failed && (status = line_reader_next(lines, &line, replay->error)) != LINE_END) {
        if (status == LINE_FAILED)
            replay->failed = true;
        else if (status == LINE_TOO_LONG)
            summary->bad_records++;
        else
            take_line(replay, recording, line, line_reader_number(lines), summary);
    }
    recording_reader_destroy(recording);
    if (line_reader_cut_short(lines))
        warn_of_cut(replay->settings->recording);
}

unsigned replay_jobs_possible(const struct replay_settings *settings, const char **reason)
{
    uint32_t module_index;
    *reason = NULL;
    if (settings->jobs <= 1)
        return 1;
    if (!chain_concurrent(settings->chain, &module_index))
        *reason = chain_module(settings->chain, module_index)->name;
    else if (settings->ask_as_synapse)
        *reason = "observe.ask: as_synapse";
    else
        return settings->jobs < LANES_MAXIMUM ? settings->jobs : LANES_MAXIMUM;
    return 1;
}

static bool open_bodies(struct replay *replay)
{
    const struct replay_settings *settings = replay->settings;
    const char *reason;
    struct replay_jobs_settings jobs_settings = {.chain = settings->chain,
                                                 .jobs = replay_jobs_possible(settings, &reason),
                                                 .bodies_path = settings->bodies,
                                                 .append = append_rows,
                                                 .output = on_output,
                                                 .context = replay};
    if (jobs_settings.jobs > 1)
        replay->jobs = replay_jobs_create(&jobs_settings);
    else if (settings->bodies && !(replay->bodies = body_file_open(settings->bodies, replay->error)))
        return false;
    if (replay->bodies && body_file_cut_short(replay->bodies))
        warn_of_cut(settings->bodies);
    return true;
}

static void open_observer(struct replay *replay, struct metrics *metrics)
{
    const struct replay_settings *settings = replay->settings;
    struct observer_settings observer_settings = {.chain = settings->chain,
                                                  .instance_name = settings->instance_name,
                                                  .judge_rejected = settings->judge_rejected,
                                                  .judge_outliers = settings->judge_outliers,
                                                  .ask_as_synapse = settings->ask_as_synapse,
                                                  .queue_limit = SIZE_MAX};
    if (replay->bodies)
        observer_settings.bodies = (struct body_source){.context = replay->bodies, .find = find_body};
    struct observer_callbacks callbacks = {.context = replay,
                                           .judged = on_judged,
                                           .event = replay->jobs ? on_event : NULL,
                                           .position = on_position,
                                           .rows = on_rows};
    struct presence_router_callbacks presence_callbacks = {
        .context = replay, .route = on_route, .position = on_position};
    replay->observer = observer_create(&observer_settings, &callbacks, metrics);
    replay->presence = presence_router_create(settings->chain, &presence_callbacks, metrics);
    observer_keep(replay->observer, STREAM_presence, presence_router_wanted(settings->chain));
}

/* False if the bodies could not be read. */
static bool finish_jobs(struct replay *replay)
{
    if (!replay->jobs)
        return true;
    bool good = replay_jobs_finish(replay->jobs, !replay->write_failed, replay->error);
    if (replay_jobs_bodies_cut_short(replay->jobs))
        warn_of_cut(replay->settings->bodies);
    if (good)
        return true;
    replay->failed = true;
    return false;
}

static void summarise(const struct replay *replay, struct replay_summary *summary)
{
    const struct chain *chain = replay->settings->chain;
    summary->counts = observer_counts(replay->observer);
    summary->presence = presence_router_counts(replay->presence);
    for (uint32_t index = 0; index < chain_module_count(chain) && index < REPLAY_MODULES_MAXIMUM; index++)
        summary->denials[index] = observer_module_denials(replay->observer, index);
    if (replay->jobs)
        replay_jobs_add_counts(replay->jobs, &summary->counts, summary->denials, REPLAY_MODULES_MAXIMUM);
}

bool replay_run(const struct replay_settings *settings, struct replay_summary *summary, struct buffer *error)
{
    uint64_t started = clock_now_ns();
    *summary = (struct replay_summary){0};
    struct line_reader *lines = line_reader_open(settings->recording, error);
    if (!lines)
        return false;
    struct replay replay = {.settings = settings,
                            .server_name = slice_from_string(settings->server_name),
                            .reads_time = chain_reads_time(settings->chain),
                            .now_ms = 1,
                            .error = error};
    struct metrics *metrics = metrics_create();
    summary->bodies_failed = replay.failed = !open_bodies(&replay);
    open_observer(&replay, metrics);
    if (settings->answers_to)
        *settings->answers_to = replay.observer;
    read_recording(&replay, lines, summary);
    if (!finish_jobs(&replay))
        summary->bodies_failed = true;
    if (settings->answers_to)
        *settings->answers_to = NULL;
    write_out(&replay);
    summarise(&replay, summary);
    replay_jobs_destroy(replay.jobs);
    observer_destroy(replay.observer);
    presence_router_destroy(replay.presence);
    body_file_close(replay.bodies);
    metrics_destroy(metrics);
    line_reader_close(lines);
    buffer_free(&replay.output);
    buffer_free(&replay.mark);
    summary->seconds = (double)(clock_now_ns() - started) / 1e9;
    return !replay.failed;
}
