/* The hot path of the engine. A row whose body is at hand is judged where it stands, without a copy; only what has to
 * wait is copied into the queue. Rows are parsed once: the position tracker hands on the slice it was given, and the
 * row read from it before is still there. */
#include "engine/observer.h"

#include <stdlib.h>

#include "base/json_pool.h"
#include "base/memory.h"
#include "engine/event_queue.h"
#include "engine/log.h"
#include "engine/observer_metrics.h"
#include "filters/judge.h"
#include "replication/command.h"

/* Bodies that wait may take this much before the lines are stopped. */
#define QUEUE_BYTES_LIMIT (64u << 20)
struct observer {
    struct observer_settings settings;
    struct observer_callbacks callbacks;
    struct judge *judge;
    struct position_tracker *tracker;
    struct event_queue *queue;
    struct json_pool row_pool;   /* of the current line's row */
    struct json_pool batch_pool; /* of rows that were kept until their token came */
    bool stopped;                /* flow(true) was said */
    uint64_t other_streams;      /* handed to `rows`: a bit for each */

    /* The line that is being worked on, and its row if it was an event's. */
    struct slice current_json;
    struct event_row current_row;
    uint64_t received_ns;
    bool writer_was_open; /* before the POSITION that is being worked on */

    struct observer_counts counts;
    struct observer_metrics metrics;

    char **writers; /* interned names; queue entries point to them */
    size_t writer_count;

    struct log_gate command_gate, row_gate, body_gate, missing_gate, stream_gate;
};

/* The writer's name for as long as the observer lives. Writers are few: the tracker bounds them. */
static struct slice intern_writer(struct observer *observer, struct slice writer)
{
    for (size_t index = 0; index < observer->writer_count; index++) {
        struct slice known = slice_from_string(observer->writers[index]);
        if (slice_equal(known, writer))
            return known;
    }
    observer->writers = memory_reallocate(observer->writers, (observer->writer_count + 1) * sizeof *observer->writers);
    char *copy = memory_copy_text(writer.data, writer.length);
    observer->writers[observer->writer_count++] = copy;
    return slice_of(copy, writer.length);
}

static void count_bad_line(struct observer *observer, struct log_gate *gate, const char *message, const char *problem,
                           const char *about)
{
    observer->counts.bad_lines++;
    uint64_t suppressed;
    if (log_gate_pass(gate, &suppressed))
        log_warning(message, LOG_STRING("reason", problem), LOG_STRING("in", about),
                    LOG_INTEGER("suppressed", suppressed));
}

static void publish_verdict(struct observer *observer, const struct event *event, struct slice writer, int64_t token,
                            uint64_t received_ns)
{
    struct outcome outcome;
    judge_event(observer->judge, event, JUDGE_BOTH, &outcome);
    observer->counts.judged++;
    if (outcome.kind != OUTCOME_PASSED) {
        observer->counts.denied++;
        (*observer_metrics_denials(&observer->metrics, outcome.module_index))++;
    }
    struct verdict verdict = {.event = event,
                              .outcome = &outcome,
                              .stream = SLICE("events"),
                              .instance = writer,
                              .token = token,
                              .received_ns = received_ns};
    observer->callbacks.judged(observer->callbacks.context, &verdict);
}

static void report_unreadable_body(struct observer *observer, const struct event_row *row,
                                   enum event_read_status status)
{
    observer->counts.bodies_unreadable++;
    uint64_t suppressed;
    if (log_gate_pass(&observer->body_gate, &suppressed))
        log_warning("a body could not be read; the event was judged by its stream row alone",
                    LOG_TEXT("event_id", row->event_id), LOG_STRING("reason", event_read_status_text(status)),
                    LOG_INTEGER("suppressed", suppressed));
}

static void report_missing_body(struct observer *observer, const struct event_row *row)
{
    observer->counts.bodies_missing++;
    uint64_t suppressed;
    if (log_gate_pass(&observer->missing_gate, &suppressed))
        log_warning("a body was not found; the event was judged by its stream row alone",
                    LOG_TEXT("event_id", row->event_id), LOG_TEXT("room_id", row->room_id),
                    LOG_INTEGER("suppressed", suppressed));
}

