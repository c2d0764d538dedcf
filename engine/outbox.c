/* A transaction is kept until Redis has answered its EXEC, since it may have to be sent again; answered ones are reused
 * with their memory. */
#include "engine/outbox.h"

#include <stdlib.h>

#include "base/memory.h"
#include "engine/clock.h"
#include "engine/outbox_metrics.h"
#include "engine/outbox_parts.h"

/* More than this without an answer stops the lines. */
#define BYTES_LIMIT (64u << 20)
#define TRANSACTIONS_LIMIT 4096
/* Of so many reads, and so long, a transaction may become while it waits for the answers to others. */
#define WAITING_READS_MAXIMUM 256
#define WAITING_BYTES_MAXIMUM ((size_t)256 << 10)
/* How long a Redis that refuses (out of memory, busy) is left alone before it is asked again. */
#define REFUSED_SECONDS 1

/* The end of this turn of the loop looks at the open transaction. */
static void want_flush(struct outbox *outbox)
{
    if (outbox->flush_wanted)
        return;
    outbox->flush_wanted = true;
    event_active(outbox->flush_event, EV_TIMEOUT, 0);
}

struct transaction *outbox_take_spare(struct outbox *outbox)
{
    struct transaction *transaction = outbox->spare;
    if (transaction)
        outbox->spare = transaction->next;
    else
        transaction = memory_allocate_zeroed(1, sizeof *transaction);
    transaction_begin(transaction, &outbox->fence);
    return transaction;
}

struct transaction *outbox_open_transaction(struct outbox *outbox)
{
    want_flush(outbox);
    if (!outbox->open)
        outbox->open = outbox_take_spare(outbox);
    return outbox->open;
}

static void recycle(struct outbox *outbox, struct transaction *transaction)
{
    if (transaction->commands.capacity > (1u << 20)) {
        transaction->next = NULL;
        transaction_free_all(transaction);
        return;
    }
    transaction->next = outbox->spare;
    outbox->spare = transaction;
}

/* `line` has the row from `begins` on. */
static void end_verdict_row(struct outbox *outbox, struct transaction *transaction, const struct buffer *line,
                            size_t begins)
{
    if (outbox->watched)
        outbox->callbacks.row(outbox->callbacks.context, slice_of(line->data + begins, line->length - begins),
                              outbox->streams.tokens[OWN_STREAM_VERDICTS]);
    own_streams_end_row(&outbox->streams, OWN_STREAM_VERDICTS, transaction, outbox->settings.keep);
}

void outbox_verdict(struct outbox *outbox, const struct verdict *verdict)
{
    struct transaction *transaction = outbox_open_transaction(outbox);
    own_streams_raise(&outbox->streams, OWN_STREAM_VERDICTS, transaction);
    transaction_add_event(transaction, verdict->received_ns);
    bool published = verdict->outcome->kind != OUTCOME_PASSED || outbox->settings.publish_all;
    struct slice dry_runs = verdict->dry_runs, row;
    while (verdict_next_row(&dry_runs, &row)) {
        bool more = published || dry_runs.length > 0;
        struct buffer *line = own_streams_begin_row(&outbox->streams, OWN_STREAM_VERDICTS, more);
        size_t begins = line->length;
        buffer_append_slice(line, row);
        end_verdict_row(outbox, transaction, line, begins);
    }
    if (!published)
        return;
    struct buffer *line = own_streams_begin_row(&outbox->streams, OWN_STREAM_VERDICTS, false);
    size_t begins = line->length;
    verdict_append_row(verdict, line);
    end_verdict_row(outbox, transaction, line, begins);
}

void outbox_watch(struct outbox *outbox, bool watched)
{
    outbox->watched = watched;
}

void outbox_route(struct outbox *outbox, struct slice row)
{
    struct transaction *transaction = outbox_open_transaction(outbox);
    own_streams_raise(&outbox->streams, OWN_STREAM_PRESENCE_ROUTES, transaction);
    buffer_append_slice(own_streams_begin_row(&outbox->streams, OWN_STREAM_PRESENCE_ROUTES, false), row);
    own_streams_end_row(&outbox->streams, OWN_STREAM_PRESENCE_ROUTES, transaction, outbox->settings.keep);
}

