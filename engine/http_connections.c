/* Who is connected, and for how long.
 *
 * evhttp tells of a connection only when a request came over it, and knows one timeout for everything. Here each
 * connection is in one phase with a limit of its own (none while it waits for us), and the connections of a phase stand
 * in the order in which they entered it, so that a look at the first ones once a second finds all that are late. A
 * client that sends a byte now and then gains nothing by it, and no timer is touched for a request.
 *
 * evhttp asks for the stream of a connection before there is a connection. So the stream is kept as a stranger, and
 * adopted in the same turn of the loop, when evhttp has made itself the owner of its callbacks: before anything can be
 * read. From then on evhttp says when it frees the connection.
 *
 * Where as many are connected as may be, the one that has been idle for longest makes room; if none is idle, nobody is
 * accepted until one leaves, and every answer then closes its connection. */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "engine/clock.h"
#include "engine/http_server_parts.h"

#define FULL_LOG_SECONDS 60
/* What is kept of further requests while one waits for its answer. While it reads, evhttp bounds the input itself. */
#define PARKED_INPUT_MAXIMUM (16u << 10)

static const int64_t phase_seconds[HTTP_PHASES] = {
    [HTTP_READING] = 10, [HTTP_WAITING] = INT64_MAX,   [HTTP_ANSWERED] = INT64_MAX, [HTTP_WRITING] = 60,
    [HTTP_IDLE] = 180,   [HTTP_STREAMING] = INT64_MAX, [HTTP_ENDING] = 10};

static struct http_client *client_find(struct http_server *server, const char *address)
{
    struct http_client *client;
    size_t length = strlen(address);
    HASH_FIND(hh, server->clients, address, length, client);
    if (!client) {
        client = memory_allocate_zeroed(1, sizeof *client + length + 1);
        memcpy(client->address, address, length + 1);
        HASH_ADD(hh, server->clients, address, length, client);
    }
    client->connections++;
    return client;
}

static void client_leave(struct http_server *server, struct http_client *client)
{
    if (--client->connections)
        return;
    HASH_DEL(server->clients, client);
    free(client);
}

void http_connection_drop(struct http_connection *connection)
{
    bufferevent_trigger_event(connection->stream, BEV_EVENT_TIMEOUT | BEV_EVENT_READING, 0);
}

static void accept_others(struct http_server *server, bool others)
{
    server->full = !others;
    for (size_t index = 0; index < server->listener_count; index++) {
        struct evconnlistener *listener = evhttp_bound_socket_get_listener(server->listeners[index]);
        if (others)
            evconnlistener_enable(listener);
        else
            evconnlistener_disable(listener);
    }
}

static void make_room(struct http_server *server)
{
    struct http_connection *idlest = TAILQ_FIRST(&server->phases[HTTP_IDLE]);
    ++*server->counts[HTTP_COUNT_FULL];
    if (server->full_logged_s == 0 || server->now_s - server->full_logged_s >= FULL_LOG_SECONDS) {
        server->full_logged_s = server->now_s;
        log_warning(server->is_unix ? "as many connections to the admin socket are open as there may be; idle ones are "
                                      "closed for new ones, and without idle ones nobody can connect"
                                    : "as many HTTP connections are open as http.connections allows; idle ones are "
                                      "closed for new ones, and without idle ones nobody can connect",
                    LOG_INTEGER("connections", server->connection_count));
    }
    if (idlest)
        http_connection_drop(idlest);
    else
        accept_others(server, false);
}

void http_connection_enter(struct http_connection *connection, enum http_phase phase)
{
    struct http_server *server = connection->server;
    TAILQ_REMOVE(&server->phases[connection->phase], connection, of_phase);
    connection->phase = phase;
    connection->since_s = server->now_s;
    connection->begun = false;
    TAILQ_INSERT_TAIL(&server->phases[phase], connection, of_phase);
    if (phase == HTTP_IDLE && server->full && !server->stopping)
        accept_others(server, true);
}

static void leave(struct http_connection *connection)
{
    struct http_server *server = connection->server;
    TAILQ_REMOVE(&server->phases[connection->phase], connection, of_phase);
    server->by_socket[connection->socket] = NULL;
    client_leave(server, connection->client);
    *server->counts[HTTP_COUNT_CONNECTIONS] = --server->connection_count;
    buffer_free(&connection->answer);
    free(connection);
    if (server->full && !server->stopping)
        accept_others(server, true);
}

/* evhttp frees it. */
static void on_close(struct evhttp_connection *closing, void *context)
{
    (void)closing;
    struct http_connection *connection = context;
    if (connection->exchange)
        http_exchange_lose(connection->exchange);
    if (connection->answered && !evhttp_request_get_connection(connection->answered))
        evhttp_request_free(connection->answered);
    leave(connection);
}