/* Judges one event; `body` may be absent. */
static void judge(struct observer *observer, const struct event_row *row, struct slice body, struct slice writer,
                  int64_t token, uint64_t received_ns)
{
    struct event event = {.event_id = row->event_id,
                          .room_id = row->room_id,
                          .type = row->type,
                          .state_key = row->state_key,
                          .redacts = row->redacts,
                          .relates_to = row->relates_to,
                          .membership = row->membership};
    if (slice_present(body)) {
        enum event_read_status status = judge_read(observer->judge, body, &event);
        if (status != EVENT_READ_OK)
            report_unreadable_body(observer, row, status);
    } else if (chain_needs_body(observer->settings.chain)) {
        report_missing_body(observer, row);
    }
    publish_verdict(observer, &event, writer, token, received_ns);
}

static void update_flow(struct observer *observer)
{
    size_t limit = observer->settings.queue_limit;
    size_t count = event_queue_count(observer->queue);
    size_t bytes = event_queue_bytes(observer->queue);
    bool stop = observer->stopped ? count > limit / 2 || bytes > QUEUE_BYTES_LIMIT / 2
                                  : count >= limit || bytes >= QUEUE_BYTES_LIMIT;
    if (stop != observer->stopped) {
        observer->stopped = stop;
        if (observer->callbacks.flow)
            observer->callbacks.flow(observer->callbacks.context, stop);
    }
}

/* Judges from the front of the queue whatever is ready. */
static void drain_queue(struct observer *observer)
{
    struct queued_event *entry;
    while ((entry = event_queue_front(observer->queue)) && entry->state == QUEUED_READY) {
        if (entry->has_event)
            judge(observer, &entry->row, entry->has_body ? buffer_slice(&entry->body) : SLICE_ABSENT, entry->writer,
                  entry->token, entry->received_ns);
        if (entry->ends_token)
            observer->callbacks.position(observer->callbacks.context, entry->stream, entry->writer, entry->token);
        event_queue_pop(observer->queue);
    }
    update_flow(observer);
}

