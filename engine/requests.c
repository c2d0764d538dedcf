/* What Redis delivers is put into a queue, and the queue is served in slices of a turn, while the next entries are
 * already asked for: so the stream is read ahead of what is answered, and whoever asks little is found behind the
 * requests of whoever asks much. */
#include "engine/requests.h"

#include <stddef.h>
#include <stdlib.h>

#include "base/memory.h"
#include "engine/clock.h"
#include "engine/requests_parts.h"

/* How long the queue is served in one turn of the loop, if it is not empty before. */
#define SERVE_NS 2000000u
/* Of so many bytes a queued request may be on an average. */
#define QUEUE_BYTES_EACH 8192u
#define QUEUE_BYTES_LEAST ((size_t)64 << 20)

/* One row for each of struct request_counts. */
static const struct metric_member members[] = {
#define COUNT(member, name, kind, help) METRIC_MEMBER(struct request_counts, member, name, kind, help)
    COUNT(claimed, "weir_requests_claimed_total", METRIC_COUNTER,
          "Requests taken over from engines that did not answer them."),
    COUNT(poisoned, "weir_requests_poisoned_total", METRIC_COUNTER,
          "Requests set aside because they were delivered too often without an answer."),
    COUNT(turned_away, "weir_requests_turned_away_total", METRIC_COUNTER,
          "Requests answered `overloaded` because the queue was full and their asker had most of it."),
    COUNT(trimmed, "weir_requests_trimmed_total", METRIC_COUNTER,
          "Requests cut off the stream because it was longer than requests.stream."),
    COUNT(queued, "weir_requests_queued", METRIC_GAUGE, "Requests that were read and wait to be asked."),
    COUNT(queued_bytes, "weir_requests_queued_bytes", METRIC_GAUGE, "Bytes of those."),
#undef COUNT
};

/* ---- what is in hand */

static void settle(struct requests *requests, const struct answer *answer)
{
    struct settled_request settled = {.key = buffer_slice(&requests->key),
                                      .group = REQUESTS_GROUP,
                                      .entry = answer->entry,
                                      .reply_to = answer->reply_to,
                                      .message = answer->message,
                                      .lines = answer->lines};
    outbox_settle_request(requests->outbox, &settled);
    requests_takeover_settled(requests, answer->entry);
}

static void on_settle(void *context, const struct answer *answer)
{
    settle(context, answer);
}

void requests_drop_entry(struct requests *requests, struct slice entry)
{
    settle(requests, &(struct answer){.entry = entry});
}

static bool take_entry(struct requests *requests, const redisReply *entry, uint64_t now)
{
    struct request_fields fields;
    const char *problem;
    switch (request_entry_read(entry, &fields, &problem)) {
    case REQUEST_ENTRY_NONE:
        return false;
    case REQUEST_ENTRY_GONE:
        requests_drop_entry(requests, fields.entry);
        return true;
    case REQUEST_ENTRY_REFUSED:
        answerer_refuse(requests->answerer, &fields, problem);
        return true;
    case REQUEST_ENTRY_WHOLE:
        requests->taken_bytes += fields.args.length;
        request_queue_add(requests->queue, &fields, now);
        return true;
    }
    return false;
}

static void turn_away(struct requests *requests, struct queued_request *request)
{
    uint64_t suppressed;
    requests->counts.turned_away++;
    if (log_gate_pass(&requests->turned_away_gate, &suppressed))
        log_warning("more requests come than are answered: those of whoever asks most are turned away",
                    LOG_TEXT("reply_to", request->fields.reply_to), LOG_TEXT("room", request->fields.room),
                    LOG_INTEGER("queued", request_queue_count(requests->queue)), LOG_INTEGER("suppressed", suppressed));
    answerer_turn_away(requests->answerer, &request->fields);
    free(request);
}

size_t requests_take_entries(struct requests *requests, const redisReply *entries)
{
    size_t taken = 0;
    uint64_t now = clock_now_ns();
    if (entries->type != REDIS_REPLY_ARRAY)
        return 0;
    for (size_t index = 0; index < entries->elements; index++)
        taken += take_entry(requests, entries->element[index], now);
    for (struct queued_request *request; (request = request_queue_take_excess(requests->queue));)
        turn_away(requests, request);
    return taken;
}

