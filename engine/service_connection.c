/* libevent's HTTP client speaks the protocol; what it does not tell is watched on the connection's two buffers: whether
 * the request has left (the output buffer ran empty) and whether anything of an answer has come (the input buffer got
 * something). Its own way to connect again is never used: TLS sessions do not survive it, and who may ask again is
 * decided by the owner.
 *
 * libevent resets a connection, which empties the buffers, before it tells of a failure. It calls the close callback
 * first, and from then on the buffers are no longer watched. */
#include "engine/service_connection.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/memory.h"
#include "engine/service.h"
#include "engine/tls_client.h"

#define HEADERS_MAXIMUM 16384
#define LONGEST_IDLE_SECONDS 60
/* libevent's own time limit, which must only be longer than every question's. */
#define LIBEVENT_TIMEOUT_SECONDS 3600

struct service_connection {
    const struct service_endpoint *endpoint;
    struct service_connection_owner owner;
    struct evhttp_connection *http;
    struct bufferevent *transport; /* owned by `http` */
    long verify_error;
    bool asking;
    bool closed;
    bool destroying;
    /* Of the question that is out: */
    bool connected; /* its first byte was handed to the connection, which must then be open */
    bool sent;      /* its last byte was handed to the kernel */
    bool heard;     /* something has come since */
    bool has_error;
    enum evhttp_request_error error;
    char reason[256];
};

