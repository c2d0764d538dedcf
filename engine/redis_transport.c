/* A bufferevent makes the connection. What comes on it is read by hand, straight into the reader's room: a bufferevent
 * asks how much there is, reads 4 KiB of it whatever its limits say, and keeps them in chunks of its own. What goes out
 * is written by hand as well; only what the socket does not take then is left to the bufferevent, or with TLS kept
 * here.
 *
 * getaddrinfo blocks, so it is asked for literal addresses only; every other name goes to libevent's resolver, which
 * knows /etc/hosts and the name servers of /etc/resolv.conf. `localhost` is 127.0.0.1 without asking anybody: Redis
 * listens there by default, and containers often lack the name. */
#include "engine/redis_transport.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/memory.h"
#include "engine/tls_client.h"

#define REDIS_DEFAULT_PORT 6379
#define WRITE_AT_ONCE ((size_t)1 << 20)
/* Of TLS: what a slow connection made larger is given back. */
#define KEPT_MAXIMUM ((size_t)1 << 20)

enum transport_state { TRANSPORT_CONNECTING, TRANSPORT_HANDSHAKE, TRANSPORT_OPEN };

struct redis_transport {
    struct redis_transport_callbacks callbacks;
    enum transport_state state;
    struct bufferevent *socket;
    struct event *readable;
    bool paused;
    bool local; /* a unix socket */

    /* With TLS: */
    SSL *session;
    char *host;
    long verify_error;
    bool has_certificate;
    bool failed; /* nothing more can be said on the session, not even goodbye */
    struct event *writable;
    struct buffer kept;
    size_t kept_begins;
};

/* Connecting. */

static bool fail(struct buffer *error, const char *words)
{
    buffer_clear(error);
    buffer_append_string(error, "cannot connect to Redis: ");
    buffer_append_string(error, words);
    return false;
}

static int port_of(const struct redis_address *address)
{
    return address->port ? address->port : REDIS_DEFAULT_PORT;
}

