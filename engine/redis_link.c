/* One timer serves the three states of a link: the pause before an attempt, the limit of an attempt, the health check
 * of a connection.
 *
 * Each entry from the event loop is bracketed by enter/leave. Callbacks may reset or destroy the link; both only take
 * note, and `leave` acts once nothing of the link is on the stack any more.
 *
 * The bufferevent makes the connection. What comes on it the link reads by itself, straight into the decoder's room: a
 * bufferevent asks how much there is, reads 4 KiB of it whatever its limits say, and keeps them in chunks of its own.
 * What goes out is gathered for a turn of the loop and written at its end with one call; only what the socket does not
 * take then is left to the bufferevent. */
#include "engine/redis_link.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/dns.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/memory.h"
#include "engine/clock.h"
#include "engine/log.h"
#include "engine/redis_decoder.h"
#include "engine/redis_transport.h"
#include "engine/retry_pause.h"

#define READ_AT_ONCE ((size_t)256 << 10)
#define WRITE_AT_ONCE ((size_t)1 << 20)
#define GREETING_MAXIMUM 3
/* Output that a huge command made larger is given back. */
#define OUTPUT_KEPT ((size_t)1 << 20)

enum link_state { LINK_WAITING, LINK_CONNECTING, LINK_GREETING, LINK_READY };

struct redis_link {
    struct event_base *base;
    const struct redis_address *address;
    const char *name;
    struct redis_link_callbacks callbacks;
    struct redis_link_times times;
    bool subscribing;