/* A request that ends in a piece of a segment must not wait for the acknowledgement of what was before it. */
static void send_at_once(struct service_connection *connection)
{
    int yes = 1;
    setsockopt(bufferevent_getfd(connection->transport), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

static void on_written(struct evbuffer *output, const struct evbuffer_cb_info *change, void *context)
{
    struct service_connection *connection = context;
    if (connection->closed || !connection->asking)
        return;
    if (change->n_added && !connection->connected) {
        connection->connected = true;
        send_at_once(connection);
    }
    if (change->n_deleted && evbuffer_get_length(output) == 0)
        connection->sent = true;
}

static void on_read(struct evbuffer *input, const struct evbuffer_cb_info *change, void *context)
{
    (void)input;
    struct service_connection *connection = context;
    if (!connection->closed && connection->asking && change->n_added)
        connection->heard = true;
}

static void on_closed(struct evhttp_connection *http, void *context)
{
    (void)http;
    struct service_connection *connection = context;
    if (connection->closed || connection->destroying)
        return;
    connection->closed = true;
    if (!connection->asking)
        connection->owner.gone(connection->owner.context, connection);
}

/* Why there is no connection, in words. */
static enum service_failure explain_connect(struct service_connection *connection, int error)
{
    size_t size = sizeof connection->reason;
    int lookup = bufferevent_socket_get_dns_error(connection->transport);
    unsigned long tls = connection->endpoint->tls ? bufferevent_get_openssl_error(connection->transport) : 0;
    const char *tls_text = ERR_GET_LIB(tls) == ERR_LIB_SSL ? ERR_reason_error_string(tls) : NULL;
    if (lookup) {
        snprintf(connection->reason, size, "cannot look up the host name: %s", evutil_gai_strerror(lookup));
        return SERVICE_LOOKUP;
    }
    if (connection->verify_error != X509_V_OK) {
        snprintf(connection->reason, size, "the certificate of the service is not accepted: %s",
                 X509_verify_cert_error_string(connection->verify_error));
        return SERVICE_TLS;
    }
    if (tls_text) {
        snprintf(connection->reason, size, "no TLS with the service: %s", tls_text);
        return SERVICE_TLS;
    }
    if (!error && connection->endpoint->tls) {
        snprintf(connection->reason, size, "the service closed the connection instead of speaking TLS");
        return SERVICE_TLS;
    }
    snprintf(connection->reason, size, "cannot connect: %s", error ? strerror(error) : "the connection was closed");
    return SERVICE_CONNECT;
}

static enum service_failure explain_break(struct service_connection *connection)
{
    static const struct {
        enum evhttp_request_error error;
        enum service_failure failure;
        const char *reason;
    } explanations[] = {
        {EVREQ_HTTP_INVALID_HEADER, SERVICE_HTTP, "what the service answers is not HTTP"},
        {EVREQ_HTTP_DATA_TOO_LONG, SERVICE_TOO_LARGE, "the answer is larger than 1 MiB, or badly chunked"},
    };
    const char *reason = connection->heard  ? "the connection ended in the middle of the answer"
                         : connection->sent ? "the service closed the connection without an answer"
                                            : "the service closed the connection before it was asked";
    enum service_failure failure = SERVICE_CLOSED;
    for (size_t index = 0; index < sizeof explanations / sizeof *explanations; index++) {
        if (connection->has_error && connection->error == explanations[index].error) {
            failure = explanations[index].failure;
            reason = explanations[index].reason;
        }
    }
    snprintf(connection->reason, sizeof connection->reason, "%s", reason);
    return failure;
}

static void fail(struct service_connection *connection, int error)
{
    struct service_exchange exchange = {0};
    exchange.failure = connection->connected ? explain_break(connection) : explain_connect(connection, error);
    /* A certificate that was refused will be refused again. */
    exchange.repeatable = !connection->sent && !connection->heard && connection->verify_error == X509_V_OK;
    exchange.reason = connection->reason;
    connection->closed = true;
    connection->asking = false;
    connection->owner.ended(connection->owner.context, connection, &exchange);
}

/* How long the connection may lie idle: a second less than the server keeps it. 0: not at all. */
static int64_t idle_ms(struct evhttp_request *request)
{
    const char *header = evhttp_find_header(evhttp_request_get_input_headers(request), "Keep-Alive");
    const char *timeout = header ? strcasestr(header, "timeout=") : NULL;
    if (!timeout)
        return SERVICE_IDLE_MS;
    long seconds = strtol(timeout + strlen("timeout="), NULL, 10);
    if (seconds > LONGEST_IDLE_SECONDS)
        seconds = LONGEST_IDLE_SECONDS;
    return seconds > 1 ? (seconds - 1) * 1000 : 0;
}

static void become_idle(struct service_connection *connection, struct evhttp_request *request)
{
    int64_t milliseconds = idle_ms(request);
    if (milliseconds == 0)
        connection->closed = true;
    if (connection->closed)
        return;
    struct timeval limit = {milliseconds / 1000, (suseconds_t)(milliseconds % 1000) * 1000};
    bufferevent_set_timeouts(connection->transport, &limit, NULL);
}

static void on_answered(struct evhttp_request *request, void *context)
{
    /* A refused connection is told by a request without a code, and errno is lost; all else by no request. */
    int error = request ? ECONNREFUSED : EVUTIL_SOCKET_ERROR();
    struct service_connection *connection = context;
    if (!connection->asking)
        return;
    if (!request || evhttp_request_get_response_code(request) == 0) {
        fail(connection, error);
        return;
    }
    struct service_exchange exchange = {.failure = SERVICE_ANSWERED,
                                        .status = evhttp_request_get_response_code(request),
                                        .body = evhttp_request_get_input_buffer(request)};
    connection->asking = false;
    become_idle(connection, request);
    connection->owner.ended(connection->owner.context, connection, &exchange);
}

static void on_error(enum evhttp_request_error error, void *context)
{
    struct service_connection *connection = context;
    connection->has_error = true;
    connection->error = error;
}

static struct bufferevent *create_transport(struct service_connection *connection)
{
    const struct service_endpoint *endpoint = connection->endpoint;
    if (!endpoint->tls)
        return bufferevent_socket_new(endpoint->base, -1, BEV_OPT_CLOSE_ON_FREE);
    SSL *session = tls_client_session(endpoint->tls, endpoint->url.host, &connection->verify_error);
    if (!session)
        return NULL;
    /* Deferred, for libevent resets the connection from within callbacks, and OpenSSL's part does not expect that. */
    return bufferevent_openssl_socket_new(endpoint->base, -1, session, BUFFEREVENT_SSL_CONNECTING,
                                          BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
}

struct service_connection *service_connection_create(const struct service_endpoint *endpoint, int family,
                                                     const struct service_connection_owner *owner)
{
    static const struct timeval limit = {.tv_sec = LIBEVENT_TIMEOUT_SECONDS};
    struct service_connection *connection = memory_allocate_zeroed(1, sizeof *connection);
    connection->endpoint = endpoint;
    connection->owner = *owner;
    connection->transport = create_transport(connection);
    if (!connection->transport) {
        free(connection);
        return NULL;
    }
    const char *host = strcasecmp(endpoint->url.host, "localhost") == 0 ? "127.0.0.1" : endpoint->url.host;
    connection->http = evhttp_connection_base_bufferevent_new(endpoint->base, endpoint->resolver, connection->transport,
                                                              host, endpoint->url.port);
    evhttp_connection_set_family(connection->http, family);
    evhttp_connection_set_timeout_tv(connection->http, &limit);
    evhttp_connection_set_max_headers_size(connection->http, HEADERS_MAXIMUM);
    evhttp_connection_set_max_body_size(connection->http, (ev_ssize_t)SERVICE_ANSWER_MAXIMUM);
    evhttp_connection_set_closecb(connection->http, on_closed, connection);
    evbuffer_add_cb(bufferevent_get_output(connection->transport), on_written, connection);
    evbuffer_add_cb(bufferevent_get_input(connection->transport), on_read, connection);
    return connection;
}

void service_connection_destroy(struct service_connection *connection)
{
    connection->destroying = true;
    connection->asking = false;
    evbuffer_remove_cb(bufferevent_get_output(connection->transport), on_written, connection);
    evbuffer_remove_cb(bufferevent_get_input(connection->transport), on_read, connection);
    evhttp_connection_free(connection->http);
    free(connection);
}

static void add_headers(const struct service_endpoint *endpoint, struct evkeyvalq *headers)
{
    evhttp_add_header(headers, "Host", endpoint->url.authority);
    evhttp_add_header(headers, "User-Agent", "weir/" WEIR_VERSION);
    evhttp_add_header(headers, "Content-Type", "application/json");
    evhttp_add_header(headers, "Accept", "application/json");
    if (endpoint->authorization)
        evhttp_add_header(headers, "Authorization", endpoint->authorization);
}

void service_connection_ask(struct service_connection *connection, const char *target, struct slice body)
{
    struct evhttp_request *request = evhttp_request_new(on_answered, connection);
    evhttp_request_set_error_cb(request, on_error);
    add_headers(connection->endpoint, evhttp_request_get_output_headers(request));
    evbuffer_add_reference(evhttp_request_get_output_buffer(request), body.data, body.length, NULL, NULL);
    connection->asking = true;
    connection->connected = connection->sent = connection->heard = connection->has_error = false;
    if (bufferevent_getfd(connection->transport) >= 0)
        bufferevent_set_timeouts(connection->transport, NULL, NULL);
    if (evhttp_make_request(connection->http, request, EVHTTP_REQ_POST, target) != 0 && connection->asking)
        fail(connection, errno);
}

/* A server that has closed it, or said something unasked, shows in the socket before the event loop comes to it. (With
 * TLS such bytes may be harmless; then a good connection is given up, which costs little.) */
bool service_connection_usable(const struct service_connection *connection)
{
    char byte;
    int socket = bufferevent_getfd(connection->transport);
    if (connection->asking || connection->closed || socket < 0 ||
        evbuffer_get_length(bufferevent_get_input(connection->transport)) > 0)
        return false;
    return recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}
