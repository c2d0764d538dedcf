/* One timer serves the three states of a link: the pause before an attempt, the limit of an attempt, the health check
 * of a connection.
 *
 * Each entry from the event loop is bracketed by enter/leave. Callbacks may reset or destroy the link; both only take
 * note, and `leave` acts once nothing of the link is on the stack any more.
 *
 * What goes out is gathered for a turn of the loop and written at its end with one call.
 *
 * A connection that only ever fails after it was ready (a right is missing, say) is tried as seldom as one that cannot
 * be made: the pauses become short again with the first answer that is no error. */
#include "engine/redis_link.h"

#include <event2/dns.h>
#include <stdlib.h>

#include "base/memory.h"
#include "engine/clock.h"
#include "engine/log.h"
#include "engine/redis_decoder.h"
#include "engine/redis_error.h"
#include "engine/redis_greeting.h"
#include "engine/redis_sentinel.h"
#include "engine/redis_transport.h"
#include "engine/retry_pause.h"

#define READ_AT_ONCE ((size_t)256 << 10)
/* Output that a huge command made larger is given back. */
#define OUTPUT_KEPT ((size_t)1 << 20)
/* A fail-over takes seconds, and its end is not announced to those who cannot connect. */
#define SENTINEL_RETRY_LAST_MS 1000

enum link_state { LINK_WAITING, LINK_ASKING, LINK_CONNECTING, LINK_GREETING, LINK_READY };

struct redis_link {
    struct event_base *base;
    const struct redis_address *address;
    const char *name;
    struct redis_link_callbacks callbacks;
    struct redis_link_times times;
    bool subscribing;

    enum link_state state;
    struct redis_address target;     /* where the connection goes: the address, or the master it stands for */
    struct redis_sentinel *sentinel; /* NULL: nobody is asked */
    struct redis_transport *transport;
    struct redis_decoder *decoder;
    struct evdns_base *resolver; /* made when a host name must be looked up */
    struct event *timer;
    struct event *flush;  /* the end of a turn in which something was sent */
    struct buffer output; /* of this turn */
    uint32_t attempts;    /* since the link was of use */
    struct redis_greeting greeting;
    uint64_t heard_at_ns;
    size_t awaited; /* answers to the owner's commands that have not come */
    bool ping_outstanding;
    size_t before_pong; /* answers that come ahead of the one to our ping, which may be an error */
    bool paused;
    uint64_t paused_at_ns; /* when it was paused or resumed last; 0: never */
    bool doubtful;         /* ready, and nothing that was asked for has been done yet, also on the connection before */

    int depth;
    bool reset_wanted;
    bool destroy_wanted;
    struct buffer reset_reason;
    struct buffer logged_reason; /* a reason is logged once, not with every attempt */
    struct buffer scratch;
    struct buffer error;
};

static void enter(struct redis_link *link)
{
    link->depth++;
}

static void want_reset(struct redis_link *link, const char *reason)
{
    if (link->reset_wanted || link->state == LINK_WAITING)
        return;
    link->reset_wanted = true;
    buffer_clear(&link->reset_reason);
    buffer_append_string(&link->reset_reason, reason);
    if (link->decoder)
        redis_decoder_stop(link->decoder);
}

static void set_timer(struct redis_link *link, uint32_t milliseconds)
{
    struct timeval delay = {milliseconds / 1000, (suseconds_t)(milliseconds % 1000) * 1000};
    event_add(link->timer, &delay);
}

static uint32_t retry_pause(const struct redis_link *link)
{
    uint32_t last = link->times.retry_last;
    if (link->sentinel && last > SENTINEL_RETRY_LAST_MS)
        last = SENTINEL_RETRY_LAST_MS;
    return retry_pause_ms(link->times.retry_first, last, link->attempts);
}

static void log_loss(struct redis_link *link, uint32_t pause)
{
    bool known = slice_equal(buffer_slice(&link->logged_reason), buffer_slice(&link->reset_reason));
    if (!link->name)
        return;
    buffer_clear(&link->logged_reason);
    buffer_append_slice(&link->logged_reason, buffer_slice(&link->reset_reason));
    buffer_clear(&link->scratch);
    redis_address_describe(&link->target, &link->scratch);
    enum log_level level = known && link->attempts > 0 ? LOG_DEBUG : LOG_WARNING;
    LOG_AT(level, "no connection to Redis, trying again", LOG_STRING("link", link->name),
           LOG_TEXT("address", buffer_slice(&link->scratch)), LOG_TEXT("reason", buffer_slice(&link->reset_reason)),
           LOG_STRING("advice", redis_error_advice(buffer_slice(&link->reset_reason))),
           LOG_INTEGER("retry_in_ms", pause));
}

