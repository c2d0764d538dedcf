/* From the line to the row; engine/judging.c goes on from there. Rows are parsed once: the position tracker hands on
 * the slice it was given, and the row read from it before is still there. */
#include "engine/observer.h"

#include <stdlib.h>

#include "base/json_pool.h"
#include "base/memory.h"
#include "engine/clock.h"
#include "engine/followed_rooms.h"
#include "engine/judging.h"
#include "engine/log.h"
#include "engine/writer_standing.h"
#include "replication/command.h"
#include "replication/recording.h"

struct observer {
    struct observer_settings settings;
    struct observer_callbacks callbacks;
    struct judging *judging;
    struct followed_rooms *followed;
    bool follows; /* there are any such rooms */
    struct position_tracker *tracker;
    struct json_pool row_pool;   /* of the current line's row */
    struct json_pool batch_pool; /* of rows that were kept until their token came */
    uint64_t other_streams;      /* handed to `rows`: a bit for each */

    /* The line that is being worked on, and its row if it was an event's. */
    struct slice current_json;
    struct event_row current_row;
    uint64_t received_ns;
    int64_t now_ms;          /* likewise since 1970; 0: not known */
    bool escaped;            /* as observer_escaped_line has it */
    struct buffer unescaped; /* the row of an escaped line, or the line */
    bool writer_was_open;    /* before the POSITION that is being worked on */

    struct observer_counts counts;
    struct observer_metrics metrics;

    struct log_gate command_gate, row_gate, stream_gate;
};

static void count_bad_line(struct observer *observer, struct log_gate *gate, const char *message, const char *problem,
                           const char *about)
{
    observer->counts.bad_lines++;
    uint64_t suppressed;
    if (log_gate_pass(gate, &suppressed))
        log_warning(message, LOG_STRING("reason", problem), LOG_STRING("in", about),
                    LOG_INTEGER("suppressed", suppressed));
}

/* Whether the row is one to judge; counts it if not. */
static bool row_counts(struct observer *observer, const struct event_row *row)
{
    if (row->kind != EVENT_ROW_EV) {
        observer->counts.state_rows++;
        return false;
    }
    if (row->rejected && !observer->settings.judge_rejected) {
        observer->counts.rejected++;
        return false;
    }
    if (row->outlier && !observer->settings.judge_outliers) {
        observer->counts.outliers++;
        return false;
    }
    return true;
}

/* Rows of other streams are their owner's, who has asked for them. */
static void hand_on_other(struct observer *observer, const struct position_rows *rows)
{
    if (observer->other_streams >> rows->stream & 1)
        observer->callbacks.rows(observer->callbacks.context, rows);
}

static void on_rows(void *context, const struct position_rows *rows)
{
    struct observer *observer = context;
    if (rows->stream != STREAM_events) {
        hand_on_other(observer, rows);
        return;
    }
    struct event_origin origin = {.writer = judging_writer(observer->judging, rows->writer),
                                  .token = rows->token,
                                  .received_ns = observer->received_ns,
                                  .now_ms = observer->now_ms};
    for (uint32_t index = 0; index < rows->count; index++) {
        struct event_row row;
        const char *problem;
        bool read = true;
        if (rows->rows[index].data == observer->current_json.data)
            row = observer->current_row;
        else
            read = event_row_parse(rows->rows[index], &observer->batch_pool, &row, &problem);
        if (!read)
            continue;
        if (observer->follows)
            followed_rooms_row(observer->followed, &row, rows->token);
        if (observer->callbacks.row)
            observer->callbacks.row(observer->callbacks.context, &row, rows->token);
        if (observer->callbacks.seen && row.kind == EVENT_ROW_EV)
            observer->callbacks.seen(observer->callbacks.context, rows->writer, rows->token, row.event_id);
        if (!row_counts(observer, &row))
            continue;
        if (observer->callbacks.event)
            observer->callbacks.event(observer->callbacks.context, &row, rows->writer, rows->token, rows->count == 1);
        else
            judging_event(observer->judging, &row, &origin, rows->count == 1);
    }
    judging_token_ends(observer->judging, origin.writer, rows->token);
}

/* Since when rows of a writer of `events` are missing. */
static void note_missing(struct observer *observer, enum stream stream, struct slice writer, bool missing)
{
    if (stream != STREAM_events)
        return;
    struct writer_progress *progress = judging_writer(observer->judging, writer);
    progress->fetching_since_ns = !missing                      ? 0
                                  : progress->fetching_since_ns ? progress->fetching_since_ns
                                                                : clock_now_ns();
}

