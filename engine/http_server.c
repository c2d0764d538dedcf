/* evhttp does the protocol; this is the table in front of it, with the pages of modules behind the table. Everything
 * that a client can make it hold is bounded, and a client that stops talking is dropped after TIMEOUT. */
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
#define TIMEOUT 10 /* seconds */
#define HOST_SIZE 256

struct http_server {
    struct evhttp *http;
    const struct http_route *routes;
    http_page_finder *find_page; /* NULL: no pages */
    void *context;
    struct buffer body;
    char address[INET6_ADDRSTRLEN + 32];
};

static const struct {
    enum evhttp_cmd_type type;
    const char *method; /* that a route must have to answer it */
} commands[] = {
    {EVHTTP_REQ_GET, "GET"},     {EVHTTP_REQ_HEAD, "GET"},      {EVHTTP_REQ_POST, "POST"},
    {EVHTTP_REQ_PUT, "PUT"},     {EVHTTP_REQ_DELETE, "DELETE"}, {EVHTTP_REQ_OPTIONS, "OPTIONS"},
    {EVHTTP_REQ_PATCH, "PATCH"},
};

static const char *method_of(enum evhttp_cmd_type type)
{
    for (size_t index = 0; index < sizeof commands / sizeof commands[0]; index++)
        if (commands[index].type == type)
            return commands[index].method;
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

/* What serves a path. */
struct place {
    const struct http_route *route;  /* or NULL */
    const struct web_resource *page; /* or NULL */
    void *state;                     /* of the page */
    struct buffer methods;           /* that it can be asked with, as in the header Allow: "GET, HEAD, POST" */
};

/* The next word of a text, taken off it; an empty slice at its end. */
static struct slice next_word(const char **text)
{
    *text += strspn(*text, " ");
    struct slice word = slice_of(*text, strcspn(*text, " "));
    *text += word.length;
    return word;
}

/* Whether `method` is among `methods`, which are all added to the place. */
static bool take_methods(struct place *place, const char *methods, const char *method)
{
    bool found = false;
    for (struct slice word = next_word(&methods); word.length; word = next_word(&methods)) {
        buffer_append_format(&place->methods, "%s%.*s", place->methods.length ? ", " : "", (int)word.length, word.data);
        if (slice_equal(word, SLICE("GET")))
            buffer_append_string(&place->methods, ", HEAD");
        found = found || slice_equal(word, slice_from_string(method));
    }
    return found;
}

/* Routes come first: no module may take a path of the program's own. */
static void find_place(struct http_server *server, const char *path, const char *method, struct place *place)
{
    for (const struct http_route *route = server->routes; route->path; route++) {
        if (strcmp(route->path, path) != 0)
            continue;
        if (take_methods(place, route->method, method))
            place->route = route;
    }
    if (place->methods.length || !server->find_page)
        return;
    const struct web_resource *page = server->find_page(server->context, slice_from_string(path), &place->state);
    if (page && take_methods(place, page->methods, method))
        place->page = page;
}

static void serve_page(struct evhttp_request *request, const struct place *place, const char *method,
                       struct http_response *response)
{
    struct evbuffer *input = evhttp_request_get_input_buffer(request);
    size_t length = evbuffer_get_length(input);
    const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request));
    struct web_request asked = {.method = slice_from_string(method),
                                .query = slice_from_string(query ? query : ""),
                                .body = slice_of(length ? (const char *)evbuffer_pullup(input, -1) : "", length)};
    struct web_response answer = {.status = 200, .content_type = "application/json", .body = response->body};
    place->page->serve(place->state, &asked, &answer);
    response->status = answer.status;
    response->content_type = answer.content_type;
}

/* An error as Matrix's APIs shape it. */
static void refuse(struct http_response *response, int status, const char *sentence)
{
    struct web_response refusal = {.body = response->body};
    web_response_refuse(&refusal, status, "M_UNRECOGNIZED", sentence);
    response->status = refusal.status;
    response->content_type = refusal.content_type;
}

static void on_request(struct evhttp_request *request, void *context)
{
    struct http_server *server = context;
    struct http_response response = {200, "text/plain; charset=utf-8", &server->body};
    const char *method = method_of(evhttp_request_get_command(request));
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const char *path = uri ? evhttp_uri_get_path(uri) : NULL;
    struct place place = {0};
    buffer_clear(&server->body);
    if (path)
        find_place(server, path, method, &place);
    if (place.route) {
        place.route->handle(server->context, &response);
    } else if (place.page) {
        serve_page(request, &place, method, &response);
    } else if (place.methods.length) {
        evhttp_add_header(evhttp_request_get_output_headers(request), "Allow", buffer_string(&place.methods));
        refuse(&response, 405, "this path is served for another method");
    } else {
        refuse(&response, 404, "nothing is served at this path");
    }
    send_response(request, &response);
    buffer_free(&place.methods);
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
    evhttp_set_max_body_size(http, HTTP_BODY_MAXIMUM);
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

bool http_server_has_route(const struct http_server *server, const char *path)
{
    for (const struct http_route *route = server->routes; route->path; route++)
        if (strcmp(route->path, path) == 0)
            return true;
    return false;
}

void http_server_find_pages(struct http_server *server, http_page_finder *find_page)
{
    server->find_page = find_page;
}

const char *http_server_address(const struct http_server *server)
{
    return server->address;
}
