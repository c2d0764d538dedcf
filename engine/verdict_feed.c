/* A listener's rows are written into its next message as they come, each once. When the message is full, a filter is
 * held against every 16th row only, for the count of what was left out: who sees fifty rows of ten thousand does not
 * miss the last digit.
 *
 * A listener that does not read is found by what evhttp keeps for it. */
#include "engine/verdict_feed.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "base/memory.h"
#include "base/text_find.h"
#include "engine/clock.h"
#include "engine/log.h"
#include "engine/verdict_filter.h"

/* Of one message; a row may be as long as an event's longest texts. */
#define ROWS_BYTES_MAXIMUM (128u << 10)
#define UNSENT_BYTES_MAXIMUM (256u << 10)
#define SAMPLED_ROWS 16u
/* So that nobody on the way takes the connection for dead. */
#define SILENCE_NS UINT64_C(15000000000)

struct listener {
    TAILQ_ENTRY(listener) link;
    struct verdict_feed *feed;
    struct http_exchange *exchange;
    struct verdict_filter filter;
    bool takes_all;      /* the filter is empty */
    struct slice needle; /* what a row that fits has in it somewhere; a part of the filter. Absent: nothing is known */
    uint64_t session;    /* 0: none */
    uint64_t spoke_ns;   /* when something was last sent */
    struct verdict_feed_counts told;
    struct buffer rows; /* of the next message */
    unsigned row_count;
    unsigned unsampled;
    uint64_t left_out;
};

struct verdict_feed {
    struct verdict_feed_settings settings;
    TAILQ_HEAD(, listener) listeners;
    unsigned count;
    bool stopped;
    struct event *tick;
    struct buffer message;
    uint64_t *metric_listeners;
    uint64_t *metric_cut;
};

/* ---- rows */

static bool fits(struct listener *listener, struct slice row)
{
    if (listener->takes_all)
        return true;
    if (slice_present(listener->needle) && !text_find(row, listener->needle))
        return false;
    return verdict_filter_match(&listener->filter, row);
}

static bool is_full(const struct listener *listener, struct slice row)
{
    return listener->row_count == VERDICT_FEED_ROWS_MAXIMUM || listener->rows.length + row.length > ROWS_BYTES_MAXIMUM;
}

static void leave_out(struct listener *listener, struct slice row)
{
    if (listener->takes_all) {
        listener->left_out++;
    } else if (++listener->unsampled == SAMPLED_ROWS) {
        listener->unsampled = 0;
        listener->left_out += fits(listener, row) ? SAMPLED_ROWS : 0;
    }
}

static void take_row(struct listener *listener, struct slice row, uint64_t token)
{
    struct buffer *rows = &listener->rows;
    buffer_append_string(rows, listener->row_count++ ? ",{\"at\":" : "{\"at\":");
    buffer_append_integer(rows, clock_wall_ms());
    buffer_append_string(rows, ",\"token\":");
    buffer_append_integer(rows, (int64_t)token);
    buffer_append_string(rows, ",\"row\":");
    buffer_append_slice(rows, row);
    buffer_append_char(rows, '}');
}

void verdict_feed_row(struct verdict_feed *feed, struct slice row, uint64_t token)
{
    struct listener *listener;
    TAILQ_FOREACH(listener, &feed->listeners, link)
    {
        if (is_full(listener, row))
            leave_out(listener, row);
        else if (fits(listener, row))
            take_row(listener, row, token);
    }
}

/* ---- listeners */

static void free_listener(struct listener *listener)
{
    struct verdict_feed *feed = listener->feed;
    TAILQ_REMOVE(&feed->listeners, listener, link);
    *feed->metric_listeners = --feed->count;
    verdict_filter_free(&listener->filter);
    buffer_free(&listener->rows);
    free(listener);
    if (feed->count)
        return;
    event_del(feed->tick);
    feed->settings.wanted(feed->settings.context, false);
}

static void on_gone(void *context)
{
    free_listener(context);
}

static void end_listener(struct listener *listener)
{
    http_exchange_end(listener->exchange);
    free_listener(listener);
}

static struct listener *add_listener(struct verdict_feed *feed, struct http_exchange *exchange, uint64_t session,
                                     const struct verdict_filter *filter)
{
    static const struct timeval interval = {.tv_usec = VERDICT_FEED_INTERVAL_MS * 1000};
    struct listener *listener = memory_allocate_zeroed(1, sizeof *listener);
    listener->feed = feed;
    listener->exchange = exchange;
    listener->session = session;
    listener->filter = *filter;
    listener->takes_all = verdict_filter_is_empty(filter);
    listener->needle = verdict_filter_needle(filter);
    listener->spoke_ns = clock_now_ns();
    listener->told = feed->settings.counts(feed->settings.context);
    TAILQ_INSERT_TAIL(&feed->listeners, listener, link);
    *feed->metric_listeners = ++feed->count;
    if (feed->count == 1) {
        event_add(feed->tick, &interval);
        feed->settings.wanted(feed->settings.context, true);
    }
    return listener;
}

/* ---- messages */

/* False if there is nothing to tell. */
static bool write_message(struct listener *listener, struct verdict_feed_counts now)
{
    struct buffer *message = &listener->feed->message;
    if (!listener->row_count && !listener->left_out && now.judged == listener->told.judged)
        return false;
    buffer_clear(message);
    buffer_append_string(message, "event: verdicts\ndata: {\"rows\":[");
    buffer_append_slice(message, buffer_slice(&listener->rows));
    buffer_append_format(message, "],\"left_out\":%llu,\"judged\":%llu,\"denied\":%llu}\n\n",
                         (unsigned long long)listener->left_out,
                         (unsigned long long)(now.judged - listener->told.judged),
                         (unsigned long long)(now.denied - listener->told.denied));
    listener->told = now;
    buffer_clear(&listener->rows);
    listener->row_count = 0;
    listener->left_out = 0;
    return true;
}