void requests_serve(struct requests *requests)
{
    uint64_t now = clock_now_ns(), until = now + SERVE_NS;
    for (struct queued_request *request; (request = request_queue_take(requests->queue));) {
        latency_record(requests->queue_latency, now - request->added_ns);
        answerer_take(requests->answerer, &request->fields);
        free(request);
        now = clock_now_ns();
        if (now >= until)
            break;
    }
    /* By the timer, since an event that is made active anew would be handled before Redis is looked at. */
    if (request_queue_count(requests->queue) && !event_pending(requests->serve, EV_TIMEOUT, NULL))
        event_add(requests->serve, &(struct timeval){0});
}

static void on_serve(evutil_socket_t socket, short what, void *argument)
{
    (void)socket, (void)what;
    requests_serve(argument);
}

/* ---- what the owner asks for */

void requests_pause(struct requests *requests, bool paused)
{
    requests->paused = paused;
    requests_go_on(requests);
}

bool requests_is_idle(const struct requests *requests)
{
    return !requests->asked && request_queue_count(requests->queue) == 0 &&
           answerer_counts(requests->answerer).waiting == 0;
}

void requests_tell_callbacks(struct requests *requests)
{
    requests->tell = true;
    requests_go_on(requests);
}

struct answerer_counts requests_counts(const struct requests *requests)
{
    return answerer_counts(requests->answerer);
}

/* ---- life */

static void collect(void *context)
{
    struct requests *requests = context;
    requests->counts.queued = request_queue_count(requests->queue);
    requests->counts.queued_bytes = request_queue_bytes(requests->queue);
}

struct requests *requests_create(struct event_base *base, const struct requests_settings *settings,
                                 struct questions *questions, struct outbox *outbox, struct metrics *metrics)
{
    struct requests *requests = memory_allocate_zeroed(1, sizeof *requests);
    struct answerer_callbacks answerer_callbacks = {.context = requests, .settle = on_settle};
    struct request_queue_settings queue = {.requests = (size_t)settings->queue,
                                           .bytes = (size_t)settings->queue * QUEUE_BYTES_EACH};
    if (queue.bytes < QUEUE_BYTES_LEAST)
        queue.bytes = QUEUE_BYTES_LEAST;
    requests->base = base;
    requests->settings = *settings;
    requests->questions = questions;
    requests->outbox = outbox;
    buffer_append_format(&requests->key, "%s/weir/requests", settings->server_name);
    buffer_append_format(&requests->poisoned_key, "%s/weir/requests/poisoned", settings->server_name);
    buffer_append_format(&requests->callbacks_key, "%s/weir/callbacks", settings->server_name);
    buffer_append_format(&requests->callbacks_channel, "%s/weir/replies", settings->server_name);
    metrics_register_members(metrics, members, sizeof members / sizeof *members, &requests->counts);
    metrics_on_collect(metrics, collect, requests);
    requests->queue_latency = metrics_register_latency(
        metrics, "weir_request_queue_seconds", "How long requests waited to be asked, from when they were read.");
    requests->answerer = answerer_create(questions, settings->server_name, &answerer_callbacks, metrics);
    requests->queue = request_queue_create(&queue);
    requests->serve = evtimer_new(base, on_serve, requests);
    requests_upkeep_begin(requests);
    requests_open_link(requests);
    return requests;
}

void requests_destroy(struct requests *requests)
{
    if (!requests)
        return;
    requests_close_link(requests);
    requests_takeover_free(requests);
    event_free(requests->serve);
    answerer_destroy(requests->answerer);
    request_queue_destroy(requests->queue);
    buffer_free(&requests->key);
    buffer_free(&requests->poisoned_key);
    buffer_free(&requests->callbacks_key);
    buffer_free(&requests->callbacks_channel);
    buffer_free(&requests->callbacks);
    buffer_free(&requests->refusal);
    free(requests);
}
