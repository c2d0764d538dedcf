/* A replay is the observer with a file at each end. Its summary counts what the metrics of a running engine count. */
#include "engine/replay.h"

#include <errno.h>
#include <unistd.h>

#include "engine/clock.h"
#include "engine/log.h"
#include "replication/recording.h"

#define OUTPUT_CHUNK (256u << 10)

struct replay {
    const struct replay_settings *settings;
    struct slice server_name;
    struct observer *observer;
    struct presence_router *presence;
    struct buffer output;
    struct buffer *error;
    bool failed;
};

static void write_out(struct replay *replay)
{
    size_t written = 0;
    while (!replay->failed && written < replay->output.length) {
        ssize_t count = write(replay->settings->output, replay->output.data + written, replay->output.length - written);
        if (count > 0) {
            written += (size_t)count;
        } else if (errno != EINTR) {
            replay->failed = true;
            buffer_append_format(replay->error, "cannot write the rows: %s", strerror(errno));
        }
    }
    buffer_clear(&replay->output);
}

static void end_output_row(struct replay *replay)
{
    buffer_append_char(&replay->output, '\n');
    if (replay->output.length >= OUTPUT_CHUNK)
        write_out(replay);
}

static void on_judged(void *context, const struct verdict *verdict)
{
    struct replay *replay = context;
    if (replay->settings->output < 0)
        return;
    struct slice dry_runs = verdict->dry_runs, row;
    while (verdict_next_row(&dry_runs, &row)) {
        buffer_append_slice(&replay->output, row);
        end_output_row(replay);
    }
    if (verdict->outcome->kind == OUTCOME_PASSED && !replay->settings->all)
        return;
    verdict_append_row(verdict, &replay->output);
    end_output_row(replay);
}

static void on_route(void *context, struct slice row)
{
    struct replay *replay = context;
    if (replay->settings->output < 0 || !replay->settings->routes)
        return;
    buffer_append_slice(&replay->output, row);
    end_output_row(replay);
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
    summary->messages++;
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
}

bool replay_run(const struct replay_settings *settings, struct replay_summary *summary, struct buffer *error)
{
    uint64_t started = clock_now_ns();
    *summary = (struct replay_summary){0};
    struct line_reader *lines = line_reader_open(settings->recording, error);
    if (!lines)
        return false;
    struct replay replay = {
        .settings = settings, .server_name = slice_from_string(settings->server_name), .error = error};
    struct observer_settings observer_settings = {.chain = settings->chain,
                                                  .instance_name = settings->instance_name,
                                                  .judge_rejected = settings->judge_rejected,
                                                  .judge_outliers = settings->judge_outliers,
                                                  .ask_as_synapse = settings->ask_as_synapse,
                                                  .queue_limit = SIZE_MAX};
    if (settings->bodies)
        observer_settings.bodies = (struct body_source){.context = settings->bodies, .find = find_body};
    struct observer_callbacks callbacks = {
        .context = &replay, .judged = on_judged, .position = on_position, .rows = on_rows};
    struct presence_router_callbacks presence_callbacks = {
        .context = &replay, .route = on_route, .position = on_position};
    struct metrics *metrics = metrics_create();
    replay.observer = observer_create(&observer_settings, &callbacks, metrics);
    replay.presence = presence_router_create(settings->chain, &presence_callbacks, metrics);
    observer_keep(replay.observer, STREAM_presence, presence_router_wanted(settings->chain));
    if (settings->answers_to)
        *settings->answers_to = replay.observer;
    read_recording(&replay, lines, summary);
    if (settings->answers_to)
        *settings->answers_to = NULL;
    write_out(&replay);
    summary->counts = observer_counts(replay.observer);
    summary->presence = presence_router_counts(replay.presence);
    for (uint32_t index = 0; index < chain_module_count(settings->chain) && index < REPLAY_MODULES_MAXIMUM; index++)
        summary->denials[index] = observer_module_denials(replay.observer, index);
    observer_destroy(replay.observer);
    presence_router_destroy(replay.presence);
    metrics_destroy(metrics);
    line_reader_close(lines);
    buffer_free(&replay.output);
    summary->seconds = (double)(clock_now_ns() - started) / 1e9;
    return !replay.failed;
}