    enum link_state state;
    struct bufferevent *transport;
    struct redis_decoder *decoder;
    struct evdns_base *resolver; /* made when a host name must be looked up */
    struct event *timer;
    struct event *readable; /* of the socket, once it is connected */
    struct event *flush;    /* the end of a turn in which something was sent */
    struct buffer output;   /* of this turn */
    uint32_t attempts;      /* since the link was ready */
    const char *greeting[GREETING_MAXIMUM];
    size_t greeting_sent;
    size_t greeting_answered;
    uint64_t heard_at_ns;
    bool ping_outstanding;
    char ping_text[24]; /* tells the link's own pongs from the owner's answers */
    bool paused;

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

static void log_loss(struct redis_link *link, uint32_t pause)
{
    bool known = slice_equal(buffer_slice(&link->logged_reason), buffer_slice(&link->reset_reason));
    buffer_clear(&link->logged_reason);
    buffer_append_slice(&link->logged_reason, buffer_slice(&link->reset_reason));
    buffer_clear(&link->scratch);
    redis_address_describe(link->address, &link->scratch);
    enum log_level level = known && link->attempts > 0 ? LOG_DEBUG : LOG_WARNING;
    LOG_AT(level, "no connection to Redis, trying again", LOG_STRING("link", link->name),
           LOG_TEXT("address", buffer_slice(&link->scratch)), LOG_TEXT("reason", buffer_slice(&link->reset_reason)),
           LOG_INTEGER("retry_in_ms", pause));
}

static void close_transport(struct redis_link *link)
{
    if (link->readable)
        event_free(link->readable);
    link->readable = NULL;
    if (link->transport)
        bufferevent_free(link->transport);
    link->transport = NULL;
}

static void drop(struct redis_link *link)
{
    link->reset_wanted = false;
    link->state = LINK_WAITING;
    close_transport(link);
    buffer_clear(&link->output);
    redis_decoder_destroy(link->decoder);
    link->decoder = NULL;
    uint32_t pause = retry_pause_ms(link->times.retry_first, link->times.retry_last, link->attempts);
    log_loss(link, pause);
    link->attempts++;
    set_timer(link, pause);
    if (link->callbacks.lost)
        link->callbacks.lost(link->callbacks.context, buffer_string(&link->reset_reason));
}

static void release(struct redis_link *link)
{
    close_transport(link);
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

/* Greeting: AUTH, SELECT and a PING, whose answer shows that this server takes commands (it is no longer loading, and
 * asks for no password that we do not have). */

static void send_greeting(struct redis_link *link, const struct slice *arguments, size_t count)
{
    link->greeting[link->greeting_sent++] = arguments[0].data;
    redis_append_command(&link->output, arguments, count);
    event_active(link->flush, EV_WRITE, 0);
}

static void greet(struct redis_link *link)
{
    const struct redis_address *address = link->address;
    struct slice password = slice_from_string(address->password);
    link->state = LINK_GREETING;
    link->greeting_sent = link->greeting_answered = 0;
    if (password.length > 0 && address->username)
        send_greeting(link, (struct slice[]){SLICE("AUTH"), slice_from_string(address->username), password}, 3);
    else if (password.length > 0)
        send_greeting(link, (struct slice[]){SLICE("AUTH"), password}, 2);
    if (address->database != 0) {
        char number[16];
        snprintf(number, sizeof number, "%d", address->database);
        send_greeting(link, (struct slice[]){SLICE("SELECT"), slice_from_string(number)}, 2);
    }
    send_greeting(link, (struct slice[]){SLICE("PING")}, 1);
}

static void become_ready(struct redis_link *link)
{
    link->state = LINK_READY;
    link->attempts = 0;
    link->ping_outstanding = false;
    buffer_clear(&link->logged_reason);
    set_timer(link, link->times.ping_after / 4 + 1);
    buffer_clear(&link->scratch);
    redis_address_describe(link->address, &link->scratch);
    log_info("connected to Redis", LOG_STRING("link", link->name), LOG_TEXT("address", buffer_slice(&link->scratch)));
    link->callbacks.ready(link->callbacks.context);
}

/* Redis quotes the arguments of commands that it does not know, and AUTH may have been renamed there. */
static bool quotes_password(const struct redis_link *link, struct slice text)
{
    const char *password = link->address->password;
    return password && *password && memmem(text.data, text.length, password, strlen(password)) != NULL;
}

static void take_greeting(struct redis_link *link, bool is_error, struct slice text)
{
    const char *command = link->greeting[link->greeting_answered++];
    if (!is_error) {
        if (link->greeting_answered == link->greeting_sent)
            become_ready(link);
        return;
    }
    buffer_clear(&link->scratch);
    buffer_append_format(&link->scratch, "Redis refused %s", command);
    if (!quotes_password(link, text)) {
        buffer_append_string(&link->scratch, ": ");
        buffer_append_slice(&link->scratch, text);
    }
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
    if (link->callbacks.subscribed)
        link->callbacks.subscribed(link->callbacks.context, channel);
}

static void on_answer(void *context, bool is_error, struct slice text)
{
    struct redis_link *link = context;
    if (link->state == LINK_GREETING) {
        take_greeting(link, is_error, text);
    } else if (is_error) {
        buffer_clear(&link->scratch);
        buffer_append_string(&link->scratch, "Redis answered: ");
        buffer_append_slice(&link->scratch, text);
        want_reset(link, buffer_string(&link->scratch));
    } else {
        link->ping_outstanding = false;
    }
}

static void on_reply(void *context, const redisReply *reply)
{
    struct redis_link *link = context;
    struct slice text = reply->str ? slice_of(reply->str, reply->len) : SLICE("");
    if (link->state == LINK_GREETING) {
        take_greeting(link, reply->type == REDIS_REPLY_ERROR, text);
    } else if (link->ping_outstanding && reply->type == REDIS_REPLY_STRING &&
               slice_equal(text, slice_from_string(link->ping_text))) {
        link->ping_outstanding = false;
    } else if (link->callbacks.reply) {
        link->callbacks.reply(link->callbacks.context, reply);
    }
}

/* Callbacks of the transport. */

static void on_broken(struct redis_link *link, short events, int error)
{
    int dns_error = bufferevent_socket_get_dns_error(link->transport);
    if (events & BEV_EVENT_EOF) {
        want_reset(link, "Redis closed the connection");
        return;
    }
    buffer_clear(&link->scratch);
    buffer_append_string(&link->scratch,
                         link->state == LINK_CONNECTING ? "cannot connect to Redis: " : "the connection broke: ");
    buffer_append_string(&link->scratch, dns_error ? evutil_gai_strerror(dns_error) : strerror(error));
    want_reset(link, buffer_string(&link->scratch));
}

/* The end of the connection, or an error on it, comes last: what was sent before it is handed on first. */
static void read_socket(struct redis_link *link, int socket)
{
    for (size_t total = 0; total < READ_AT_ONCE && !link->paused;) {
        size_t size;
        char *room = redis_decoder_room(link->decoder, &size);
        ssize_t count = recv(socket, room, size, MSG_DONTWAIT);
        if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR))
            on_broken(link, count == 0 ? BEV_EVENT_EOF : BEV_EVENT_ERROR, errno);
        if (count <= 0)
            return;
        if (!redis_decoder_filled(link->decoder, (size_t)count, &link->error))
            want_reset(link, buffer_string(&link->error));
        if (link->reset_wanted || link->destroy_wanted || (size_t)count < size)
            return;
        total += (size_t)count;
    }
}