static void cut(struct listener *listener)
{
    static struct log_gate gate;
    uint64_t suppressed;
    ++*listener->feed->metric_cut;
    if (log_gate_pass(&gate, &suppressed))
        log_info("hangs up on somebody who listened to the verdicts and did not read them",
                 LOG_INTEGER("suppressed", suppressed));
    http_exchange_cut(listener->exchange);
}

static void tell(struct listener *listener, struct verdict_feed_counts counts, uint64_t now_ns)
{
    const struct verdict_feed *feed = listener->feed;
    if (listener->session && !feed->settings.session_is_open(feed->settings.context, listener->session)) {
        end_listener(listener);
    } else if (http_exchange_unsent(listener->exchange) > UNSENT_BYTES_MAXIMUM) {
        cut(listener);
    } else if (write_message(listener, counts)) {
        listener->spoke_ns = now_ns;
        http_exchange_send(listener->exchange, buffer_slice(&feed->message));
    } else if (now_ns - listener->spoke_ns >= SILENCE_NS) {
        listener->spoke_ns = now_ns;
        http_exchange_send(listener->exchange, SLICE(": nothing new\n\n"));
    }
}

static void on_tick(evutil_socket_t socket, short what, void *context)
{
    (void)socket, (void)what;
    struct verdict_feed *feed = context;
    struct verdict_feed_counts counts = feed->settings.counts(feed->settings.context);
    uint64_t now_ns = clock_now_ns();
    for (struct listener *listener = TAILQ_FIRST(&feed->listeners), *next; listener; listener = next) {
        next = TAILQ_NEXT(listener, link);
        tell(listener, counts, now_ns);
    }
}

/* ---- requests */

static void let_in(struct verdict_feed *feed, struct http_exchange *exchange, const struct http_request *request,
                   const struct verdict_filter *filter)
{
    struct listener *listener = add_listener(feed, exchange, request->session, filter);
    http_exchange_on_gone(exchange, on_gone, listener);
    http_exchange_header(exchange, "X-Accel-Buffering", "no"); /* nginx would keep the events for itself */
    if (!http_exchange_stream(exchange, "text/event-stream", SLICE("retry: 2000\n\n")))
        free_listener(listener);
}

static void handle(void *context, struct http_exchange *exchange, const struct http_request *request)
{
    struct verdict_feed *feed = context;
    struct verdict_filter filter = {0};
    struct buffer problem = {0};
    if (feed->stopped)
        http_exchange_refuse(exchange, 503, "M_UNKNOWN", "this server is shutting down");
    else if (feed->count == VERDICT_FEED_LISTENERS_MAXIMUM)
        http_exchange_refuse(exchange, 503, "M_LIMIT_EXCEEDED", "as many listen to the verdicts as may");
    else if (!verdict_filter_parse(&filter, request->query, NULL, &problem))
        http_exchange_refuse(exchange, 400, "M_INVALID_PARAM", buffer_string(&problem));
    else {
        let_in(feed, exchange, request, &filter);
        filter = (struct verdict_filter){0};
    }
    verdict_filter_free(&filter);
    buffer_free(&problem);
}

static const char *methods(void *context, struct slice path)
{
    (void)context;
    return slice_equal(path, SLICE(VERDICT_FEED_PATH)) ? "GET" : NULL;
}

struct http_area verdict_feed_http(struct verdict_feed *feed)
{
    return (struct http_area){.methods = methods, .handle = handle, .context = feed, .closed = true};
}

/* ---- life */

struct verdict_feed *verdict_feed_create(const struct verdict_feed_settings *settings)
{
    static const struct metric_definition listeners = {"weir_verdict_listeners", METRIC_GAUGE,
                                                       "Who listens to GET /v1/verdicts now.", NULL};
    static const struct metric_definition lost = {
        "weir_verdict_listeners_cut_total", METRIC_COUNTER,
        "Listeners to GET /v1/verdicts that were hung up on because they did not read.", NULL};
    struct verdict_feed *feed = memory_allocate_zeroed(1, sizeof *feed);
    feed->settings = *settings;
    TAILQ_INIT(&feed->listeners);
    feed->tick = event_new(settings->base, -1, EV_PERSIST, on_tick, feed);
    feed->metric_listeners = metrics_register(settings->metrics, &listeners, 1, NULL, NULL);
    feed->metric_cut = metrics_register(settings->metrics, &lost, 1, NULL, NULL);
    return feed;
}

void verdict_feed_end_all(struct verdict_feed *feed)
{
    for (struct listener *listener = feed ? TAILQ_FIRST(&feed->listeners) : NULL, *next; listener; listener = next) {
        next = TAILQ_NEXT(listener, link);
        end_listener(listener);
    }
}

void verdict_feed_stop(struct verdict_feed *feed)
{
    if (!feed)
        return;
    feed->stopped = true;
    verdict_feed_end_all(feed);
}

void verdict_feed_destroy(struct verdict_feed *feed)
{
    if (!feed)
        return;
    event_free(feed->tick);
    buffer_free(&feed->message);
    free(feed);
}
