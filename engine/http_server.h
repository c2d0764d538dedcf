/* The HTTP listener: a table of the program's own routes on evhttp (GET /metrics, /healthz, /readyz), areas of paths
 * whose owners may answer later, and behind them the pages of modules.
 *
 * A client has 10 s for each request, from its first byte, or from the connection for the first one; between two
 * requests a connection is kept for 180 s, since Synapse's pool keeps them for 120 s. */
#ifndef WEIR_ENGINE_HTTP_SERVER_H
#define WEIR_ENGINE_HTTP_SERVER_H

#include <event2/event.h>

#include "base/buffer.h"
#include "engine/metrics.h"
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

struct http_server_settings {
    const char *listen;  /* "127.0.0.1:9180", "[::1]:0", ":9180" for all addresses; port 0 picks a free one; NULL: */
    int socket;          /* a unix socket that listens already, and is the server's from then on */
    const char *address; /* how that one is called, at most 107 bytes */
    /* Whether whoever has connected there may ask at all; otherwise the connection is closed. NULL: everybody may. */
    bool (*admit)(void *context, int socket);
    const struct http_route *routes; /* ends with a row whose path is NULL; must stay valid */
    void *context;                   /* of the routes, the pages and `admit` */
    const char *secret;              /* of closed areas; NULL: they are open */
    const char *certificate_file;    /* with the key's file: TLS (engine/tls_server.h); NULL: none */
    const char *private_key_file;
    size_t connections;      /* at once; 0: 1000 */
    size_t open_per_client;  /* exchanges of one address at once, beyond which it gets 429; 0: 500 */
    struct metrics *metrics; /* where connections and refusals are counted; may be NULL */
};

/* Listens. NULL with a sentence in `error`. Unknown paths get 404, known ones with another method 405, both as Matrix
 * error JSON. Request headers and bodies are bounded. */
struct http_server *http_server_create(struct event_base *base, const struct http_server_settings *settings,
                                       struct buffer *error);
/* Open exchanges are answered with 503 as far as their clients take it at once, and are gone: `gone` is called. */
void http_server_destroy(struct http_server *server);

/* The start of an end: takes no more connections, and closes each one with its next answer, which says so. */
void http_server_stop(struct http_server *server);
/* How many requests are being read, wait for their answer, or have it on the way. These two take NULL for no server. */
size_t http_server_busy(const struct http_server *server);

/* Reads the files again, or others, for connections that come from now on. False with a sentence in `error` if they
 * cannot be used: then what was before goes on. The server must have begun with TLS. */
bool http_server_use_certificate(struct http_server *server, const char *certificate_file, const char *private_key_file,
                                 struct buffer *error);

/* From now on closed areas ask for `secret`; NULL: for none. */
void http_server_use_secret(struct http_server *server, const char *secret);

/* The page of a module under `path`, with the state to serve it; NULL if there is none. Asked for each request, so that
 * the chain may change in between. */
typedef const struct web_resource *http_page_finder(void *context, struct slice path, void **state);

/* From now on, paths that no route has are looked for among the pages; `context` is that of the routes. A page gets
 * bodies of up to HTTP_BODY_MAXIMUM bytes; a request with more is answered with 413 and not handed on. */
#define HTTP_BODY_MAXIMUM (1u << 20)
void http_server_find_pages(struct http_server *server, http_page_finder *find_page);
/* Whether a route or an area has this path, so that no page with it is ever shown. */
bool http_server_has_own(const struct http_server *server, const char *path);

/* The address that it really listens on, e.g. "127.0.0.1:43817", or the path of its socket. */
const char *http_server_address(const struct http_server *server);
/* Splits "host:port" as `listen` above; false if it is neither. `host` (at least 64 bytes) is "" for all addresses. */
bool http_listen_parse(const char *listen, char *host, size_t host_size, uint16_t *port);
/* Whether nobody but this machine reaches an address to listen on. */
bool http_listen_is_loopback(const char *listen);

/* A request that is being answered, now or later. */
struct http_exchange;

