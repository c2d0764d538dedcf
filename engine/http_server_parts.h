/* The HTTP server, for the files that make it up: http_server.c (its life), http_connections.c (who is connected, and
 * for how long), http_exchange.c (answers), http_stream.c (those that go on), http_complaint.c (answers of evhttp),
 * http_guard.c (who may come in), http_dispatch.c (who answers what). Nobody else includes this. */
#ifndef WEIR_ENGINE_HTTP_SERVER_PARTS_H
#define WEIR_ENGINE_HTTP_SERVER_PARTS_H

#include <event2/bufferevent.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/queue.h>
#include <uthash.h>

#include "engine/http_secret.h"
#include "engine/http_server.h"
#include "engine/log.h"

#define HTTP_HEADERS_MAXIMUM (16u << 10)
#define HTTP_LISTENERS_MAXIMUM 2u
/* Of a unix socket the path. */
#define SERVER_ADDRESS_SIZE 128u

/* What a connection is doing; how long it may, http_connections.c says. */
enum http_phase {
    HTTP_READING,   /* a request, or it is new and has sent none yet */
    HTTP_WAITING,   /* for the answer of an exchange */
    HTTP_ANSWERED,  /* until the end of the turn of the loop */
    HTTP_WRITING,   /* an answer */
    HTTP_IDLE,      /* between two requests */
    HTTP_STREAMING, /* an answer that goes on */
    HTTP_ENDING,    /* the rest of one that has ended; nobody waits for it */
    HTTP_PHASES
};

/* An address from which somebody is connected. */
struct http_client {
    UT_hash_handle hh;
    size_t connections;
    size_t open; /* exchanges */
    char address[];
};

struct http_connection {
    TAILQ_ENTRY(http_connection) of_phase;
    struct http_server *server;
    struct bufferevent *stream;           /* evhttp's */
    struct evhttp_connection *connection; /* NULL until it is adopted */
    struct http_client *client;
    struct http_exchange *exchange; /* in HTTP_WAITING and HTTP_STREAMING */
    evutil_socket_t socket;
    enum http_phase phase;
    struct evhttp_request *answered; /* in HTTP_ANSWERED, with `answer` */
    struct buffer answer;
    bool begun; /* while reading: some of a request is there */
    bool parked;
    int64_t since_s; /* when the phase began */
};
TAILQ_HEAD(http_connections, http_connection);

struct http_exchange {
    TAILQ_ENTRY(http_exchange) of_server; /* while it is orphaned, or a spare */
    struct http_server *server;           /* NULL: orphaned, and the server was destroyed */
    struct http_connection *connection;   /* NULL: orphaned: the client is not there any more */
    struct evhttp_request *request;
    void (*gone)(void *context);
    void *gone_context;
    bool head;   /* no body is sent */
    bool closes; /* the connection ends with the answer */
    bool keeps;  /* it does not, for a client of HTTP/1.0 that asked for it */
};
TAILQ_HEAD(http_exchanges, http_exchange);

enum http_count {
    HTTP_COUNT_CONNECTIONS,
    HTTP_COUNT_REQUESTS,
    HTTP_COUNT_UNAUTHORIZED,
    HTTP_COUNT_FOREIGN,
    HTTP_COUNT_LIMITED,
    HTTP_COUNT_FULL,
    HTTP_COUNT_SLOW,
    HTTP_COUNTS
};

struct http_server {
    struct event_base *base;
    struct evhttp *http;
    struct evhttp_bound_socket *listeners[HTTP_LISTENERS_MAXIMUM];
    size_t listener_count;
    const struct http_route *routes;
    http_page_finder *find_page; /* NULL: no pages */
    void *context;
    struct http_area *areas;
    size_t area_count;
    struct http_secret *secret; /* NULL: none */
    bool guarded;
    struct http_sessions sessions;
    struct log_gate unauthorized_gate, foreign_gate;
    struct buffer body;
    struct buffer path;
    char address[SERVER_ADDRESS_SIZE];
    bool (*admit)(void *context, int socket); /* NULL: everybody may connect */
    bool is_unix;
    bool stopping;

    struct http_connections phases[HTTP_PHASES]; /* each in the order of `since_s` */
    struct http_connections strangers;           /* accepted, not yet adopted */
    struct event *adopt;
    struct event *flush;
    struct event *tick; /* each second */
    int64_t now_s;
    char date[48]; /* the header, of this second; `date_length` 0: not made yet */
    size_t date_length;
    SSL_CTX *tls; /* NULL: none */
    struct http_connection **by_socket;
    size_t sockets;
    struct http_client *clients;
    size_t connection_count;
    size_t connections_maximum;
    size_t open_per_client;
    bool full;                   /* the listeners are disabled */
    int64_t full_logged_s;       /* when it was last said */
    struct http_exchange *asked; /* whose handler runs now, as long as it is not answered */
    struct http_exchanges orphans;
    struct http_exchanges spares;
    uint64_t own_counts[HTTP_COUNTS];
    uint64_t *counts[HTTP_COUNTS];
};

/* http_connections.c */
void http_connections_start(struct http_server *server);
/* After evhttp is freed. */
void http_connections_stop(struct http_server *server);
/* Whose request this is. */
struct http_connection *http_connection_of(struct http_server *server, struct evhttp_request *request);
void http_connection_enter(struct http_connection *connection, enum http_phase phase);
/* Between the request and its answer: watches whether the client hangs up. */
void http_connection_park(struct http_connection *connection);
void http_connection_unpark(struct http_connection *connection);
/* Closes it, as a timeout of its own stream would. */
void http_connection_drop(struct http_connection *connection);
/* "Date: …\r\n", which is made once a second at most. */
struct slice http_connections_date(struct http_server *server);

/* http_exchange.c */
/* `wish` is the request's header Connection, or NULL. */
struct http_exchange *http_exchange_begin(struct http_connection *connection, struct evhttp_request *request,
                                          const char *wish);
/* The connection of the exchange is being freed. */
void http_exchange_lose(struct http_exchange *exchange);
/* Appends the beginning of an answer's head. `content_type` NULL: JSON. */
void http_answer_begin(struct http_server *server, struct buffer *answer, int status, const char *content_type);
void http_answer_length(struct buffer *answer, size_t length);
/* Appends the headers that the exchange was given, and the end of the head. */
void http_answer_headers(struct evhttp_request *request, struct buffer *answer);
/* Writes the answers of this turn. */
void http_exchanges_flush(struct http_server *server);
/* Answers what is open with 503, while evhttp is there; and lets go of the orphans. */
void http_exchanges_stop(struct http_server *server);

/* http_complaint.c: something was added to the output of a connection that reads a request. */
void http_complaint_replace(struct http_connection *connection, struct evbuffer *output);

/* http_guard.c: whether a request for an area, or for a page, may not come in, and was told so. */
bool http_guard_refuses(struct http_server *server, struct http_exchange *exchange, struct http_request *request,
                        const struct http_area *area);
bool http_guard_refuses_page(struct http_server *server, struct http_exchange *exchange,
                             const struct http_request *request, const struct web_resource *page);

/* http_dispatch.c: evhttp's callback, with the server as context. */
void http_dispatch(struct evhttp_request *request, void *context);

#endif
