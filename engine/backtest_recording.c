/* Most lines of a stream are about presence, receipts, caches: finding out takes longer than judging an event, so they
 * are sorted out where several threads can do it, before the one that keeps the order. */
#include "engine/backtest_recording.h"

#include <stdlib.h>

#include "base/lane.h"
#include "base/memory.h"
#include "engine/record_marks.h"

#define BLOCK_SIZE ((size_t)128 << 10)

struct backtest_recording {
    struct backtest_recording_settings settings;
    struct slice server_name;
    struct metrics *metrics;
    struct chain *chain; /* an empty one: the observer judges nothing */
    struct observer *observer;
    struct line_reader *lines;
    struct backtest_batch *batch; /* that events go into */
    int64_t time_ms;              /* of the line that is being observed */
    uint64_t too_long;
    struct backtest_recording_counts counts;
    struct recording_reader *readers[LANES_MAXIMUM];
};

static struct backtest_event *add_event(struct backtest_recording *recording, const struct event_row *row,
                                        int64_t token)
{
    struct backtest_event *event = backtest_batch_add_event(recording->batch);
    event->row = backtest_batch_copy_row(recording->batch, row);
    event->token = token;
    event->recorded_ms = recording->time_ms;
    return event;
}

static void on_event(void *context, const struct event_row *row, struct slice writer, int64_t token, bool alone)
{
    struct backtest_recording *recording = context;
    struct backtest_event *event = add_event(recording, row, token);
    event->writer = arena_copy(&recording->batch->texts, writer);
    event->alone = alone;
}

static void on_row(void *context, const struct event_row *row, int64_t token)
{
    struct backtest_recording *recording = context;
    if (recording->settings.followed(recording->settings.context, row->room_id))
        add_event(recording, row, token)->state = true;
}

static void on_position(void *context, enum stream stream, struct slice writer, int64_t token)
{
    (void)context, (void)stream, (void)writer, (void)token;
}

struct backtest_recording *backtest_recording_create(const struct backtest_recording_settings *settings)
{
    struct backtest_recording *recording = memory_allocate_zeroed(1, sizeof *recording);
    recording->settings = *settings;
    recording->server_name = slice_from_string(settings->server_name);
    recording->metrics = metrics_create();
    recording->chain = chain_create(&(struct chain_settings){.server_name = settings->server_name});
    (void)chain_seal(recording->chain, NULL, NULL);
    struct observer_settings observer_settings = {.chain = recording->chain,
                                                  .instance_name = settings->instance_name,
                                                  .judge_rejected = settings->judge_rejected,
                                                  .judge_outliers = settings->judge_outliers,
                                                  .queue_limit = SIZE_MAX};
    struct observer_callbacks callbacks = {
        .context = recording, .event = on_event, .row = on_row, .position = on_position};
    recording->observer = observer_create(&observer_settings, &callbacks, recording->metrics);
    return recording;
}

void backtest_recording_destroy(struct backtest_recording *recording)
{
    if (!recording)
        return;
    observer_destroy(recording->observer);
    chain_destroy(recording->chain);
    metrics_destroy(recording->metrics);
    line_reader_close(recording->lines);
    for (unsigned lane = 0; lane < LANES_MAXIMUM; lane++)
        if (recording->readers[lane])
            recording_reader_destroy(recording->readers[lane]);
    free(recording);
}

bool backtest_recording_open(struct backtest_recording *recording, const char *path, struct buffer *error)
{
    recording->counts.cut_short += recording->lines && line_reader_cut_short(recording->lines);
    line_reader_close(recording->lines);
    recording->lines = line_reader_open(path, error);
    return recording->lines != NULL;
}

void backtest_recording_progress(const struct backtest_recording *recording, uint64_t *done, uint64_t *size)
{
    line_reader_progress(recording->lines, done, size);
}

enum line_status backtest_recording_read(struct backtest_recording *recording, struct backtest_batch *batch,
                                         struct buffer *error)
{
    backtest_batch_clear(batch);
    return line_reader_block(recording->lines, BLOCK_SIZE, &batch->block, &recording->too_long, error);
}

/* Rows of other streams than `events`. */
static bool concerns_others(struct slice data)
{
    return slice_starts_with(data, SLICE("RDATA ")) && !slice_starts_with(data, SLICE("RDATA events "));
}

static void scan_line(struct backtest_recording *recording, struct backtest_batch *batch, struct slice line)
{
    struct recording_reader **reader = &recording->readers[lane_number];
    struct recording_message message;
    const char *problem;
    if (!*reader)
        *reader = recording_reader_create();
    if (!recording_read_escaped(*reader, line, &message, &problem)) {
        batch->bad_records++;
        return;
    }
    if (record_mark_channel(message.channel)) {
        struct record_gap gap;
        batch->gaps += record_gap_read(message.data, &gap);
        if (!batch->refusal.length)
            (void)record_format_refuse(message.data, &batch->refusal);
        return;
    }
    batch->lines++;
    if (!slice_equal(message.channel, recording->server_name)) {
        batch->other_channels++;
        return;
    }
    if (concerns_others(message.data))
        return;
    *backtest_batch_add_message(batch) =
        (struct backtest_message){.data = message.escaped ? message.data : arena_copy(&batch->texts, message.data),
                                  .escaped = message.escaped,
                                  .time_ms = recording_message_time_ms(&message)};
}

void backtest_recording_scan(struct backtest_recording *recording, struct backtest_batch *batch)
{
    struct slice block = buffer_slice(&batch->block);
    const char *cursor = block.data;
    const char *end = cursor + block.length;
    while (cursor < end) {
        const char *line_break = memchr(cursor, '\n', (size_t)(end - cursor));
        const char *line_end = line_break ? line_break : end;
        const char *next = line_break ? line_break + 1 : end;
        if (line_break && line_end > cursor && line_end[-1] == '\r')
            line_end--;
        scan_line(recording, batch, slice_of(cursor, (size_t)(line_end - cursor)));
        cursor = next;
    }
}

void backtest_recording_order(struct backtest_recording *recording, struct backtest_batch *batch)
{
    recording->batch = batch;
    for (uint32_t index = 0; index < batch->message_count; index++) {
        const struct backtest_message *message = &batch->messages[index];
        recording->time_ms = message->time_ms;
        if (message->escaped)
            observer_escaped_line(recording->observer, message->data);
        else
            observer_line(recording->observer, message->data, 0);
    }
    recording->counts.messages += batch->lines;
    recording->counts.other_channels += batch->other_channels;
    recording->counts.bad_records += batch->bad_records;
    recording->counts.gaps += batch->gaps;
}

struct backtest_recording_counts backtest_recording_counts(const struct backtest_recording *recording)
{
    struct backtest_recording_counts counts = recording->counts;
    counts.bad_records += recording->too_long;
    counts.cut_short += recording->lines && line_reader_cut_short(recording->lines);
    counts.observed = observer_counts(recording->observer);
    return counts;
}