static void drop(struct redis_link *link)
{
    link->reset_wanted = false;
    link->state = LINK_WAITING;
    if (link->sentinel)
        redis_sentinel_stop(link->sentinel);
    redis_transport_close(link->transport);
    link->transport = NULL;
    buffer_clear(&link->output);
    redis_decoder_destroy(link->decoder);
    link->decoder = NULL;
    uint32_t pause = retry_pause(link);
    log_loss(link, pause);
    link->attempts++;
    set_timer(link, pause);
    if (link->callbacks.lost)
        link->callbacks.lost(link->callbacks.context, buffer_string(&link->reset_reason));
}

static void release(struct redis_link *link)
{
    redis_sentinel_destroy(link->sentinel);
    redis_transport_close(link->transport);
    if (link->resolver)
        evdns_base_free(link->resolver, 0);
    redis_decoder_destroy(link->decoder);
    event_free(link->timer);
    event_free(link->flush);
    buffer_free(&link->output);
    buffer_free(&link->reset_reason);
    buffer_free(&link->logged_reason);
    buffer_free(&link->scratch);
    buffer_free(&link->error);
    free(link);
}

static void leave(struct redis_link *link)
{
    if (link->depth == 1 && link->reset_wanted && !link->destroy_wanted)
        drop(link);
    if (--link->depth == 0 && link->destroy_wanted)
        release(link);
}

static void become_ready(struct redis_link *link)
{
    link->state = LINK_READY;
    link->ping_outstanding = false;
    link->awaited = 0;
    set_timer(link, link->times.ping_after / 4 + 1);
    if (link->sentinel)
        redis_sentinel_watch(link->sentinel);
    buffer_clear(&link->scratch);
    redis_address_describe(&link->target, &link->scratch);
    if (link->name)
        LOG_AT(link->doubtful ? LOG_DEBUG : LOG_INFO, "connected to Redis", LOG_STRING("link", link->name),
               LOG_TEXT("address", buffer_slice(&link->scratch)));
    link->doubtful = true;
    link->callbacks.ready(link->callbacks.context);
}

/* Redis has done something that it was asked to. */
static void become_useful(struct redis_link *link)
{
    if (!link->doubtful)
        return;
    link->doubtful = false;
    link->attempts = 0;
    buffer_clear(&link->logged_reason);
}

static void take_greeting(struct redis_link *link, bool is_error, struct slice text)
{
    enum redis_greeting_result result =
        redis_greeting_answer(&link->greeting, &link->target, is_error, text, &link->scratch);
    if (result == REDIS_GREETING_DONE)
        become_ready(link);
    else if (result == REDIS_GREETING_REFUSED)
        want_reset(link, buffer_string(&link->scratch));
}

/* Callbacks of the decoder. */

static void on_message(void *context, struct slice channel, struct slice data)
{
    struct redis_link *link = context;
    link->callbacks.message(link->callbacks.context, channel, data);
}

static void on_subscribed(void *context, struct slice channel)
{
    struct redis_link *link = context;
    become_useful(link);
    if (link->callbacks.subscribed)
        link->callbacks.subscribed(link->callbacks.context, channel);
}

static void on_answer(void *context, bool is_error, struct slice text)
{
    struct redis_link *link = context;
    if (link->state == LINK_GREETING) {
        take_greeting(link, is_error, text);
    } else if (link->ping_outstanding) {
        link->ping_outstanding = false;
    } else if (is_error) {
        buffer_clear(&link->scratch);
        buffer_append_string(&link->scratch, "Redis answered: ");
        buffer_append_slice(&link->scratch, text);
        want_reset(link, buffer_string(&link->scratch));
    }
}