static void on_readable(evutil_socket_t socket, short events, void *context)
{
    struct redis_link *link = context;
    (void)events;
    enter(link);
    link->heard_at_ns = clock_now_ns();
    read_socket(link, socket);
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

static void on_event(struct bufferevent *transport, short events, void *context)
{
    struct redis_link *link = context;
    int error = EVUTIL_SOCKET_ERROR();
    enter(link);
    if (events & BEV_EVENT_CONNECTED) {
        redis_transport_connected(transport, link->address);
        link->heard_at_ns = clock_now_ns();
        link->readable = event_new(link->base, bufferevent_getfd(transport), EV_READ | EV_PERSIST, on_readable, link);
        greet(link);
        if (!link->paused)
            event_add(link->readable, NULL);
    } else if (events & (BEV_EVENT_EOF | BEV_EVENT_ERROR | BEV_EVENT_TIMEOUT)) {
        on_broken(link, events, error);
    }
    leave(link);
}

static void start(struct redis_link *link)
{
    struct redis_decoder_callbacks callbacks = {link, on_message, on_subscribed, on_answer, on_reply};
    enter(link);
    link->state = LINK_CONNECTING;
    link->decoder = redis_decoder_create(link->subscribing, &callbacks);
    link->transport = bufferevent_socket_new(link->base, -1, BEV_OPT_CLOSE_ON_FREE);
    bufferevent_setcb(link->transport, NULL, NULL, on_event, link);
    bufferevent_set_max_single_write(link->transport, WRITE_AT_ONCE);
    set_timer(link, link->times.connect);
    if (!redis_transport_connect(link->transport, &link->resolver, link->address, &link->error))
        want_reset(link, buffer_string(&link->error));
    leave(link);
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
        struct slice arguments[] = {SLICE("PING"), slice_from_string(link->ping_text)};
        redis_link_command(link, arguments, link->subscribing ? 1 : 2);
        link->ping_outstanding = true;
    }
}

static void on_timer(evutil_socket_t socket, short events, void *context)
{
    struct redis_link *link = context;
    (void)socket;
    (void)events;
    if (link->state == LINK_WAITING) {
        start(link);
        return;
    }
    enter(link);
    if (link->state == LINK_READY)
        check_health(link);
    else
        want_reset(link, link->state == LINK_CONNECTING ? "cannot connect to Redis: no answer in time"
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
    uint64_t nonce = clock_now_ns();
    if (getrandom(&nonce, sizeof nonce, GRND_NONBLOCK) < 0)
        nonce ^= (uint64_t)(uintptr_t)link;
    snprintf(link->ping_text, sizeof link->ping_text, "weir-%016llx", (unsigned long long)nonce);
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

void redis_link_send(struct redis_link *link, struct slice formatted)
{
    if (!redis_link_is_ready(link))
        return;
    buffer_append_slice(&link->output, formatted);
    event_active(link->flush, EV_WRITE, 0);
}

void redis_link_command(struct redis_link *link, const struct slice *arguments, size_t count)
{
    if (!redis_link_is_ready(link))
        return;
    redis_append_command(&link->output, arguments, count);
    event_active(link->flush, EV_WRITE, 0);
}

void redis_link_flush(struct redis_link *link)
{
    size_t written = 0;
    if (!link->transport || link->output.length == 0)
        return;
    if (evbuffer_get_length(bufferevent_get_output(link->transport)) == 0) {
        ssize_t count = send(bufferevent_getfd(link->transport), link->output.data, link->output.length,
                             MSG_DONTWAIT | MSG_NOSIGNAL);
        written = count > 0 ? (size_t)count : 0;
    }
    /* Whatever was wrong with the socket, the bufferevent will find it as well. */
    if (written < link->output.length)
        bufferevent_write(link->transport, link->output.data + written, link->output.length - written);
    buffer_clear(&link->output);
    if (link->output.capacity > OUTPUT_KEPT)
        buffer_free(&link->output);
}

size_t redis_link_unsent(const struct redis_link *link)
{
    return link->output.length + (link->transport ? evbuffer_get_length(bufferevent_get_output(link->transport)) : 0);
}

void redis_link_pause(struct redis_link *link, bool paused)
{
    if (link->paused == paused)
        return;
    link->paused = paused;
    link->heard_at_ns = clock_now_ns();
    if (!link->readable)
        return;
    if (paused)
        event_del(link->readable);
    else
        event_add(link->readable, NULL);
}

void redis_link_reset(struct redis_link *link, const char *reason)
{
    enter(link);
    want_reset(link, reason);
    leave(link);
}
