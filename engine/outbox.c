/* A transaction is kept until Redis has answered its EXEC, since it may have to be sent again; answered ones are reused
 * with their memory. */
#include "engine/outbox.h"

#include <stdlib.h>

#include "base/memory.h"
#include "engine/clock.h"
#include "engine/log.h"
#include "engine/outbox_metrics.h"
#include "engine/own_stream.h"
#include "engine/stored_positions.h"
#include "replication/command.h"

/* More than this without an answer stops the lines. */
#define BYTES_LIMIT (64u << 20)
#define TRANSACTIONS_LIMIT 4096
/* Of so many reads, and so long, a transaction may become while it waits for the answers to others. */
#define WAITING_READS_MAXIMUM 256
#define WAITING_BYTES_MAXIMUM ((size_t)256 << 10)
/* How long a Redis that refuses writes (out of memory, read-only) is left alone before they are sent again. */
#define REFUSED_SECONDS 1

enum load_state { LOAD_NOTHING, LOAD_ASKED, LOAD_DONE };

struct outbox {
    struct event_base *base;
    struct outbox_settings settings;
    struct outbox_callbacks callbacks;
    struct redis_link *link; /* NULL until the outbox is started */
    struct transaction_fence fence;
    struct event *flush_event;
    bool flush_wanted;          /* it is active */
    struct event *resume_event; /* ends the pause after a refused write */
    struct own_streams streams;
    struct stored_positions positions;

    struct transaction *open; /* being filled; NULL until there is something */
    struct transaction *sent; /* without an answer, oldest first */
    struct transaction **sent_last;
    struct transaction *spare;
    size_t sent_count;
    size_t sent_bytes;
    uint32_t replies_left;      /* of the oldest transaction */
    enum load_state first_load; /* of the positions, once in a life */
    bool recovering;            /* connected, and the stored token has been asked for, or will be after a pause */
    bool refused;               /* the last connection ended because Redis refused a write */
    bool held;                  /* by the owner: nothing is sent */
    bool stopped;
    bool draining;

    struct outbox_counts counts;
    struct outbox_metrics metrics;
};

/* The end of this turn of the loop looks at the open transaction. */
static void want_flush(struct outbox *outbox)
{
    if (outbox->flush_wanted)
        return;
    outbox->flush_wanted = true;
    event_active(outbox->flush_event, EV_TIMEOUT, 0);
}