/* False for a host name, which must be looked up. */
static bool literal_address(const struct redis_address *address, struct sockaddr_storage *result, socklen_t *length)
{
    char port[8];
    snprintf(port, sizeof port, "%d", port_of(address));
    const char *host = address->host && strcmp(address->host, "localhost") != 0 ? address->host : "127.0.0.1";
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    if (getaddrinfo(host, port, &hints, &found) != 0)
        return false;
    memcpy(result, found->ai_addr, found->ai_addrlen);
    *length = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

static bool connect_to_name(struct bufferevent *socket, struct evdns_base **resolver,
                            const struct redis_address *address, struct buffer *error)
{
    struct event_base *base = bufferevent_get_base(socket);
    if (!*resolver)
        *resolver = evdns_base_new(base, EVDNS_BASE_INITIALIZE_NAMESERVERS | EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    if (!*resolver) { /* no name servers: the hosts file may still know the name */
        *resolver = evdns_base_new(base, 0);
        if (*resolver)
            evdns_base_load_hosts(*resolver, "/etc/hosts");
    }
    if (!*resolver ||
        bufferevent_socket_connect_hostname(socket, *resolver, AF_UNSPEC, address->host, port_of(address)) != 0)
        return fail(error, "its host name cannot be looked up");
    return true;
}

static bool start_connecting(struct bufferevent *socket, struct evdns_base **resolver,
                             const struct redis_address *address, struct buffer *error)
{
    struct sockaddr_storage target = {0};
    socklen_t length = sizeof(struct sockaddr_un);
    if (address->unix_path) {
        struct sockaddr_un *local = (struct sockaddr_un *)&target;
        size_t path_length = strlen(address->unix_path);
        if (path_length >= sizeof local->sun_path)
            return fail(error, "the path of its socket is too long");
        local->sun_family = AF_UNIX;
        memcpy(local->sun_path, address->unix_path, path_length + 1);
    } else if (!literal_address(address, &target, &length)) {
        return connect_to_name(socket, resolver, address, error);
    }
    if (bufferevent_socket_connect(socket, (struct sockaddr *)&target, (int)length) != 0)
        return fail(error, strerror(errno));
    return true;
}

/* Keep-alive probes, no delay of small writes. */
static void set_options(int socket)
{
    static const struct {
        int level;
        int option;
        int value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},    {SOL_SOCKET, SO_KEEPALIVE, 1}, {IPPROTO_TCP, TCP_KEEPIDLE, 30},
        {IPPROTO_TCP, TCP_KEEPINTVL, 10}, {IPPROTO_TCP, TCP_KEEPCNT, 3},
    };
    for (size_t index = 0; index < sizeof options / sizeof options[0]; index++)
        setsockopt(socket, options[index].level, options[index].option, &options[index].value, sizeof(int));
}

/* TLS. */

static bool create_session(struct redis_transport *transport, const struct redis_address *address, struct buffer *error)
{
    const char *host = address->host ? address->host : "127.0.0.1";
    const struct redis_tls *tls = &address->tls;
    struct tls_client_settings settings = {.ca_file = tls->ca_file,
                                           .ca_path = tls->ca_path,
                                           .certificate_file = tls->certificate_file,
                                           .private_key_file = tls->private_key_file,
                                           .verify = !tls->unverified};
    struct buffer words = {0};
    SSL_CTX *context = tls_client_create(&settings, &words);
    if (context)
        transport->session = tls_client_session(context, host, &transport->verify_error);
    SSL_CTX_free(context);
    if (transport->session) {
        SSL_set_mode(transport->session, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        transport->host = memory_copy_text(host, strlen(host));
        transport->has_certificate = tls->certificate_file != NULL;
    } else {
        fail(error, context ? "OpenSSL has no session for it" : buffer_string(&words));
    }
    buffer_free(&words);
    return transport->session != NULL;
}

static void explain(struct redis_transport *transport, int result, struct buffer *text)
{
    struct tls_client_failure failure = {.host = transport->host,
                                         .verify_error = transport->verify_error,
                                         .ssl_error = SSL_get_error(transport->session, result),
                                         .system_error = errno,
                                         .certificate = transport->has_certificate};
    transport->failed = true;
    buffer_clear(text);
    buffer_append_string(text, transport->state == TRANSPORT_OPEN ? "the connection with TLS broke: "
                                                                  : "no TLS with Redis: ");
    tls_client_explain(&failure, text);
}

/* What the session waits for, or an error. */
static bool waits(struct redis_transport *transport, int result)
{
    int error = SSL_get_error(transport->session, result);
    if (error == SSL_ERROR_WANT_WRITE)
        event_add(transport->writable, NULL);
    return error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ;
}

static void become_open(struct redis_transport *transport)
{
    transport->state = TRANSPORT_OPEN;
    if (transport->paused)
        event_del(transport->readable);
    transport->callbacks.connected(transport->callbacks.context);
}

static void go_on_with_handshake(struct redis_transport *transport)
{
    ERR_clear_error();
    errno = 0;
    int result = SSL_connect(transport->session);
    if (result == 1) {
        become_open(transport);
    } else if (!waits(transport, result)) {
        struct buffer reason = {0};
        explain(transport, result, &reason);
        transport->callbacks.broken(transport->callbacks.context, buffer_string(&reason));
        buffer_free(&reason);
    }
}

static ssize_t read_session(struct redis_transport *transport, char *room, size_t size, struct buffer *error)
{
    ERR_clear_error();
    errno = 0;
    int result = SSL_read(transport->session, room, (int)size);
    if (result > 0) {
        if (SSL_has_pending(transport->session))
            event_active(transport->readable, EV_READ, 0);
        return result;
    }
    if (waits(transport, result))
        return 0;
    if (SSL_get_error(transport->session, result) == SSL_ERROR_ZERO_RETURN) {
        buffer_clear(error);
        buffer_append_string(error, "Redis closed the connection");
    } else {
        explain(transport, result, error);
    }
    return -1;
}

/* How much of `bytes` the session took. What is wrong with it, if anything, reading tells: an alert of the other side
 * says more than that it has hung up. */
static size_t write_session(struct redis_transport *transport, struct slice bytes)
{
    size_t written = 0;
    while (written < bytes.length && !transport->failed) {
        size_t left = bytes.length - written;
        ERR_clear_error();
        int result = SSL_write(transport->session, bytes.data + written, (int)(left > INT32_MAX ? INT32_MAX : left));
        if (result > 0) {
            written += (size_t)result;
            continue;
        }
        if (!waits(transport, result)) {
            transport->failed = true;
            event_active(transport->readable, EV_READ, 0);
        }
        break;
    }
    return written;
}

static void write_kept(struct redis_transport *transport)
{
    struct buffer *kept = &transport->kept;
    transport->kept_begins +=
        write_session(transport, slice_of(kept->data + transport->kept_begins, kept->length - transport->kept_begins));
    if (transport->kept_begins < kept->length)
        return;
    transport->kept_begins = 0;
    buffer_clear(kept);
    if (kept->capacity > KEPT_MAXIMUM)
        buffer_free(kept);
}

static void on_writable(evutil_socket_t socket, short events, void *context)
{
    struct redis_transport *transport = context;
    (void)socket, (void)events;
    if (transport->state == TRANSPORT_HANDSHAKE)
        go_on_with_handshake(transport);
    else
        write_kept(transport);
}

/* Both. */

static void on_readable(evutil_socket_t socket, short events, void *context)
{
    struct redis_transport *transport = context;
    (void)socket, (void)events;
    if (transport->state == TRANSPORT_HANDSHAKE) {
        go_on_with_handshake(transport);
        return;
    }
    /* Reading may be what the session needed before it could write. */
    if (transport->kept.length)
        write_kept(transport);
    if (!transport->paused || transport->failed)
        transport->callbacks.readable(transport->callbacks.context);
}

static void on_connected(struct redis_transport *transport)
{
    int socket = bufferevent_getfd(transport->socket);
    struct event_base *base = bufferevent_get_base(transport->socket);
    if (!transport->local)
        set_options(socket);
    transport->readable = event_new(base, socket, EV_READ | EV_PERSIST, on_readable, transport);
    event_add(transport->readable, NULL);
    if (!transport->session) {
        become_open(transport);
        return;
    }
    transport->state = TRANSPORT_HANDSHAKE;
    transport->writable = event_new(base, socket, EV_WRITE, on_writable, transport);
    if (SSL_set_fd(transport->session, socket) == 1)
        go_on_with_handshake(transport);
    else
        transport->callbacks.broken(transport->callbacks.context, "OpenSSL cannot use the connection to Redis");
}

static void on_event(struct bufferevent *socket, short events, void *context)
{
    struct redis_transport *transport = context;
    int error = EVUTIL_SOCKET_ERROR();
    if (events & BEV_EVENT_CONNECTED) {
        on_connected(transport);
        return;
    }
    int dns_error = bufferevent_socket_get_dns_error(socket);
    struct buffer reason = {0};
    buffer_append_string(&reason, transport->state == TRANSPORT_CONNECTING ? "cannot connect to Redis: "
                                                                           : "the connection broke: ");
    buffer_append_string(&reason, dns_error ? evutil_gai_strerror(dns_error) : strerror(error));
    transport->callbacks.broken(transport->callbacks.context, buffer_string(&reason));
    buffer_free(&reason);
}

struct redis_transport *redis_transport_open(struct event_base *base, struct evdns_base **resolver,
                                             const struct redis_address *address,
                                             const struct redis_transport_callbacks *callbacks, struct buffer *error)
{
    struct redis_transport *transport = memory_allocate_zeroed(1, sizeof *transport);
    transport->callbacks = *callbacks;
    transport->local = address->unix_path != NULL;
    transport->socket = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
    bufferevent_setcb(transport->socket, NULL, NULL, on_event, transport);
    bufferevent_set_max_single_write(transport->socket, WRITE_AT_ONCE);
    if ((!redis_address_uses_tls(address) || create_session(transport, address, error)) &&
        start_connecting(transport->socket, resolver, address, error))
        return transport;
    redis_transport_close(transport);
    return NULL;
}

void redis_transport_close(struct redis_transport *transport)
{
    if (!transport)
        return;
    if (transport->readable)
        event_free(transport->readable);
    if (transport->writable)
        event_free(transport->writable);
    if (transport->session && transport->state == TRANSPORT_OPEN && !transport->failed)
        SSL_shutdown(transport->session);
    SSL_free(transport->session);
    bufferevent_free(transport->socket);
    buffer_free(&transport->kept);
    free(transport->host);
    free(transport);
}

const char *redis_transport_lateness(const struct redis_transport *transport)
{
    return transport && transport->state == TRANSPORT_HANDSHAKE
               ? "no TLS with Redis: no answer in time (does it speak TLS at this port?)"
               : "cannot connect to Redis: no answer in time";
}

ssize_t redis_transport_read(struct redis_transport *transport, char *room, size_t size, struct buffer *error)
{
    if (transport->session)
        return read_session(transport, room, size, error);
    ssize_t count = recv(bufferevent_getfd(transport->socket), room, size, MSG_DONTWAIT);
    if (count > 0)
        return count;
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    int number = errno;
    buffer_clear(error);
    buffer_append_string(error, count == 0 ? "Redis closed the connection" : "the connection broke: ");
    if (count < 0)
        buffer_append_string(error, strerror(number));
    return -1;
}

void redis_transport_write(struct redis_transport *transport, struct slice bytes)
{
    size_t written = 0;
    if (transport->session) {
        if (transport->kept.length == 0)
            written = write_session(transport, bytes);
        buffer_append(&transport->kept, bytes.data + written, bytes.length - written);
        return;
    }
    if (evbuffer_get_length(bufferevent_get_output(transport->socket)) == 0) {
        ssize_t count =
            send(bufferevent_getfd(transport->socket), bytes.data, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL);
        written = count > 0 ? (size_t)count : 0;
    }
    /* Whatever was wrong with the socket, the bufferevent will find it as well. */
    if (written < bytes.length)
        bufferevent_write(transport->socket, bytes.data + written, bytes.length - written);
}

size_t redis_transport_unsent(const struct redis_transport *transport)
{
    return transport->session ? transport->kept.length - transport->kept_begins
                              : evbuffer_get_length(bufferevent_get_output(transport->socket));
}

void redis_transport_pause(struct redis_transport *transport, bool paused)
{
    transport->paused = paused;
    if (transport->state != TRANSPORT_OPEN)
        return;
    if (paused) {
        event_del(transport->readable);
        return;
    }
    event_add(transport->readable, NULL);
    if (transport->session && SSL_has_pending(transport->session))
        event_active(transport->readable, EV_READ, 0);
}
