/* evhttp does the protocol; this is the table in front of it. Everything that a client can make it hold is bounded, and
 * a client that stops talking is dropped after TIMEOUT. */
#include "engine/http_server.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"

#define HEADERS_MAXIMUM (16 << 10)
#define BODY_MAXIMUM (1 << 20)
#define TIMEOUT 10 /* seconds */
#define HOST_SIZE 256

struct http_server {
    struct evhttp *http;
    const struct http_route *routes;
    void *context;
    struct buffer body;
    char address[INET6_ADDRSTRLEN + 32];
};

static const struct {
    enum evhttp_cmd_type type;
    const char *method; /* that a route must have to answer it */
} methods[] = {
    {EVHTTP_REQ_GET, "GET"},     {EVHTTP_REQ_HEAD, "GET"},      {EVHTTP_REQ_POST, "POST"},
    {EVHTTP_REQ_PUT, "PUT"},     {EVHTTP_REQ_DELETE, "DELETE"}, {EVHTTP_REQ_OPTIONS, "OPTIONS"},
    {EVHTTP_REQ_PATCH, "PATCH"},
};

static const char *method_of(enum evhttp_cmd_type type)
{
    for (size_t index = 0; index < sizeof methods / sizeof methods[0]; index++)
        if (methods[index].type == type)
            return methods[index].method;
    return "";
}

static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},           {400, "Bad Request"},         {404, "Not Found"}, {405, "Method Not Allowed"},
        {500, "Server Error"}, {503, "Service Unavailable"},
    };
    for (size_t index = 0; index < sizeof reasons / sizeof reasons[0]; index++)
        if (reasons[index].status == status)
            return reasons[index].reason;
    return "Status";
}

static void send_response(struct evhttp_request *request, const struct http_response *response)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    evhttp_add_header(headers, "Content-Type", response->content_type);
    evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
    evhttp_add_header(headers, "Cache-Control", "no-store");
    if (evhttp_request_get_command(request) == EVHTTP_REQ_HEAD) {
        char length[24];
        snprintf(length, sizeof length, "%zu", response->body->length);
        evhttp_add_header(headers, "Content-Length", length);
    } else {
        evbuffer_add(evhttp_request_get_output_buffer(request), response->body->data, response->body->length);
    }
    evhttp_send_reply(request, response->status, reason_of(response->status), NULL);
}

/* An error as Matrix's APIs shape it. */
static void refuse(struct evhttp_request *request, struct http_response *response, int status, const char *sentence)
{
    response->status = status;
    response->content_type = "application/json";
    buffer_append_string(response->body, "{\"errcode\":\"M_UNRECOGNIZED\",\"error\":");
    buffer_append_json_string(response->body, slice_from_string(sentence));
    buffer_append_string(response->body, "}\n");
    send_response(request, response);
}

static void on_request(struct evhttp_request *request, void *context)
{
    struct http_server *server = context;
    struct http_response response = {200, "text/plain; charset=utf-8", &server->body};
    const char *method = method_of(evhttp_request_get_command(request));
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const char *path = uri ? evhttp_uri_get_path(uri) : NULL;
    const char *allowed = NULL;
    buffer_clear(&server->body);
    for (const struct http_route *route = server->routes; path && route->path; route++) {
        if (strcmp(route->path, path) != 0)
            continue;
        if (strcmp(route->method, method) == 0) {
            route->handle(server->context, &response);
            send_response(request, &response);
            return;
        }
        allowed = strcmp(route->method, "GET") == 0 ? "GET, HEAD" : route->method;
    }
    if (!allowed) {
        refuse(request, &response, 404, "nothing is served at this path");
        return;
    }
    evhttp_add_header(evhttp_request_get_output_headers(request), "Allow", allowed);
    refuse(request, &response, 405, "this path is served for another method");
}

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

struct http_server *http_server_create(struct event_base *base, const char *listen, const struct http_route *routes,
                                       void *context, struct buffer *error)
{
    char host[HOST_SIZE];
    uint16_t port;
    buffer_clear(error);
    if (!http_listen_parse(listen, host, sizeof host, &port)) {
        buffer_append_format(error, "'%s' is no address to listen on; write host:port, [::1]:port or :port", listen);
        return NULL;
    }
    struct evhttp *http = evhttp_new(base);
    errno = 0;
    struct evhttp_bound_socket *bound = http ? bind_to(http, host, port) : NULL;
    if (!bound) {
        buffer_append_format(error, "cannot listen on %s: %s", listen, errno ? strerror(errno) : "no such address");
        if (http)
            evhttp_free(http);
        return NULL;
    }
    struct http_server *server = memory_allocate_zeroed(1, sizeof *server);
    server->http = http;
    server->routes = routes;
    server->context = context;
    evhttp_set_max_headers_size(http, HEADERS_MAXIMUM);
    evhttp_set_max_body_size(http, BODY_MAXIMUM);
    evhttp_set_timeout(http, TIMEOUT);
    evhttp_set_allowed_methods(http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST | EVHTTP_REQ_PUT |
                                         EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH);
    evhttp_set_gencb(http, on_request, server);
    describe(server, evhttp_bound_socket_get_fd(bound));
    return server;
}

void http_server_destroy(struct http_server *server)
{
    if (!server)
        return;
    evhttp_free(server->http);
    buffer_free(&server->body);
    free(server);
}

const char *http_server_address(const struct http_server *server)
{
    return server->address;
}