static struct transaction *open_transaction(struct outbox *outbox)
{
    want_flush(outbox);
    if (outbox->open)
        return outbox->open;
    struct transaction *transaction = outbox->spare;
    if (transaction)
        outbox->spare = transaction->next;
    else
        transaction = memory_allocate_zeroed(1, sizeof *transaction);
    transaction_begin(transaction, &outbox->fence);
    outbox->open = transaction;
    return transaction;
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

void outbox_verdict(struct outbox *outbox, const struct verdict *verdict)
{
    struct transaction *transaction = open_transaction(outbox);
    own_streams_raise(&outbox->streams, OWN_STREAM_VERDICTS, transaction);
    transaction_add_event(transaction, verdict->received_ns);
    bool published = verdict->outcome->kind != OUTCOME_PASSED || outbox->settings.publish_all;
    struct slice dry_runs = verdict->dry_runs, row;
    while (verdict_next_row(&dry_runs, &row)) {
        bool more = published || dry_runs.length > 0;
        buffer_append_slice(own_streams_begin_row(&outbox->streams, OWN_STREAM_VERDICTS, more), row);
        own_streams_end_row(&outbox->streams, OWN_STREAM_VERDICTS, transaction, outbox->settings.keep);
    }
    if (!published)
        return;
    verdict_append_row(verdict, own_streams_begin_row(&outbox->streams, OWN_STREAM_VERDICTS, false));
    own_streams_end_row(&outbox->streams, OWN_STREAM_VERDICTS, transaction, outbox->settings.keep);
}

void outbox_route(struct outbox *outbox, struct slice row)
{
    struct transaction *transaction = open_transaction(outbox);
    own_streams_raise(&outbox->streams, OWN_STREAM_PRESENCE_ROUTES, transaction);
    buffer_append_slice(own_streams_begin_row(&outbox->streams, OWN_STREAM_PRESENCE_ROUTES, false), row);
    own_streams_end_row(&outbox->streams, OWN_STREAM_PRESENCE_ROUTES, transaction, outbox->settings.keep);
}

void outbox_settle_request(struct outbox *outbox, struct slice key, struct slice group, struct slice entry,
                           struct slice reply_to, struct slice message)
{
    struct transaction *transaction = open_transaction(outbox);
    if (slice_present(reply_to))
        transaction_publish(transaction, reply_to, message);
    transaction_settle_entry(transaction, key, group, entry);
}

void outbox_position(struct outbox *outbox, enum stream stream, struct slice writer, int64_t token)
{
    open_transaction(outbox);
    stored_positions_set(&outbox->positions, stream, writer, token);
}

void outbox_ahead(struct outbox *outbox, enum stream stream, struct slice writer)
{
    open_transaction(outbox);
    stored_positions_set_ahead(&outbox->positions, stream, writer);
}

/* Adds what belongs to the end of a transaction: our own streams' tokens, and the positions that moved. */
static void seal_transaction(struct outbox *outbox, struct transaction *transaction)
{
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

static void check_drained(struct outbox *outbox)
{
    if (outbox->draining && !outbox->open && !outbox->sent) {
        outbox->draining = false;
        outbox->callbacks.drained(outbox->callbacks.context);
    }
}

static bool can_send(const struct outbox *outbox)
{
    return outbox->first_load == LOAD_DONE && !outbox->recovering && !outbox->held && redis_link_is_ready(outbox->link);
}

/* While Redis has not answered what is on its way, a transaction waits and takes in what comes until then: one that
 * only stores how far we are behind a single other, one that publishes or answers something behind two. An idle Redis
 * is thus sent everything at once, and a busy one fewer transactions, each of which costs it the work of some lines. */
static bool may_wait(const struct outbox *outbox, const struct transaction *transaction)
{
    size_t ahead = transaction->command_count ? 2 : 1;
    return outbox->sent_count >= ahead && transaction->run_count < WAITING_READS_MAXIMUM &&
           transaction->commands.length < WAITING_BYTES_MAXIMUM;
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
        if (!outbox->sent)
            outbox->replies_left = transaction_replies(transaction);
        *outbox->sent_last = transaction;
        outbox->sent_last = &transaction->next;
        outbox->sent_count++;
        outbox->sent_bytes += transaction->commands.length;
        if (can_send(outbox)) {
            redis_link_send(outbox->link, transaction_text(transaction));
            /* Ahead of what other links send in this turn: somebody may wait for an answer in it. */
            redis_link_flush(outbox->link);
        }
        update_flow(outbox);
    }
    check_drained(outbox);
}

static void drop_oldest(struct outbox *outbox)
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
    if (outbox->sent)
        outbox->replies_left = transaction_replies(outbox->sent);
}

/* After a reconnection: what was carried out is done with; the rest is sent again, in order. */
static void resend(struct outbox *outbox, const uint64_t *stored_tokens)
{
    outbox->recovering = false;
    while (outbox->sent && transaction_was_carried_out(outbox->sent, stored_tokens))
        drop_oldest(outbox);
    if (outbox->sent)
        outbox->replies_left = transaction_replies(outbox->sent);
    uint64_t count = 0;
    for (struct transaction *transaction = outbox->sent; transaction; transaction = transaction->next) {
        redis_link_send(outbox->link, transaction_text(transaction));
        count++;
    }
    outbox->counts.resent += count;
    if (count)
        log_info("sent again what Redis had not answered before the connection was lost",
                 LOG_INTEGER("transactions", count));
    update_flow(outbox);
}

static uint64_t reply_number(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING ? strtoull(reply->str, NULL, 10) : 0;
}

/* A field of the positions hash, "<instance> <stream> <writer>". Fields of other instances are theirs. */
static void take_stored_position(struct outbox *outbox, const redisReply *field, const redisReply *value)
{
    struct slice text = slice_of(field->str, field->len);
    struct slice instance = slice_from_string(outbox->settings.instance_name);
    if (!slice_starts_with(text, instance) || text.length <= instance.length + 1 || text.data[instance.length] != ' ')
        return;
    struct slice rest = slice_of(text.data + instance.length + 1, text.length - instance.length - 1);
    const char *space = memchr(rest.data, ' ', rest.length);
    if (!space)
        return;
    struct slice name = slice_of(rest.data, (size_t)(space - rest.data));
    struct slice writer = slice_of(space + 1, rest.length - name.length - 1);
    struct slice stored = slice_of(value->str, value->len);
    int64_t token;
    if (!command_parse_integer(stored, &token) || !own_streams_restore(&outbox->streams, name, token))
        stored_positions_restore(&outbox->positions, name, writer, stored, &outbox->callbacks);
}