void observer_body_arrived(void *context, uint64_t ticket, struct slice body)
{
    struct observer *observer = context;
    struct queued_event *entry = event_queue_find(observer->queue, ticket);
    if (!entry || entry->state == QUEUED_READY)
        return;
    entry->state = QUEUED_READY;
    if (slice_present(body)) {
        entry->has_body = true;
        buffer_append_slice(&entry->body, body);
        event_queue_account_body(observer->queue, entry);
    }
    drain_queue(observer);
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

static void enqueue(struct observer *observer, const struct event_row *row, const struct position_rows *rows,
                    bool ends_token)
{
    uint64_t ticket;
    struct queued_event *entry = event_queue_append(observer->queue, &ticket);
    entry->stream = rows->stream;
    entry->writer = intern_writer(observer, rows->writer);
    entry->token = rows->token;
    entry->received_ns = observer->received_ns;
    entry->ends_token = ends_token;
    entry->state = QUEUED_READY;
    if (!row)
        return;
    queued_event_set_row(entry, row);
    if (!chain_uses_body(observer->settings.chain))
        return;
    entry->state = QUEUED_ASKED;
    observer->settings.bodies.request(observer->settings.bodies.context, ticket, entry->row.event_id);
}

/* A row that was handed on: judged now if its body can be had now and nothing waits before it. */
static void take_row(struct observer *observer, const struct event_row *row, const struct position_rows *rows,
                     bool ends_token)
{
    const struct body_source *bodies = &observer->settings.bodies;
    bool later = bodies->request && (event_queue_count(observer->queue) || chain_uses_body(observer->settings.chain));
    if (later) {
        enqueue(observer, row, rows, ends_token);
        return;
    }
    if (row) {
        bool wanted = bodies->find && chain_uses_body(observer->settings.chain);
        struct slice body = wanted ? bodies->find(bodies->context, row->event_id) : SLICE_ABSENT;
        judge(observer, row, body, rows->writer, rows->token, observer->received_ns);
    }
    if (ends_token)
        observer->callbacks.position(observer->callbacks.context, rows->stream, rows->writer, rows->token);
}

/* The row's slices live until `pool` is used again. */
static bool read_row(struct json_pool *pool, struct slice json, struct event_row *row, const char **problem)
{
    struct command command = {.name = COMMAND_RDATA, .json = json};
    yyjson_alc allocator = json_pool_allocator(pool, json.length, YYJSON_READ_BIGNUM_AS_RAW);
    yyjson_doc *document = command_json(&command, &allocator, problem);
    return document && event_row_read(yyjson_doc_get_root(document), row, problem);
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
    for (uint32_t index = 0; index < rows->count; index++) {
        struct event_row row;
        const char *problem;
        bool read = true;
        if (rows->rows[index].data == observer->current_json.data)
            row = observer->current_row;
        else
            read = read_row(&observer->batch_pool, rows->rows[index], &row, &problem);
        bool ends_token = index + 1 == rows->count;
        if (read && row_counts(observer, &row))
            take_row(observer, &row, rows, ends_token);
        else if (ends_token)
            take_row(observer, NULL, rows, true);
    }
    if (event_queue_count(observer->queue))
        drain_queue(observer);
}

/* There is nobody to ask. After a time without a subscription the rows may be lost. On a subscription that holds, a
 * position that moves on without its rows is nearly always harmless (replication.md 5.3): before 1.96 it is announced
 * ahead of rows that are about to come, or was taken over from another writer. */
static bool on_fetch(void *context, enum stream stream, struct slice writer, int64_t from, int64_t upto)
{
    struct observer *observer = context;
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
    if (stream == STREAM_events) {
        const char *problem;
        if (!read_row(&observer->row_pool, command->json, &observer->current_row, &problem)) {
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
    if (status == POSITION_ROW_OVERFLOW)
        count_bad_line(observer, &observer->row_gate,
                       "a batch grew past its bound and was dropped; its writer's next POSITION tells what is missing",
                       "too many rows without a token", stream_definitions[stream].name);
}

static void take_position(struct observer *observer, const struct command *command)
{
    enum stream stream = stream_find(command->stream_name);
    if (stream == STREAM_UNKNOWN) {
        known_stream(observer, command->stream_name);
        return;
    }
    int64_t before = 0;
    int64_t after = 0;
    bool known = position_get(observer->tracker, stream, command->instance_name, &before);
    observer->writer_was_open = position_is_open(observer->tracker, stream, command->instance_name);
    position_announced(observer->tracker, stream, command);
    bool moved = position_get(observer->tracker, stream, command->instance_name, &after) && (!known || after != before);
    struct position_rows nothing = {.stream = stream, .writer = command->instance_name, .token = after};
    if (moved && stream != STREAM_events)
        hand_on_other(observer, &nothing);
    if (moved && stream == STREAM_events) {
        take_row(observer, NULL, &nothing, true);
        if (event_queue_count(observer->queue))
            drain_queue(observer);
    }
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

void observer_line(struct observer *observer, struct slice line, uint64_t received_ns)
{
    struct command command;
    const char *problem = NULL;
    observer->counts.lines++;
    observer->received_ns = received_ns;
    switch (command_parse(line, &command, &problem)) {
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

void observer_disconnected(struct observer *observer)
{
    position_disconnected(observer->tracker);
}

void observer_restore(struct observer *observer, enum stream stream, struct slice writer, int64_t token)
{
    position_restore(observer->tracker, stream, writer, token);
}

struct observer *observer_create(const struct observer_settings *settings, const struct observer_callbacks *callbacks,
                                 struct metrics *metrics)
{
    struct observer *observer = memory_allocate_zeroed(1, sizeof *observer);
    observer->settings = *settings;
    observer->callbacks = *callbacks;
    observer->judge = judge_create(settings->chain);
    observer->queue = event_queue_create();
    struct position_callbacks position_callbacks = {
        .context = observer, .hand_on = on_rows, .fetch = on_fetch, .reset = on_reset};
    observer->tracker = position_tracker_create(&position_callbacks, settings->instance_name, 1ull << STREAM_events);
    observer_metrics_register(&observer->metrics, metrics, observer);
    observer_metrics_use_chain(&observer->metrics, settings->chain);
    return observer;
}

void observer_destroy(struct observer *observer)
{
    if (!observer)
        return;
    position_tracker_destroy(observer->tracker);
    event_queue_destroy(observer->queue);
    judge_destroy(observer->judge);
    json_pool_free(&observer->row_pool);
    json_pool_free(&observer->batch_pool);
    for (size_t index = 0; index < observer->writer_count; index++)
        free(observer->writers[index]);
    free(observer->writers);
    free(observer);
}

void observer_use_chain(struct observer *observer, const struct chain *chain)
{
    observer->settings.chain = chain;
    judge_destroy(observer->judge);
    observer->judge = judge_create(chain);
    observer_metrics_use_chain(&observer->metrics, chain);
}

struct observer_counts observer_counts(const struct observer *observer)
{
    struct observer_counts counts = observer->counts;
    counts.waiting = event_queue_count(observer->queue);
    return counts;
}

uint64_t observer_module_denials(const struct observer *observer, uint32_t index)
{
    return *observer_metrics_denials(&observer->metrics, index);
}

const struct position_tracker *observer_positions(const struct observer *observer)
{
    return observer->tracker;
}