static void on_reply(void *context, const redisReply *reply)
{
    struct redis_link *link = context;
    struct slice text = reply->str ? slice_of(reply->str, reply->len) : SLICE("");
    if (link->state == LINK_GREETING) {
        take_greeting(link, reply->type == REDIS_REPLY_ERROR, text);
        return;
    }
    if (link->ping_outstanding && link->before_pong-- == 0) {
        link->ping_outstanding = false;
        return;
    }
    if (link->awaited == 0) {
        want_reset(link, "Redis answered more than it was asked");
        return;
    }
    link->awaited--;
    if (reply->type != REDIS_REPLY_ERROR)
        become_useful(link);
    if (link->callbacks.reply)
        link->callbacks.reply(link->callbacks.context, reply);
}

/* Callbacks of the transport. */

static void on_broken(void *context, const char *reason)
{
    struct redis_link *link = context;
    enter(link);
    want_reset(link, reason);
    leave(link);
}

/* A server that hangs up on a greeting in clear may want TLS; one that hangs up on a slow subscriber does not say so.
 */
static const char *guess(const struct redis_link *link, const char *reason)
{
    if (link->state == LINK_GREETING && !redis_address_uses_tls(&link->target) && !link->target.unix_path)
        return "Redis closed the connection at once: it may want TLS (use_tls)";
    if (link->state == LINK_READY && link->subscribing && link->paused_at_ns &&
        clock_now_ns() - link->paused_at_ns < (uint64_t)link->times.silence * 1000000u)
        return "Redis closed the connection of a subscriber that was slow to read: its client-output-buffer-limit for "
               "pubsub may be too low";
    return reason;
}

/* The end of the connection, or an error on it, comes last: what was sent before it is handed on first. */
static void read_transport(struct redis_link *link)
{
    for (size_t total = 0; total < READ_AT_ONCE && !link->paused;) {
        size_t size;
        char *room = redis_decoder_room(link->decoder, &size);
        ssize_t count = redis_transport_read(link->transport, room, size, &link->error);
        if (count < 0)
            want_reset(link, guess(link, buffer_string(&link->error)));
        if (count <= 0)
            return;
        if (!redis_decoder_filled(link->decoder, (size_t)count, &link->error))
            want_reset(link, buffer_string(&link->error));
        if (link->reset_wanted || link->destroy_wanted)
            return;
        if (!redis_address_uses_tls(&link->target) && (size_t)count < size)
            return;
        total += (size_t)count;
    }
}

static void on_readable(void *context)
{
    struct redis_link *link = context;
    enter(link);
    link->heard_at_ns = clock_now_ns();
    read_transport(link);
    if (link->callbacks.batch_end && link->state == LINK_READY && !link->destroy_wanted)
        link->callbacks.batch_end(link->callbacks.context);
    leave(link);
}

static void on_flush(evutil_socket_t socket, short events, void *context)
{
    (void)socket;
    (void)events;
    redis_link_flush(context);
}

static void on_connected(void *context)
{
    struct redis_link *link = context;
    enter(link);
    link->heard_at_ns = clock_now_ns();
    link->state = LINK_GREETING;
    link->greeting = (struct redis_greeting){0};
    redis_greeting_begin(&link->greeting, &link->target, &link->output);
    event_active(link->flush, EV_WRITE, 0);
    redis_transport_pause(link->transport, link->paused);
    leave(link);
}

static void connect_to_target(struct redis_link *link)
{
    struct redis_decoder_callbacks decoder = {link, on_message, on_subscribed, on_answer, on_reply};
    struct redis_transport_callbacks transport = {link, on_connected, on_readable, on_broken};
    link->state = LINK_CONNECTING;
    link->decoder = redis_decoder_create(link->subscribing, &decoder);
    set_timer(link, link->times.connect);
    link->transport = redis_transport_open(link->base, &link->resolver, &link->target, &transport, &link->error);
    if (!link->transport)
        want_reset(link, buffer_string(&link->error));
}

static void start(struct redis_link *link)
{
    enter(link);
    if (link->sentinel) {
        link->state = LINK_ASKING;
        redis_sentinel_ask(link->sentinel);
    } else {
        connect_to_target(link);
    }
    leave(link);
}

/* Callbacks of the sentinels. */

static void on_master_found(void *context, const char *host, uint16_t port)
{
    struct redis_link *link = context;
    enter(link);
    link->target.host = (char *)(uintptr_t)host;
    link->target.port = port;
    connect_to_target(link);
    leave(link);
}