static void take_first_load(struct outbox *outbox, const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY) {
        redis_link_reset(outbox->link, reply->type == REDIS_REPLY_ERROR ? reply->str : "unexpected answer to HGETALL");
        return;
    }
    for (size_t index = 0; index + 1 < reply->elements; index += 2)
        if (reply->element[index]->type == REDIS_REPLY_STRING && reply->element[index + 1]->type == REDIS_REPLY_STRING)
            take_stored_position(outbox, reply->element[index], reply->element[index + 1]);
    outbox->first_load = LOAD_DONE;
    outbox->callbacks.loaded(outbox->callbacks.context);
    outbox_announce(outbox);
}

static void ask_stored_tokens(struct outbox *outbox)
{
    struct slice arguments[2 + OWN_STREAM_COUNT] = {SLICE("HMGET"), buffer_slice(&outbox->streams.positions_key)};
    for (size_t stream = 0; stream < OWN_STREAM_COUNT; stream++)
        arguments[2 + stream] = buffer_slice(&outbox->streams.fields[stream]);
    redis_link_command(outbox->link, arguments, 2 + OWN_STREAM_COUNT);
}

static void take_stored_tokens(struct outbox *outbox, const redisReply *reply)
{
    uint64_t stored[OWN_STREAM_COUNT] = {0};
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != OWN_STREAM_COUNT) {
        redis_link_reset(outbox->link, reply->type == REDIS_REPLY_ERROR ? reply->str : "unexpected answer to HMGET");
        return;
    }
    for (size_t stream = 0; stream < OWN_STREAM_COUNT; stream++)
        stored[stream] = reply_number(reply->element[stream]);
    resend(outbox, stored);
}

static void on_resume(evutil_socket_t socket, short what, void *argument)
{
    (void)socket, (void)what;
    struct outbox *outbox = argument;
    ask_stored_tokens(outbox);
}

static void on_ready(void *context)
{
    struct outbox *outbox = context;
    if (outbox->first_load != LOAD_DONE) {
        outbox->first_load = LOAD_ASKED;
        redis_link_command(outbox->link,
                           (struct slice[]){SLICE("HGETALL"), buffer_slice(&outbox->streams.positions_key)}, 2);
        return;
    }
    outbox->recovering = true;
    if (outbox->held) {
        return;
    } else if (outbox->refused) {
        struct timeval pause = {.tv_sec = REFUSED_SECONDS};
        event_add(outbox->resume_event, &pause);
    } else {
        ask_stored_tokens(outbox);
    }
    outbox->refused = false;
}

static void on_lost(void *context, const char *reason)
{
    (void)reason;
    struct outbox *outbox = context;
    outbox->recovering = false;
    event_del(outbox->resume_event);
    if (outbox->first_load == LOAD_ASKED)
        outbox->first_load = LOAD_NOTHING;
}

/* The text of an error anywhere in the answer, or NULL. */
static const char *reply_error(const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_ERROR)
        return reply->str;
    for (size_t index = 0; reply->type == REDIS_REPLY_ARRAY && index < reply->elements; index++)
        if (reply->element[index]->type == REDIS_REPLY_ERROR)
            return reply->element[index]->str;
    return NULL;
}

static void on_reply(void *context, const redisReply *reply)
{
    struct outbox *outbox = context;
    if (outbox->first_load == LOAD_ASKED) {
        take_first_load(outbox, reply);
        return;
    }
    if (outbox->recovering) {
        take_stored_tokens(outbox, reply);
        return;
    }
    const char *error = reply_error(reply);
    if (error && transaction_error_is_fence(error)) {
        outbox_hold(outbox, true);
        outbox->callbacks.fenced(outbox->callbacks.context);
        return;
    }
    if (error) {
        log_error("Redis refused a write; it is tried again in a second", LOG_STRING("error", error));
        outbox->refused = true;
        redis_link_reset(outbox->link, error);
        return;
    }
    if (!outbox->sent || --outbox->replies_left)
        return;
    drop_oldest(outbox);
    update_flow(outbox);
    check_drained(outbox);
}

void outbox_publish(struct outbox *outbox, struct slice channel, struct slice message)
{
    if (!can_send(outbox))
        return;
    transaction_publish(open_transaction(outbox), channel, message);
}

void outbox_announce(struct outbox *outbox)
{
    if (can_send(outbox))
        own_streams_announce(&outbox->streams, open_transaction(outbox));
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
        outbox->recovering = true;
        ask_stored_tokens(outbox);
    }
}

void outbox_drain(struct outbox *outbox)
{
    outbox->draining = true;
    want_flush(outbox);
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
    stored_positions_free(&outbox->positions);
    own_streams_close(&outbox->streams);
    free(outbox);
}