/* Asked first is whoever can fetch. Where there is nobody to ask: after a time without a subscription the rows may be
 * lost. On a subscription that holds, a position that moves on without its rows is nearly always harmless
 * (replication.md 5.3): before 1.96 it is announced ahead of rows that are about to come, or was taken over from
 * another writer. */
static bool on_fetch(void *context, enum stream stream, struct slice writer, int64_t from, int64_t upto)
{
    struct observer *observer = context;
    if (observer->callbacks.fetch &&
        observer->callbacks.fetch(observer->callbacks.context, stream, writer, from, upto)) {
        note_missing(observer, stream, writer, true);
        return true;
    }
    if (stream != STREAM_events || !observer->settings.live)
        return false;
    if (observer->writer_was_open) {
        observer->counts.unexplained++;
        log_debug("a writer's position moved on without rows", LOG_TEXT("writer", writer), LOG_INTEGER("after", from),
                  LOG_INTEGER("up_to", upto));
        return false;
    }
    observer->counts.missed_ranges++;
    log_warning("rows of `events` may have been published while nobody listened; events in this range were not judged",
                LOG_TEXT("writer", writer), LOG_INTEGER("after", from), LOG_INTEGER("up_to", upto));
    return false;
}

static void on_reset(void *context, enum stream stream, struct slice writer, int64_t from, int64_t upto)
{
    (void)context;
    log_debug("a stream started again with its writer", LOG_STRING("stream", stream_definitions[stream].name),
              LOG_TEXT("writer", writer), LOG_INTEGER("from", from), LOG_INTEGER("to", upto));
}

static enum stream known_stream(struct observer *observer, struct slice name)
{
    enum stream stream = stream_find(name);
    observer->metrics.rows[stream]++;
    uint64_t suppressed;
    if (stream == STREAM_UNKNOWN && log_gate_pass(&observer->stream_gate, &suppressed))
        log_warning("a stream that this version does not know was passed over",
                    LOG_TEXT("stream", slice_of(name.data, name.length < 64 ? name.length : 64)),
                    LOG_INTEGER("suppressed", suppressed));
    return stream;
}

static void take_rdata(struct observer *observer, const struct command *command)
{
    enum stream stream = known_stream(observer, command->stream_name);
    if (stream == STREAM_UNKNOWN)
        return;
    struct command unescaped;
    if (observer->escaped && (stream == STREAM_events || observer->other_streams >> stream & 1)) {
        unescaped = *command;
        unescaped.json = recording_unescape(command->json, &observer->unescaped);
        command = &unescaped;
    }
    if (stream == STREAM_events) {
        const char *problem;
        if (!event_row_parse(command->json, &observer->row_pool, &observer->current_row, &problem)) {
            count_bad_line(observer, &observer->row_gate, "a row of `events` could not be read and was dropped",
                           problem, "RDATA");
            return;
        }
        observer->current_json = command->json;
        if (observer->current_row.newer && observer->counts.newer_rows++ == 0)
            log_warning("rows of `events` have more elements than this version of Weir knows; it reads the known ones");
    }
    enum position_row_status status = position_row(observer->tracker, stream, command);
    observer->current_json = SLICE_ABSENT;
    if (stream == STREAM_events && status == POSITION_ROW_DUPLICATE)
        observer->counts.duplicates++;
    if (observer->callbacks.fetch && (status == POSITION_ROW_OVERFLOW || status == POSITION_ROW_CLOSED))
        position_retry(observer->tracker, stream, command->instance_name);
    else if (status == POSITION_ROW_OVERFLOW)
        count_bad_line(observer, &observer->row_gate,
                       "a batch grew past its bound and was dropped; its writer's next POSITION tells what is missing",
                       "too many rows without a token", stream_definitions[stream].name);
}

/* Tells how far a writer is now, if that is not what it was. */
static void tell_move(struct observer *observer, enum stream stream, struct slice writer, bool known, int64_t before)
{
    int64_t after;
    if (!position_get(observer->tracker, stream, writer, &after) || (known && after == before))
        return;
    struct position_rows nothing = {.stream = stream, .writer = writer, .token = after};
    if (stream == STREAM_events)
        judging_token_ends(observer->judging, judging_writer(observer->judging, writer), after);
    else
        hand_on_other(observer, &nothing);
}