/* Something of the next request came, or evhttp took it: `added` tells which. */
static void on_input(struct evbuffer *input, const struct evbuffer_cb_info *info, void *context)
{
    (void)input;
    struct http_connection *connection = context;
    if (info->n_added == 0 || connection->begun || connection->phase == HTTP_WAITING)
        return;
    if (connection->phase == HTTP_IDLE)
        http_connection_enter(connection, HTTP_READING);
    connection->begun = connection->phase == HTTP_READING;
}

/* Answers of ours come in other phases. */
static void on_output(struct evbuffer *output, const struct evbuffer_cb_info *info, void *context)
{
    struct http_connection *connection = context;
    if (info->n_added && connection->phase == HTTP_READING)
        http_complaint_replace(connection, output);
}

static void remember_socket(struct http_connection *connection)
{
    struct http_server *server = connection->server;
    size_t needed = (size_t)connection->socket + 1;
    if (needed > server->sockets) {
        size_t count = needed * 2;
        server->by_socket = memory_reallocate(server->by_socket, count * sizeof(struct http_connection *));
        memset(&server->by_socket[server->sockets], 0, (count - server->sockets) * sizeof(struct http_connection *));
        server->sockets = count;
    }
    server->by_socket[connection->socket] = connection;
}

/* A socket for both families shows IPv4 clients as ::ffff:192.0.2.7. */
static const char *plain_address(const char *address)
{
    static const char mapped[] = "::ffff:";
    bool is_mapped = strncmp(address, mapped, sizeof mapped - 1) == 0 && strchr(address, '.');
    return is_mapped ? address + sizeof mapped - 1 : address;
}

static struct http_connection *take_stranger(struct http_server *server)
{
    struct http_connection *stranger = TAILQ_FIRST(&server->strangers);
    if (stranger)
        TAILQ_REMOVE(&server->strangers, stranger, of_phase);
    return stranger;
}

