/* Everything happens on one loop: a message is redacted and appended when it comes, its event's body is asked for in
 * the same turn, and once a second what has gathered goes to the disk. So a recorder that is killed loses a second.
 *
 * A slow disk holds up the reading, and Redis then drops the subscriber rather than wait: Synapse notices nothing, and
 * the recording has a gap that it tells of. */
#include "engine/record.h"

#include <stdlib.h>

#include "base/json_pool.h"
#include "base/memory.h"
#include "engine/bodies.h"
#include "engine/clock.h"
#include "engine/log.h"
#include "engine/record_marks.h"
#include "engine/record_progress.h"
#include "engine/record_redaction.h"
#include "engine/redis_link.h"
#include "replication/command.h"

#define FLUSH_SECONDS 1

struct record {
    struct event_base *base;
    const struct record_settings *settings;
    struct slice channel; /* the main channel; USER_IP has one of its own, to which nobody here listens */
    struct buffer mark_channel;
    struct record_files *files;
    struct record_bodies *bodies; /* NULL: not wanted */
    struct bodies *body_source;
    struct metrics *metrics; /* the body source wants them; nobody reads them */
    struct redis_link *subscriber;
    struct redis_link *publisher; /* NULL: nothing is asked */
    struct record_redaction redaction;
    struct json_pool pool;
    struct buffer line;
    struct event *tick;
    struct event *deadline;
    struct record_counts counts;
    uint64_t started_ns;
    bool subscribed;     /* heard from Redis, since the last loss */
    bool was_subscribed; /* ever */
    bool format_written; /* into the current file */
    bool batch_open;     /* the last row is one of a token that has more: no rotation in between */
    bool rotate_wanted;  /* by a signal */
    bool stopping;
    bool failed;
    int64_t lost_at_ms; /* since 1970 */
    struct buffer lost_reason;
    struct buffer error;
};

static void fail(struct record *record)
{
    record->failed = true;
    event_base_loopbreak(record->base);
}

static void append_line(struct record *record, struct slice channel, struct slice data)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    buffer_clear(&record->line);
    buffer_append_format(&record->line, "{\"t\": %lld.%06ld, \"ch\": ", (long long)now.tv_sec, now.tv_nsec / 1000);
    buffer_append_json_string(&record->line, channel);
    buffer_append_string(&record->line, ", \"data\": ");
    buffer_append_json_string(&record->line, data);
    buffer_append_char(&record->line, '}');
    record_files_line(record->files, buffer_slice(&record->line));
}

/* A file says of which form it is as soon as there is anything in it. */
static void append_message(struct record *record, struct slice channel, struct slice data)
{
    struct buffer mark = {0};
    if (!record->format_written) {
        record_format_append(&mark);
        append_line(record, buffer_slice(&record->mark_channel), buffer_slice(&mark));
    }
    record->format_written = true;
    append_line(record, channel, data);
    buffer_free(&mark);
}

static void ask_for_body(struct record *record, const struct command *command)
{
    struct event_row row;
    const char *problem;
    if (stream_find(command->stream_name) != STREAM_events ||
        !event_row_parse(command->json, &record->pool, &row, &problem) || row.kind != EVENT_ROW_EV)
        return;
    record->counts.events++;
    if (record->bodies)
        record_bodies_event(record->bodies, &row, command->instance_name, command->batch ? 0 : command->token);
}

static void rotate(struct record *record)
{
    struct buffer reason = {0};
    static struct log_gate gate;
    uint64_t suppressed;
    bool rotated = record_files_rotate(record->files, clock_wall_ms(), &reason);
    record->format_written = record->format_written && !rotated;
    if (rotated)
        log_info("the recording goes on in another file", LOG_STRING("path", record_files_path(record->files)));
    else if (log_gate_pass(&gate, &suppressed))
        log_warning("no other file can be begun; the recording goes on in the same one",
                    LOG_TEXT("reason", buffer_slice(&reason)), LOG_INTEGER("suppressed", suppressed));
    buffer_free(&reason);
}

static void rotate_if_due(struct record *record)
{
    if (record->batch_open || (!record->rotate_wanted && !record_files_due(record->files, clock_wall_ms())))
        return;
    record->rotate_wanted = false;
    rotate(record);
}