static void on_master_moved(void *context)
{
    redis_link_reset(context, "the sentinels name another master");
}

static void check_health(struct redis_link *link)
{
    uint64_t silent_ms = (clock_now_ns() - link->heard_at_ns) / 1000000u;
    set_timer(link, link->times.ping_after / 4 + 1);
    if (link->paused)
        return;
    if (silent_ms >= link->times.silence) {
        want_reset(link, "Redis was silent for too long");
    } else if (silent_ms >= link->times.ping_after && !link->ping_outstanding) {
        redis_append_command(&link->output, (struct slice[]){SLICE("PING")}, 1);
        event_active(link->flush, EV_WRITE, 0);
        link->ping_outstanding = true;
        link->before_pong = link->awaited;
    }
}

static void on_timer(evutil_socket_t socket, short events, void *context)
{
    struct redis_link *link = context;
    (void)socket;
    (void)events;
    if (link->state == LINK_WAITING) {
        if (!link->paused) /* nobody would read what comes */
            start(link);
        return;
    }
    enter(link);
    if (link->state == LINK_READY)
        check_health(link);
    else
        want_reset(link, link->state == LINK_CONNECTING ? redis_transport_lateness(link->transport)
                                                        : "Redis accepted the connection and did not answer in time");
    leave(link);
}

/* What owners call. */

struct redis_link *redis_link_create(struct event_base *base, const struct redis_address *address, const char *name,
                                     const struct redis_link_callbacks *callbacks)
{
    struct redis_link *link = memory_allocate_zeroed(1, sizeof *link);
    link->base = base;
    link->address = address;
    link->name = name;
    link->callbacks = *callbacks;
    link->subscribing = callbacks->message != NULL;
    link->times = (struct redis_link_times){10000, 15000, 30000, 100, 5000};
    link->timer = evtimer_new(base, on_timer, link);
    link->flush = event_new(base, -1, 0, on_flush, link);
    link->target = *address;
    if (address->sentinels.master_name) {
        struct redis_sentinel_callbacks sentinel = {link, on_master_found, on_broken, on_master_moved};
        link->sentinel = redis_sentinel_create(base, address, &sentinel);
    }
    set_timer(link, 0);
    return link;
}

void redis_link_destroy(struct redis_link *link)
{
    if (!link)
        return;
    if (link->depth == 0) {
        release(link);
        return;
    }
    link->destroy_wanted = true;
    if (link->decoder)
        redis_decoder_stop(link->decoder);
}

void redis_link_set_times(struct redis_link *link, const struct redis_link_times *times)
{
    link->times = *times;
}

bool redis_link_is_ready(const struct redis_link *link)
{
    return link->state == LINK_READY && !link->reset_wanted && !link->destroy_wanted;
}

void redis_link_send(struct redis_link *link, struct slice formatted, size_t commands)
{
    if (!redis_link_is_ready(link))
        return;
    link->awaited += commands;
    buffer_append_slice(&link->output, formatted);
    event_active(link->flush, EV_WRITE, 0);
}

void redis_link_command(struct redis_link *link, const struct slice *arguments, size_t count)
{
    if (!redis_link_is_ready(link))
        return;
    link->awaited++;
    redis_append_command(&link->output, arguments, count);
    event_active(link->flush, EV_WRITE, 0);
}

void redis_link_flush(struct redis_link *link)
{
    if (!link->transport || link->output.length == 0)
        return;
    redis_transport_write(link->transport, buffer_slice(&link->output));
    buffer_clear(&link->output);
    if (link->output.capacity > OUTPUT_KEPT)
        buffer_free(&link->output);
}

size_t redis_link_unsent(const struct redis_link *link)
{
    return link->output.length + (link->transport ? redis_transport_unsent(link->transport) : 0);
}

void redis_link_pause(struct redis_link *link, bool paused)
{
    if (link->paused == paused)
        return;
    link->paused = paused;
    link->heard_at_ns = link->paused_at_ns = clock_now_ns();
    if (link->transport)
        redis_transport_pause(link->transport, paused);
    if (link->state == LINK_WAITING && !paused && !event_pending(link->timer, EV_TIMEOUT, NULL))
        set_timer(link, 0);
}

void redis_link_reset(struct redis_link *link, const char *reason)
{
    enter(link);
    want_reset(link, reason);
    leave(link);
}