void outbox_settle_request(struct outbox *outbox, const struct settled_request *request)
{
    settled_requests_add(&outbox->settled, outbox_open_transaction(outbox), request);
}

void outbox_add_entry(struct outbox *outbox, struct slice key, int64_t keep, const struct slice *texts, size_t count)
{
    transaction_add_entry(outbox_open_transaction(outbox), key, keep, texts, count);
}

uint64_t outbox_mark(const struct outbox *outbox)
{
    return outbox->counts.transactions + outbox->sent_count + (outbox->open ? 1 : 0);
}

bool outbox_has_passed(const struct outbox *outbox, uint64_t mark)
{
    return outbox->counts.transactions >= mark;
}

void outbox_position(struct outbox *outbox, enum stream stream, struct slice writer, int64_t token)
{
    outbox_open_transaction(outbox);
    stored_positions_set(&outbox->positions, stream, writer, token);
}

void outbox_audited(struct outbox *outbox, enum stream stream, struct slice writer, int64_t token)
{
    outbox_open_transaction(outbox);
    stored_positions_set_audited(&outbox->positions, stream, writer, token);
}

void outbox_ahead(struct outbox *outbox, enum stream stream, struct slice writer)
{
    outbox_open_transaction(outbox);
    stored_positions_set_ahead(&outbox->positions, stream, writer);
}

/* Adds what belongs to the end of a transaction: our own streams' tokens, and the positions that moved. */
static void seal_transaction(struct outbox *outbox, struct transaction *transaction)
{
    settled_requests_seal(&outbox->settled, transaction);
    own_streams_seal(&outbox->streams, transaction);
    stored_positions_seal(&outbox->positions, outbox->settings.instance_name,
                          buffer_slice(&outbox->streams.positions_key), transaction, &outbox->callbacks);
    transaction_end(transaction, outbox->streams.tokens);
}

static void update_flow(struct outbox *outbox)
{
    bool over = outbox->sent_bytes > BYTES_LIMIT || outbox->sent_count > TRANSACTIONS_LIMIT;
    bool under = outbox->sent_bytes < BYTES_LIMIT / 2 && outbox->sent_count < TRANSACTIONS_LIMIT / 2;
    if (outbox->stopped ? under : over) {
        outbox->stopped = !outbox->stopped;
        outbox->callbacks.flow(outbox->callbacks.context, outbox->stopped);
    }
}

bool outbox_is_overfull(const struct outbox *outbox)
{
    return outbox->sent_bytes > 2 * (size_t)BYTES_LIMIT || outbox->sent_count > 2 * TRANSACTIONS_LIMIT;
}

static void check_drained(struct outbox *outbox)
{
    if (outbox->draining && !outbox->open && !outbox->sent) {
        outbox->draining = false;
        outbox->callbacks.drained(outbox->callbacks.context);
    }
}

static bool can_send(const struct outbox *outbox)
{
    return outbox->first_load == LOAD_DONE && !outbox->recovering && !outbox->held && outbox->refusal == REFUSAL_NONE &&
           redis_link_is_ready(outbox->link);
}

/* While Redis has not answered what is on its way, a transaction waits and takes in what comes until then: one that
 * only stores how far we are behind a single other, one that publishes or answers something behind two. An idle Redis
 * is thus sent everything at once, and a busy one fewer transactions, each of which costs it the work of some lines. */
static bool may_wait(const struct outbox *outbox, const struct transaction *transaction)
{
    size_t settled = settled_requests_bytes(&outbox->settled);
    size_t ahead = transaction->command_count || settled ? 2 : 1;
    return outbox->sent_count >= ahead && transaction->run_count < WAITING_READS_MAXIMUM &&
           transaction->commands.length + settled < WAITING_BYTES_MAXIMUM;
}

/* The end of a loop turn: closes the transaction and sends it, or keeps it until Redis is back. */
static void on_flush(evutil_socket_t socket, short what, void *argument)
{
    (void)socket, (void)what;
    struct outbox *outbox = argument;
    struct transaction *transaction = outbox->open;
    outbox->flush_wanted = false;
    if (transaction && !may_wait(outbox, transaction)) {
        seal_transaction(outbox, transaction);
        outbox->open = NULL;
        *outbox->sent_last = transaction;
        outbox->sent_last = &transaction->next;
        outbox->sent_count++;
        outbox->sent_bytes += transaction->commands.length;
        if (can_send(outbox)) {
            outbox_send(outbox, transaction);
            /* Ahead of what other links send in this turn: somebody may wait for an answer in it. */
            redis_link_flush(outbox->link);
        }
        update_flow(outbox);
    }
    check_drained(outbox);
}

