/* evhttp does the protocol. Everything that a client can make it hold is bounded. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/memory.h"
#include "engine/http_server_parts.h"
#include "engine/tls_server.h"

#define HOST_SIZE 256
/* Redis, databases, services, files. */
#define DESCRIPTORS_OF_OTHERS 256u
#define CONNECTIONS_DEFAULT 1000u
/* Beyond a Synapse with as many workers as there are; but one client shall not have all connections waiting. */
#define OPEN_PER_CLIENT_DEFAULT 500u

static const struct metric_definition metrics[HTTP_COUNTS] = {
    [HTTP_COUNT_CONNECTIONS] = {"weir_http_connections", METRIC_GAUGE, "HTTP connections that are open.", NULL},
    [HTTP_COUNT_REQUESTS] = {"weir_http_requests_total", METRIC_COUNTER, "HTTP requests that were received.", NULL},
    [HTTP_COUNT_UNAUTHORIZED] = {"weir_http_unauthorized_total", METRIC_COUNTER,
                                 "HTTP requests that were refused for want of the secret.", NULL},
    [HTTP_COUNT_FOREIGN] = {"weir_http_foreign_total", METRIC_COUNTER,
                            "HTTP requests that were refused because another site may have made a browser send them.",
                            NULL},
    [HTTP_COUNT_LIMITED] = {"weir_http_limited_total", METRIC_COUNTER,
                            "HTTP requests that were refused because too many of their client waited for answers.",
                            NULL},
    [HTTP_COUNT_FULL] = {"weir_http_full_total", METRIC_COUNTER,
                         "Times that the last of the HTTP connections that may be open was taken.", NULL},
    [HTTP_COUNT_SLOW] = {"weir_http_slow_total", METRIC_COUNTER,
                         "HTTP connections that were closed because the client took too long over a request.", NULL},
};