static void adopt(struct http_connection *connection)
{
    struct http_server *server = connection->server;
    int on = 1;
    char *address;
    ev_uint16_t port;
    void *owner = NULL;
    bufferevent_getcb(connection->stream, NULL, NULL, NULL, &owner);
    bufferevent_decref(connection->stream);
    if (!owner) { /* the system did not let evhttp watch it, and it is freed */
        *server->counts[HTTP_COUNT_CONNECTIONS] = --server->connection_count;
        free(connection);
        return;
    }
    connection->connection = owner;
    connection->socket = bufferevent_getfd(connection->stream);
    evhttp_connection_set_closecb(connection->connection, on_close, connection);
    evhttp_connection_get_peer(connection->connection, &address, &port);
    connection->client = client_find(server, server->is_unix ? "unix" : plain_address(address));
    connection->phase = HTTP_READING;
    connection->since_s = server->now_s;
    TAILQ_INSERT_TAIL(&server->phases[HTTP_READING], connection, of_phase);
    remember_socket(connection);
    evbuffer_add_cb(bufferevent_get_input(connection->stream), on_input, connection);
    evbuffer_add_cb(bufferevent_get_output(connection->stream), on_output, connection);
    if (!server->is_unix)
        setsockopt(connection->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (server->admit && !server->admit(server->context, connection->socket))
        http_connection_drop(connection);
}

static void on_adopt(evutil_socket_t socket, short what, void *context)
{
    (void)socket, (void)what;
    struct http_connection *connection;
    while ((connection = take_stranger(context)))
        adopt(connection);
}

/* Of a socket that evhttp sets. */
static struct bufferevent *new_stream(struct http_server *server)
{
    if (!server->tls)
        return bufferevent_socket_new(server->base, -1, 0);
    SSL *session = SSL_new(server->tls);
    if (!session)
        return NULL;
    struct bufferevent *stream =
        bufferevent_openssl_socket_new(server->base, -1, session, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
    if (stream)
        bufferevent_openssl_set_allow_dirty_shutdown(stream, 1);
    return stream;
}

/* evhttp wants a stream for a connection that it accepts; without one it would make one of its own. */
static struct bufferevent *on_accept(struct event_base *base, void *context)
{
    (void)base;
    struct http_server *server = context;
    struct bufferevent *stream = new_stream(server);
    if (!stream) {
        log_error("out of memory for an HTTP connection");
        abort();
    }
    struct http_connection *connection = memory_allocate_zeroed(1, sizeof *connection);
    connection->server = server;
    connection->stream = stream;
    bufferevent_incref(stream);
    TAILQ_INSERT_TAIL(&server->strangers, connection, of_phase);
    *server->counts[HTTP_COUNT_CONNECTIONS] = ++server->connection_count;
    event_active(server->adopt, EV_TIMEOUT, 1);
    if (server->connection_count >= server->connections_maximum)
        make_room(server);
    return stream;
}

static void on_flush(evutil_socket_t socket, short what, void *context)
{
    (void)socket, (void)what;
    http_exchanges_flush(context);
}

/* Mostly because the process has no descriptors left: accepting at once again would be a busy loop. */
static void on_accept_error(struct evconnlistener *listener, void *context)
{
    struct http_server *server = context;
    static struct log_gate gate;
    uint64_t suppressed;
    int problem = EVUTIL_SOCKET_ERROR();
    if (log_gate_pass(&gate, &suppressed))
        log_error("cannot accept an HTTP connection", LOG_STRING("reason", strerror(problem)),
                  LOG_INTEGER("suppressed", suppressed));
    evconnlistener_disable(listener);
    server->full = true;
}

static void on_tick(evutil_socket_t socket, short what, void *context)
{
    (void)socket, (void)what;
    struct http_server *server = context;
    server->now_s = (int64_t)(clock_now_ns() / 1000000000u);
    server->date_length = 0;
    for (size_t phase = 0; phase < HTTP_PHASES; phase++) {
        struct http_connection *connection;
        while ((connection = TAILQ_FIRST(&server->phases[phase])) &&
               server->now_s - connection->since_s > phase_seconds[phase]) {
            *server->counts[HTTP_COUNT_SLOW] += phase != HTTP_IDLE;
            http_connection_drop(connection);
        }
    }
    if (server->full && !server->stopping && server->connection_count < server->connections_maximum)
        accept_others(server, true);
}

struct http_connection *http_connection_of(struct http_server *server, struct evhttp_request *request)
{
    struct evhttp_connection *connection = evhttp_request_get_connection(request);
    if (!TAILQ_EMPTY(&server->strangers))
        on_adopt(-1, 0, server);
    return server->by_socket[bufferevent_getfd(evhttp_connection_get_bufferevent(connection))];
}

/* evhttp has stopped reading. Its reader would end the process if a request came while another one is being answered,
 * so that it is taken away; evhttp sets it again for the next request, which is then found in the stream. */
void http_connection_park(struct http_connection *connection)
{
    bufferevent_data_cb write_callback;
    bufferevent_event_cb event_callback;
    void *context;
    bufferevent_getcb(connection->stream, NULL, &write_callback, &event_callback, &context);
    bufferevent_setcb(connection->stream, NULL, write_callback, event_callback, context);
    bufferevent_setwatermark(connection->stream, EV_READ, 0, PARKED_INPUT_MAXIMUM);
    bufferevent_enable(connection->stream, EV_READ);
    connection->parked = true;
}

void http_connection_unpark(struct http_connection *connection)
{
    if (connection->parked)
        bufferevent_setwatermark(connection->stream, EV_READ, 0, 0);
    connection->parked = false;
}

struct slice http_connections_date(struct http_server *server)
{
    if (server->date_length == 0) {
        char date[32];
        evutil_date_rfc1123(date, sizeof date, NULL);
        server->date_length = (size_t)snprintf(server->date, sizeof server->date, "Date: %s\r\n", date);
    }
    return slice_of(server->date, server->date_length);
}

size_t http_server_busy(const struct http_server *server)
{
    static const enum http_phase phases[] = {HTTP_READING, HTTP_WAITING, HTTP_ANSWERED, HTTP_WRITING};
    size_t busy = 0;
    for (size_t index = 0; server && index < sizeof phases / sizeof *phases; index++)
        for (const struct http_connection *connection = TAILQ_FIRST(&server->phases[phases[index]]); connection;
             connection = TAILQ_NEXT(connection, of_phase))
            busy += phases[index] != HTTP_READING || connection->begun;
    return busy;
}

void http_server_stop(struct http_server *server)
{
    if (!server)
        return;
    server->stopping = true;
    for (size_t index = 0; index < server->listener_count; index++)
        evhttp_del_accept_socket(server->http, server->listeners[index]);
    server->listener_count = 0;
}

void http_connections_start(struct http_server *server)
{
    struct timeval second = {.tv_sec = 1};
    for (size_t phase = 0; phase < HTTP_PHASES; phase++)
        TAILQ_INIT(&server->phases[phase]);
    TAILQ_INIT(&server->strangers);
    server->now_s = (int64_t)(clock_now_ns() / 1000000000u);
    server->adopt = event_new(server->base, -1, 0, on_adopt, server);
    server->flush = event_new(server->base, -1, 0, on_flush, server);
    server->tick = event_new(server->base, -1, EV_PERSIST, on_tick, server);
    event_add(server->tick, &second);
    evhttp_set_bevcb(server->http, on_accept, server);
    for (size_t index = 0; index < server->listener_count; index++)
        evconnlistener_set_error_cb(evhttp_bound_socket_get_listener(server->listeners[index]), on_accept_error);
}

/* Of all that were adopted evhttp has said that they are closed. */
void http_connections_stop(struct http_server *server)
{
    struct http_connection *connection;
    while ((connection = take_stranger(server))) {
        bufferevent_decref(connection->stream);
        free(connection);
    }
    event_free(server->adopt);
    event_free(server->flush);
    event_free(server->tick);
    free(server->by_socket);
}