static void take_position(struct observer *observer, const struct command *command)
{
    enum stream stream = stream_find(command->stream_name);
    if (stream == STREAM_UNKNOWN) {
        known_stream(observer, command->stream_name);
        return;
    }
    int64_t before = 0;
    bool known = position_get(observer->tracker, stream, command->instance_name, &before);
    observer->writer_was_open = position_is_open(observer->tracker, stream, command->instance_name);
    position_announced(observer->tracker, stream, command);
    tell_move(observer, stream, command->instance_name, known, before);
}

typedef void command_handler(struct observer *observer, const struct command *command);

/* What the engine acts on; every other command is counted. */
static command_handler *const handlers[COMMAND_COUNT] = {
    [COMMAND_RDATA] = take_rdata,
    [COMMAND_POSITION] = take_position,
};

void observer_keep(struct observer *observer, enum stream stream, bool keep)
{
    uint64_t bit = 1ull << stream;
    observer->other_streams = keep ? observer->other_streams | bit : observer->other_streams & ~bit;
    position_keep(observer->tracker, stream, keep);
}

/* Whether an escape stands in what is read of the line before its row. Names hold none; but who knows. */
static bool has_escaped_names(struct slice line, const struct command *command)
{
    size_t length = command->name == COMMAND_RDATA ? (size_t)(command->json.data - line.data) : line.length;
    return memchr(line.data, '\\', length) != NULL;
}

static void take_line(struct observer *observer, struct slice line)
{
    struct command command;
    const char *problem = NULL;
    enum command_status status = command_parse(line, &command, &problem);
    if (observer->escaped && status == COMMAND_OK && handlers[command.name] && has_escaped_names(line, &command)) {
        observer->escaped = false;
        status = command_parse(recording_unescape(line, &observer->unescaped), &command, &problem);
    }
    observer->counts.lines++;
    switch (status) {
    case COMMAND_OK:
        observer->metrics.commands[command.name]++;
        if (handlers[command.name])
            handlers[command.name](observer, &command);
        break;
    case COMMAND_BLANK:
        break;
    case COMMAND_UNKNOWN:
        observer->metrics.commands[COMMAND_COUNT]++;
        break;
    case COMMAND_INVALID:
        count_bad_line(observer, &observer->command_gate, "a line of the replication channel could not be read",
                       problem, "command");
        break;
    }
}

/* The lines of one read share the time of that read, so that the clock is asked once for all of them. */
static void set_received(struct observer *observer, uint64_t received_ns)
{
    if (observer->settings.live && (received_ns != observer->received_ns || !observer->now_ms))
        observer->now_ms = clock_wall_ms();
    observer->received_ns = received_ns;
}

void observer_set_time(struct observer *observer, int64_t now_ms)
{
    observer->now_ms = now_ms;
}

void observer_line(struct observer *observer, struct slice line, uint64_t received_ns)
{
    set_received(observer, received_ns);
    observer->escaped = false;
    take_line(observer, line);
}

void observer_escaped_line(struct observer *observer, struct slice line)
{
    observer->received_ns = 0;
    observer->escaped = true;
    take_line(observer, line);
}

void observer_fetched(struct observer *observer, const struct position_rows *rows)
{
    set_received(observer, clock_now_ns());
    observer->now_ms = 0; /* they arrived some time ago */
    if (rows->stream == STREAM_events)
        observer->counts.fetched += rows->count;
    position_fetched(observer->tracker, rows);
}

void observer_fetch_done(struct observer *observer, enum stream stream, struct slice writer, int64_t reached,
                         bool limited)
{
    int64_t before = 0;
    bool known = position_get(observer->tracker, stream, writer, &before);
    set_received(observer, clock_now_ns());
    position_fetch_done(observer->tracker, stream, writer, reached, limited, false);
    if (position_is_open(observer->tracker, stream, writer))
        note_missing(observer, stream, writer, false);
    tell_move(observer, stream, writer, known, before);
}

void observer_late_event(struct observer *observer, const struct event_row *row, struct slice writer, int64_t token)
{
    if (observer->follows)
        followed_rooms_row(observer->followed, row, token);
    if (row_counts(observer, row))
        judging_late_event(observer->judging, row, writer, token);
}

bool observer_late_waiting(const struct observer *observer, struct slice writer)
{
    return judging_late_waiting(observer->judging, writer);
}

void observer_disconnected(struct observer *observer)
{
    position_disconnected(observer->tracker);
}