void outbox_drop_oldest(struct outbox *outbox)
{
    struct transaction *transaction = outbox->sent;
    outbox->sent = transaction->next;
    if (!outbox->sent)
        outbox->sent_last = &outbox->sent;
    outbox->sent_count--;
    outbox->sent_bytes -= transaction->commands.length;
    outbox->counts.transactions++;
    outbox->counts.rows += transaction->rows;
    uint64_t now = clock_now_ns();
    for (size_t index = 0; index < transaction->run_count; index++) {
        const struct transaction_events *events = &transaction->events[index];
        latency_record_many(outbox->metrics.latency, now - events->received_ns, events->count);
    }
    recycle(outbox, transaction);
    if (outbox->open)
        want_flush(outbox);
}

void outbox_send(struct outbox *outbox, struct transaction *transaction)
{
    redis_link_send(outbox->link, transaction_text(transaction), transaction_replies(transaction));
    if (outbox->in_flight++ > 0)
        return;
    outbox->awaited = transaction;
    outbox->answer_refused = false;
    outbox->replies_left = transaction_replies(transaction);
}

void outbox_put_first(struct outbox *outbox, struct transaction *transaction)
{
    transaction->next = outbox->sent;
    outbox->sent = transaction;
    if (!transaction->next)
        outbox->sent_last = &transaction->next;
    outbox->sent_count++;
    outbox->sent_bytes += transaction->commands.length;
}

void outbox_resend(struct outbox *outbox, const uint64_t *stored_tokens)
{
    outbox->recovering = false;
    for (struct transaction *transaction = outbox->sent, *next; transaction; transaction = next) {
        next = transaction->next;
        /* One that was refused and overtaken shows by its own tokens alone that it was done after all. */
        if (transaction->refused ? !transaction_is_the_last(transaction, stored_tokens)
                                 : !transaction_was_carried_out(transaction, stored_tokens))
            continue;
        outbox_move_first(outbox, transaction);
        outbox_take_stores(outbox, transaction);
        outbox_drop_oldest(outbox);
    }
    uint64_t count = outbox_send_again(outbox);
    if (count)
        log_info("sent again what Redis had not answered before the connection was lost",
                 LOG_INTEGER("transactions", count));
    update_flow(outbox);
}

static void on_resume(evutil_socket_t socket, short what, void *argument)
{
    (void)socket, (void)what;
    struct outbox *outbox = argument;
    if (outbox->held)
        return;
    if (outbox->refusal == REFUSAL_PAUSE && !outbox->recovering && outbox->first_load == LOAD_DONE)
        outbox_send_again(outbox);
    else
        outbox_ask_stored(outbox);
}

void outbox_resume_later(struct outbox *outbox)
{
    struct timeval pause = {.tv_sec = REFUSED_SECONDS};
    event_add(outbox->resume_event, &pause);
}

static void on_ready(void *context)
{
    struct outbox *outbox = context;
    if (outbox->first_load != LOAD_DONE) {
        outbox->first_load = LOAD_ASKED;
        outbox_ask_stored(outbox);
        return;
    }
    outbox->recovering = true;
    if (!outbox->held)
        outbox_ask_stored(outbox);
}

static void on_lost(void *context, const char *reason)
{
    (void)reason;
    struct outbox *outbox = context;
    outbox->recovering = false;
    outbox->in_flight = 0;
    outbox->awaited = NULL;
    event_del(outbox->resume_event);
    if (outbox->first_load != LOAD_DONE)
        outbox->first_load = LOAD_NOTHING;
}

