/* The HTTP listener: a table of the program's own routes on evhttp (GET /metrics, /healthz, /readyz), and behind it the
 * pages of modules. */
#ifndef WEIR_ENGINE_HTTP_SERVER_H
#define WEIR_ENGINE_HTTP_SERVER_H

#include <event2/event.h>

#include "base/buffer.h"
#include "filters/module.h"

struct http_server;

struct http_response {
    int status;               /* 200 unless the handler says otherwise */
    const char *content_type; /* "text/plain; charset=utf-8" unless the handler says otherwise */
    struct buffer *body;      /* empty when the handler is called */
};

struct http_route {
    const char *method; /* "GET" (then HEAD works too) */
    const char *path;   /* exact, without a query */
    void (*handle)(void *context, struct http_response *response);
};

/* Listens on `listen` ("127.0.0.1:9180", "[::1]:0", ":9180" for all addresses; port 0 picks a free one). `routes` ends
 * with a row whose path is NULL and must stay valid. NULL with a sentence in `error`. Unknown paths get 404, known ones
 * with another method 405, both as Matrix error JSON. Request headers and bodies are bounded. */
struct http_server *http_server_create(struct event_base *base, const char *listen, const struct http_route *routes,
                                       void *context, struct buffer *error);
void http_server_destroy(struct http_server *server);

/* The page of a module under `path`, with the state to serve it; NULL if there is none. Asked for each request, so that
 * the chain may change in between. */
typedef const struct web_resource *http_page_finder(void *context, struct slice path, void **state);

/* From now on, paths that no route has are looked for among the pages; `context` is that of the routes. A page gets
 * bodies of up to HTTP_BODY_MAXIMUM bytes; a request with more is answered with 413 and not handed on. */
#define HTTP_BODY_MAXIMUM (1u << 20)
void http_server_find_pages(struct http_server *server, http_page_finder *find_page);
/* Whether a route has this path, so that no page with it is ever shown. */
bool http_server_has_route(const struct http_server *server, const char *path);

/* The address that it really listens on, e.g. "127.0.0.1:43817". */
const char *http_server_address(const struct http_server *server);
/* Splits "host:port" as `listen` above; false if it is neither. `host` (at least 64 bytes) is "" for all addresses. */
bool http_listen_parse(const char *listen, char *host, size_t host_size, uint16_t *port);

#endif