static void on_message(void *context, struct slice channel, struct slice data)
{
    struct record *record = context;
    struct command command;
    const char *problem;
    if (record->stopping || !slice_equal(channel, record->channel))
        return;
    struct slice kept = command_parse(data, &command, &problem) == COMMAND_OK
                            ? record_redact(&record->redaction, data, &command)
                            : SLICE_ABSENT;
    if (!slice_present(kept)) {
        record->counts.dropped++;
        return;
    }
    rotate_if_due(record);
    append_message(record, channel, kept);
    record->counts.messages++;
    if (command.name != COMMAND_RDATA)
        return;
    record->batch_open = command.batch;
    ask_for_body(record, &command);
}

/* ---- the connection */

static void on_ready(void *context)
{
    struct record *record = context;
    redis_link_command(record->subscriber, (struct slice[]){SLICE("SUBSCRIBE"), record->channel}, 2);
}

static void replicate(struct record *record)
{
    if (record->subscribed && record->publisher && redis_link_is_ready(record->publisher))
        redis_link_command(record->publisher, (struct slice[]){SLICE("PUBLISH"), record->channel, SLICE("REPLICATE ")},
                           3);
}

/* A gap is written when it is over, so that its length can be told. */
static void write_gap(struct record *record)
{
    int64_t now_ms = clock_wall_ms();
    struct buffer mark = {0};
    struct record_gap gap = {.from_ms = record->lost_at_ms < now_ms ? record->lost_at_ms : now_ms,
                             .to_ms = now_ms,
                             .reason = buffer_slice(&record->lost_reason)};
    record_gap_append(&gap, &mark);
    append_message(record, buffer_slice(&record->mark_channel), buffer_slice(&mark));
    buffer_free(&mark);
    record->counts.gaps++;
    log_warning("the recording has a gap: what was published meanwhile is not in it",
                LOG_NUMBER("seconds", (double)(gap.to_ms - gap.from_ms) / 1000));
}

static void on_subscribed(void *context, struct slice channel)
{
    struct record *record = context;
    (void)channel;
    if (record->was_subscribed && !record->subscribed)
        write_gap(record);
    else
        log_info("recording", LOG_TEXT("channel", record->channel),
                 LOG_STRING("path", record_files_path(record->files)));
    record->subscribed = record->was_subscribed = true;
    replicate(record);
}

static void on_lost(void *context, const char *reason)
{
    struct record *record = context;
    if (!record->subscribed)
        return;
    record->subscribed = false;
    record->batch_open = false; /* the rest of it is lost */
    record->lost_at_ms = clock_wall_ms();
    buffer_clear(&record->lost_reason);
    buffer_append_string(&record->lost_reason, reason);
}

static void on_publisher_ready(void *context)
{
    replicate(context);
}

static void on_reply(void *context, const redisReply *reply)
{
    (void)context;
    if (reply->type == REDIS_REPLY_ERROR)
        log_warning("Redis refused to publish REPLICATE; positions come when the writers announce them by themselves",
                    LOG_TEXT("reason", slice_of(reply->str, reply->len)));
}

/* ---- the clock */

static void finish_if_done(struct record *record)
{
    if (record->stopping && record_bodies_counts(record->bodies).waiting == 0)
        event_base_loopbreak(record->base);
}

static void on_tick(evutil_socket_t number, short events, void *context)
{
    struct record *record = context;
    struct record_counts counts;
    (void)number, (void)events;
    rotate_if_due(record);
    if (!record_files_flush(record->files, &record->error)) {
        fail(record);
        return;
    }
    record_summarise(record, &counts);
    if (record->settings->progress)
        record_progress_draw(&counts, record->subscribed);
    finish_if_done(record);
}

static void on_deadline(evutil_socket_t number, short events, void *context)
{
    struct record *record = context;
    (void)number, (void)events;
    log_warning("the bodies that are still awaited are not in the recording",
                LOG_INTEGER("bodies", record_bodies_counts(record->bodies).waiting));
    event_base_loopbreak(record->base);
}

static void on_body(void *context, uint64_t ticket, struct slice body)
{
    struct record *record = context;
    record_bodies_arrived(record->bodies, ticket, body);
    finish_if_done(record);
}

/* ---- begin and end */

static bool open_bodies(struct record *record, struct buffer *error)
{
    const struct record_settings *settings = record->settings;
    if (!settings->files.bodies)
        return true;
    record->body_source = bodies_open(record->base, settings->configuration, record->metrics);
    if (!record->body_source) {
        buffer_append_string(error, "the source of event bodies cannot be opened");
        return false;
    }
    struct record_bodies_settings bodies = {.files = record->files,
                                            .source = bodies_source(record->body_source),
                                            .queue = (size_t)settings->configuration->bodies_queue,
                                            .without_content = settings->without_content};
    record->bodies = record_bodies_create(&bodies);
    bodies_answer_to(record->body_source, on_body, record);
    return true;
}