/* A request as a handler sees it; all slices live until the handler returns. */
struct http_request {
    struct slice method; /* "GET"; HEAD comes as GET */
    struct slice path;   /* as it was sent, but each run of slashes is one slash; not percent-decoded */
    struct slice query;  /* what stands behind the `?`; empty without one */
    struct slice body;   /* at most the area's body_maximum */
    struct slice client; /* address of whoever is connected, "192.0.2.7"; "unix" over a unix socket */
    /* Headers, each absent without one. */
    struct slice authorization;
    struct slice cookie;
    struct slice host;
    struct slice origin;
    struct slice fetch_site; /* Sec-Fetch-Site, which browsers send */
    struct slice if_none_match;
    struct slice console; /* X-Weir-Console, which no other site can make a browser send */
    uint64_t session;     /* of an area with `browser`: the number of the session that opened it; 0: none did */
};

/* A part of the paths that one owner answers, each request with http_exchange_answer. Areas are looked at in the order
 * in which they were added, between the routes and the pages of modules. */
struct http_area {
    /* The methods that `path` is served for, as in web_resource.methods; NULL: it is not of this area. */
    const char *(*methods)(void *context, struct slice path);
    void (*handle)(void *context, struct http_exchange *exchange, const struct http_request *request);
    void *context;
    size_t body_maximum; /* larger requests are answered with 413; at most HTTP_BODY_MAXIMUM */
    bool closed;         /* asks for the secret, if there is one: 401 without it, or with another */
    bool browser;        /* for browsers, too: see http_server_guard */
};
void http_server_add_area(struct http_server *server, const struct http_area *area);

/* Who has logged in. */
struct http_sessions {
    uint64_t (*find)(void *context, struct slice cookies); /* the session's number; 0: there is none. NULL: nobody */
    void *context;
};
/* From now on the areas with `browser` are guarded against what other sites may make a browser send. A closed one is
 * opened by a session as well as by the secret; what changes something must then have the header X-Weir-Console, which
 * is 403 without. Where there is no secret, a request must name this machine as its Host (a name that leads here is
 * somebody else's), and what changes something, or is for a closed area, must not come from another origin: both are
 * 403. */
void http_server_guard(struct http_server *server, const struct http_sessions *sessions);
/* Whether closed areas ask for a secret, and whether this is the one. */
bool http_server_has_secret(const struct http_server *server);
bool http_server_knows_secret(const struct http_server *server, struct slice secret);

/* Answers; `content_type` NULL: "application/json". With 304 the body is that which is not sent. The exchange is gone.
 * Harmless if the client is not there any more.
 */
void http_exchange_answer(struct http_exchange *exchange, int status, const char *content_type, struct slice body);
/* Answers with an error as Matrix's APIs shape it. `sentence` is for people. */
void http_exchange_refuse(struct http_exchange *exchange, int status, const char *errcode, const char *sentence);
/* A header of the answer, to be called before it; both are copied. Answers have `Cache-Control: no-store` unless they
 * are given another one. */
void http_exchange_header(struct http_exchange *exchange, const char *name, const char *value);

/* Answers with 200 and goes on for as long as the client listens and the owner likes: server-sent events. `first` is
 * its beginning, not empty. http_exchange_on_gone must have been called. False: the client asked for the head only
 * (HEAD) and has it; the exchange is gone. A server that stops does not wait for such answers: their owners end them.
 */
bool http_exchange_stream(struct http_exchange *exchange, const char *content_type, struct slice first);
/* More of it, not empty. It is kept until the client takes it: the owner bounds that. */
void http_exchange_send(struct http_exchange *exchange, struct slice text);
/* Bytes that are kept now. */
size_t http_exchange_unsent(const struct http_exchange *exchange);
/* Its end, with which the connection ends. The exchange is gone; `gone` is not called. */
void http_exchange_end(struct http_exchange *exchange);
/* Hangs up on a client that does not take what was sent; `gone` is called within. */
void http_exchange_cut(struct http_exchange *exchange);

/* `gone` is called once if the client hangs up, or the server is destroyed, before it is answered; the exchange is then
 * gone and must not be answered. Without it, the exchange has to be answered all the same. */
void http_exchange_on_gone(struct http_exchange *exchange, void (*gone)(void *context), void *context);

#endif