static void on_reply(void *context, const redisReply *reply)
{
    struct outbox *outbox = context;
    if (outbox->first_load != LOAD_DONE) {
        outbox_take_first_load(outbox, reply);
        return;
    }
    if (outbox->recovering) {
        outbox_take_stored(outbox, reply);
        return;
    }
    const char *error = reply->type == REDIS_REPLY_ERROR ? reply->str : NULL;
    if (error && transaction_error_is_fence(error)) {
        outbox_hold(outbox, true);
        outbox->callbacks.fenced(outbox->callbacks.context);
        return;
    }
    if (!outbox->awaited)
        return;
    if (error)
        outbox_refused(outbox, error);
    if (!outbox->awaited || --outbox->replies_left)
        return;
    if (outbox->answer_refused)
        outbox_await_next(outbox);
    else
        outbox_carried_out(outbox, reply);
    update_flow(outbox);
    check_drained(outbox);
}

void outbox_publish(struct outbox *outbox, struct slice channel, struct slice message)
{
    if (!can_send(outbox))
        return;
    transaction_publish(outbox_open_transaction(outbox), channel, message);
}

void outbox_announce(struct outbox *outbox)
{
    if (can_send(outbox))
        own_streams_announce(&outbox->streams, outbox_open_transaction(outbox));
}

bool outbox_is_ready(const struct outbox *outbox)
{
    return can_send(outbox);
}

void outbox_hold(struct outbox *outbox, bool held)
{
    if (outbox->held == held)
        return;
    outbox->held = held;
    if (!outbox->link)
        return;
    if (held) {
        redis_link_reset(outbox->link, "it is not known whether this engine still holds the job");
    } else if (outbox->first_load == LOAD_DONE && redis_link_is_ready(outbox->link)) {
        event_del(outbox->resume_event);
        outbox->recovering = true;
        outbox_ask_stored(outbox);
    }
}

void outbox_drain(struct outbox *outbox)
{
    outbox->draining = true;
    want_flush(outbox);
}

const struct positions_copy *outbox_stored(const struct outbox *outbox)
{
    return &outbox->stored;
}

void outbox_reconfigure(struct outbox *outbox, bool publish_all, int64_t keep)
{
    outbox->settings.publish_all = publish_all;
    outbox->settings.keep = keep;
}

struct outbox_counts outbox_counts(const struct outbox *outbox)
{
    struct outbox_counts counts = outbox->counts;
    counts.token = outbox->streams.tokens[OWN_STREAM_VERDICTS];
    counts.routes_token = outbox->streams.tokens[OWN_STREAM_PRESENCE_ROUTES];
    counts.waiting = outbox->sent_count;
    return counts;
}

const struct latency *outbox_latency(const struct outbox *outbox)
{
    return outbox->metrics.latency;
}

struct outbox *outbox_create(struct event_base *base, const struct outbox_settings *settings,
                             const struct outbox_callbacks *callbacks, struct metrics *metrics)
{
    struct outbox *outbox = memory_allocate_zeroed(1, sizeof *outbox);
    outbox->base = base;
    outbox->settings = *settings;
    outbox->callbacks = *callbacks;
    outbox->sent_last = &outbox->sent;
    own_streams_open(&outbox->streams, settings->server_name, settings->instance_name);
    outbox_metrics_register(&outbox->metrics, metrics, outbox);
    outbox->flush_event = event_new(base, -1, 0, on_flush, outbox);
    outbox->resume_event = event_new(base, -1, 0, on_resume, outbox);
    return outbox;
}

void outbox_start(struct outbox *outbox, const struct transaction_fence *fence)
{
    struct redis_link_callbacks callbacks = {.context = outbox, .ready = on_ready, .lost = on_lost, .reply = on_reply};
    outbox->fence = *fence;
    outbox->link = redis_link_create(outbox->base, outbox->settings.address, "verdicts", &callbacks);
}

void outbox_destroy(struct outbox *outbox)
{
    if (!outbox)
        return;
    redis_link_destroy(outbox->link);
    event_free(outbox->flush_event);
    event_free(outbox->resume_event);
    transaction_free_all(outbox->open);
    transaction_free_all(outbox->sent);
    transaction_free_all(outbox->spare);
    settled_requests_free(&outbox->settled);
    stored_positions_free(&outbox->positions);
    positions_copy_free(&outbox->stored);
    buffer_free(&outbox->refusal_error);
    own_streams_close(&outbox->streams);
    free(outbox);
}