static void describe(struct http_server *server, int socket)
{
    struct sockaddr_storage bound = {0};
    socklen_t length = sizeof bound;
    char host[INET6_ADDRSTRLEN + 16];
    char port[8];
    if (getsockname(socket, (struct sockaddr *)&bound, &length) != 0 ||
        getnameinfo((struct sockaddr *)&bound, length, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return;
    snprintf(server->address, sizeof server->address, bound.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

static struct evhttp_bound_socket *bind_to(struct evhttp *http, const char *host, uint16_t port)
{
    if (*host)
        return evhttp_bind_socket_with_handle(http, host, port);
    struct evhttp_bound_socket *bound = evhttp_bind_socket_with_handle(http, "::", port);
    return bound ? bound : evhttp_bind_socket_with_handle(http, "0.0.0.0", port);
}

static struct evhttp_bound_socket *listen_on(struct evhttp *http, const struct http_server_settings *settings,
                                             struct buffer *error)
{
    const char *listen = settings->listen;
    if (!listen)
        return evhttp_accept_socket_with_handle(http, settings->socket);
    char host[HOST_SIZE];
    uint16_t port;
    if (!http_listen_parse(listen, host, sizeof host, &port)) {
        buffer_append_format(error, "'%s' is no address to listen on; write host:port, [::1]:port or :port", listen);
        return NULL;
    }
    errno = 0;
    struct evhttp_bound_socket *bound = bind_to(http, host, port);
    if (!bound)
        buffer_append_format(error, "cannot listen on %s: %s", listen, errno ? strerror(errno) : "no such address");
    return bound;
}

static void register_counts(struct http_server *server, struct metrics *registry)
{
    for (size_t index = 0; index < HTTP_COUNTS; index++)
        server->counts[index] =
            registry ? metrics_register(registry, &metrics[index], 1, NULL, NULL) : &server->own_counts[index];
}

static void configure(struct http_server *server)
{
    evhttp_set_max_headers_size(server->http, HTTP_HEADERS_MAXIMUM);
    evhttp_set_max_body_size(server->http, HTTP_BODY_MAXIMUM);
    evhttp_set_allowed_methods(server->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST | EVHTTP_REQ_PUT |
                                                 EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH);
    /* The rest of a body that is too large is read and left, so that the client gets to read the answer. */
    evhttp_set_flags(server->http, EVHTTP_SERVER_LINGERING_CLOSE);
    evhttp_set_gencb(server->http, http_dispatch, server);
}

/* Each connection takes a descriptor, and a process is seldom given more than 1024 unless it asks. */
static void allow_descriptors(size_t connections)
{
    struct rlimit limit;
    rlim_t wanted = connections + DESCRIPTORS_OF_OTHERS;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < wanted)
        log_warning("fewer files may be open than http.connections would need: raise LimitNOFILE= of the unit (or "
                    "`ulimit -Hn`), or lower http.connections",
                    LOG_INTEGER("open_files", limit.rlim_cur), LOG_INTEGER("needed", wanted));
}

struct http_server *http_server_create(struct event_base *base, const struct http_server_settings *settings,
                                       struct buffer *error)
{
    SSL_CTX *tls = NULL;
    buffer_clear(error);
    if (settings->certificate_file) {
        tls = tls_server_create(settings->certificate_file, settings->private_key_file, error);
        if (!tls)
            return NULL;
    }
    struct evhttp *http = evhttp_new(base);
    struct evhttp_bound_socket *bound = listen_on(http, settings, error);
    if (!bound) {
        SSL_CTX_free(tls);
        evhttp_free(http);
        return NULL;
    }
    struct http_server *server = memory_allocate_zeroed(1, sizeof *server);
    server->base = base;
    server->http = http;
    server->tls = tls;
    server->listeners[server->listener_count++] = bound;
    server->routes = settings->routes;
    server->context = settings->context;
    server->connections_maximum = settings->connections ? settings->connections : CONNECTIONS_DEFAULT;
    server->open_per_client = settings->open_per_client ? settings->open_per_client : OPEN_PER_CLIENT_DEFAULT;
    TAILQ_INIT(&server->orphans);
    TAILQ_INIT(&server->spares);
    register_counts(server, settings->metrics);
    http_server_use_secret(server, settings->secret);
    configure(server);
    server->admit = settings->admit;
    server->is_unix = !settings->listen;
    if (server->is_unix)
        snprintf(server->address, sizeof server->address, "%s", settings->address);
    else
        describe(server, evhttp_bound_socket_get_fd(bound));
    allow_descriptors(server->connections_maximum);
    http_connections_start(server);
    return server;
}

void http_server_destroy(struct http_server *server)
{
    if (!server)
        return;
    http_exchanges_stop(server);
    evhttp_free(server->http);
    http_connections_stop(server);
    http_secret_destroy(server->secret);
    SSL_CTX_free(server->tls);
    buffer_free(&server->body);
    buffer_free(&server->path);
    free(server->areas);
    free(server);
}

void http_server_use_secret(struct http_server *server, const char *secret)
{
    http_secret_destroy(server->secret);
    server->secret = secret ? http_secret_create(secret) : NULL;
}

bool http_server_has_secret(const struct http_server *server)
{
    return server->secret != NULL;
}

bool http_server_knows_secret(const struct http_server *server, struct slice secret)
{
    return server->secret && http_secret_matches(server->secret, secret);
}

void http_server_guard(struct http_server *server, const struct http_sessions *sessions)
{
    server->guarded = true;
    server->sessions = *sessions;
}

bool http_server_use_certificate(struct http_server *server, const char *certificate_file, const char *private_key_file,
                                 struct buffer *error)
{
    SSL_CTX *tls = tls_server_create(certificate_file, private_key_file, error);
    if (!tls)
        return false;
    SSL_CTX_free(server->tls);
    server->tls = tls;
    return true;
}

const char *http_server_address(const struct http_server *server)
{
    return server->address;
}