static void connect_to_redis(struct record *record)
{
    const struct redis_address *address = &record->settings->configuration->redis;
    struct redis_link_callbacks subscriber = {
        .context = record, .ready = on_ready, .lost = on_lost, .message = on_message, .subscribed = on_subscribed};
    struct redis_link_callbacks publisher = {.context = record, .ready = on_publisher_ready, .reply = on_reply};
    record->subscriber = redis_link_create(record->base, address, "recorder", &subscriber);
    if (record->settings->replicate)
        record->publisher = redis_link_create(record->base, address, "recorder's REPLICATE", &publisher);
}

struct record *record_create(struct event_base *base, const struct record_settings *settings, struct buffer *error)
{
    struct record *record = memory_allocate_zeroed(1, sizeof *record);
    record->base = base;
    record->settings = settings;
    record->channel = slice_from_string(settings->configuration->server_name);
    record->redaction.all_streams = settings->all_streams;
    record->redaction.without_content = settings->without_content;
    record->started_ns = clock_now_ns();
    record->metrics = metrics_create();
    buffer_append_slice(&record->mark_channel, record->channel);
    buffer_append_string(&record->mark_channel, RECORD_MARK_CHANNEL);
    record->files = record_files_open(&settings->files, clock_wall_ms(), error);
    if (!record->files || !open_bodies(record, error)) {
        record_destroy(record);
        return NULL;
    }
    record->tick = event_new(base, -1, EV_PERSIST, on_tick, record);
    record->deadline = evtimer_new(base, on_deadline, record);
    event_add(record->tick, &(struct timeval){FLUSH_SECONDS, 0});
    connect_to_redis(record);
    return record;
}

void record_destroy(struct record *record)
{
    if (!record)
        return;
    redis_link_destroy(record->subscriber);
    redis_link_destroy(record->publisher);
    bodies_close(record->body_source);
    record_bodies_destroy(record->bodies);
    record_files_close(record->files, &record->error);
    if (record->tick)
        event_free(record->tick);
    if (record->deadline)
        event_free(record->deadline);
    metrics_destroy(record->metrics);
    record_redaction_free(&record->redaction);
    json_pool_free(&record->pool);
    buffer_free(&record->line);
    buffer_free(&record->mark_channel);
    buffer_free(&record->lost_reason);
    buffer_free(&record->error);
    free(record);
}

/* What was gathered is closed here and not by record_destroy, which could tell nobody that it failed. */
static bool close_files(struct record *record)
{
    record_bodies_destroy(record->bodies);
    record->bodies = NULL;
    struct buffer again = {0};
    bool good = record_files_close(record->files, record->failed ? &again : &record->error);
    record->files = NULL;
    buffer_free(&again);
    return good;
}

bool record_run(struct record *record, struct buffer *error)
{
    event_base_dispatch(record->base);
    if (record->settings->progress)
        record_progress_erase();
    redis_link_destroy(record->subscriber);
    record->subscriber = NULL;
    bodies_close(record->body_source);
    record->body_source = NULL;
    if (!record->failed)
        record->failed = !record_files_flush(record->files, &record->error);
    record_summarise(record, &record->counts);
    bool good = close_files(record) && !record->failed;
    if (!good)
        buffer_append_slice(error, buffer_slice(&record->error));
    return good;
}

void record_stop(struct record *record)
{
    if (record->stopping) {
        event_base_loopbreak(record->base);
        return;
    }
    record->stopping = true;
    int64_t wait_ms = record->settings->configuration->shutdown_timeout_ms;
    event_add(record->deadline, &(struct timeval){wait_ms / 1000, wait_ms % 1000 * 1000});
    finish_if_done(record);
}

void record_rotate(struct record *record)
{
    record->rotate_wanted = true;
    rotate_if_due(record);
}

void record_summarise(const struct record *record, struct record_counts *counts)
{
    *counts = record->counts;
    if (!record->files)
        return;
    counts->bodies = record_bodies_counts(record->bodies);
    counts->files = record_files_counts(record->files);
    counts->seconds = (double)(clock_now_ns() - record->started_ns) / 1e9;
}