void observer_start_at(struct observer *observer, enum stream stream, int64_t token)
{
    position_start(observer->tracker, stream, token);
}

void observer_restore(struct observer *observer, enum stream stream, struct slice writer, int64_t token)
{
    position_restore(observer->tracker, stream, writer, token);
    if (stream == STREAM_events)
        writer_progress_restore(judging_writer(observer->judging, writer), token);
}

void observer_restore_ahead(struct observer *observer, enum stream stream, struct slice writer, struct slice record)
{
    const char *problem;
    if (stream == STREAM_events &&
        !writer_progress_restore_ahead(judging_writer(observer->judging, writer), record, &problem))
        log_error("the record of what was judged ahead of a position cannot be read; events may be judged twice",
                  LOG_TEXT("writer", writer), LOG_STRING("reason", problem));
}

void observer_append_ahead(struct observer *observer, enum stream stream, struct slice writer, struct buffer *record)
{
    if (stream == STREAM_events)
        writer_progress_append_ahead(judging_writer(observer->judging, writer), record);
}

void observer_body_arrived(void *context, uint64_t ticket, struct slice body)
{
    struct observer *observer = context;
    judging_body_arrived(observer->judging, ticket, body);
}

void observer_answered(void *context, uint64_t ticket, const struct service_answer *answer)
{
    struct observer *observer = context;
    judging_answered(observer->judging, ticket, answer);
}

void observer_give_up(struct observer *observer, const char *reason)
{
    judging_give_up(observer->judging, reason);
}

/* Where events are judged elsewhere, rooms are followed there. */
static void follow_rooms(struct observer *observer, struct chain *chain)
{
    if (observer->callbacks.event)
        return;
    followed_rooms_use_chain(observer->followed, chain);
    observer->follows = followed_rooms_any(observer->followed);
}

struct followed_rooms *observer_followed_rooms(struct observer *observer)
{
    return observer->followed;
}

struct observer *observer_create(const struct observer_settings *settings, const struct observer_callbacks *callbacks,
                                 struct metrics *metrics)
{
    struct observer *observer = memory_allocate_zeroed(1, sizeof *observer);
    observer->settings = *settings;
    observer->callbacks = *callbacks;
    struct position_callbacks position_callbacks = {
        .context = observer, .hand_on = on_rows, .fetch = on_fetch, .reset = on_reset};
    observer->tracker = position_tracker_create(&position_callbacks, settings->instance_name, 1ull << STREAM_events);
    observer_metrics_register(&observer->metrics, metrics, observer);
    observer->judging = judging_create(settings, callbacks, &observer->counts, &observer->metrics);
    observer->followed = followed_rooms_create(&settings->bodies);
    follow_rooms(observer, settings->chain);
    return observer;
}

void observer_destroy(struct observer *observer)
{
    if (!observer)
        return;
    position_tracker_destroy(observer->tracker);
    judging_destroy(observer->judging);
    followed_rooms_destroy(observer->followed);
    json_pool_free(&observer->row_pool);
    json_pool_free(&observer->batch_pool);
    buffer_free(&observer->unescaped);
    free(observer);
}

void observer_use_chain(struct observer *observer, struct chain *chain)
{
    judging_use_chain(observer->judging, chain);
    follow_rooms(observer, chain);
}

void observer_reconfigure(struct observer *observer, bool judge_rejected, bool judge_outliers, bool ask_as_synapse)
{
    observer->settings.judge_rejected = judge_rejected;
    observer->settings.judge_outliers = judge_outliers;
    judging_ask_as_synapse(observer->judging, ask_as_synapse);
}

struct observer_counts observer_counts(const struct observer *observer)
{
    struct observer_counts counts = observer->counts;
    counts.waiting = judging_waiting(observer->judging);
    counts.parked = judging_parked(observer->judging);
    return counts;
}

size_t observer_parked(const struct observer *observer)
{
    return judging_parked(observer->judging);
}

const char *observer_module_label(const struct observer *observer, uint32_t index)
{
    return observer_metrics_label(&observer->metrics, index);
}

uint64_t observer_module_denials(const struct observer *observer, uint32_t index)
{
    return *observer_metrics_denials(&observer->metrics, index);
}

const struct position_tracker *observer_positions(const struct observer *observer)
{
    return observer->tracker;
}

void observer_each_writer(const struct observer *observer, writer_visit_function *visit, void *context)
{
    writer_standings(observer->tracker, observer->judging, visit, context);
}
