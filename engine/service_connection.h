/* One connection to a service: it is opened with its first question and kept for further ones, one at a time.
 *
 * It is never connected again: after a failure the owner destroys it and makes another. */
#ifndef WEIR_ENGINE_SERVICE_CONNECTION_H
#define WEIR_ENGINE_SERVICE_CONNECTION_H

#include <event2/dns.h>
#include <event2/event.h>
#include <openssl/ssl.h>

#include "engine/service_url.h"

enum service_failure {
    SERVICE_ANSWERED, /* none */
#define FAILURE(name, word) SERVICE_##name,
#include "engine/service_failure.def"
#undef FAILURE
    SERVICE_FAILURE_COUNT
};

/* What all connections to a service share. */
struct service_endpoint {
    struct event_base *base;
    struct evdns_base *resolver; /* NULL: the host is an address */
    struct service_url url;
    char *authorization; /* value of the header, or NULL */
    SSL_CTX *tls;        /* NULL: http */
};

/* What came of a question. */
struct service_exchange {
    enum service_failure failure;
    bool repeatable;       /* a failure: its last byte never left, so that it may be asked again */
    const char *reason;    /* a failure: a sentence for people */
    int status;            /* an answer: the HTTP status */
    struct evbuffer *body; /* an answer: to be taken or read */
};

struct service_connection;

struct service_connection_owner {
    void *context;
    /* The question has ended. Afterwards the connection takes another if service_connection_usable says so. It may not
     * be destroyed from within. */
    void (*ended)(void *context, struct service_connection *connection, const struct service_exchange *exchange);
    /* The connection was closed while it had no question. It may not be destroyed from within. */
    void (*gone)(void *context, struct service_connection *connection);
};

/* `family`: AF_UNSPEC, or the only family of addresses that is tried. NULL if it cannot be made. */
struct service_connection *service_connection_create(const struct service_endpoint *endpoint, int family,
                                                     const struct service_connection_owner *owner);
/* A question that is out is dropped without a word. */
void service_connection_destroy(struct service_connection *connection);

/* POSTs `body`, which must live until the question has ended or the connection is destroyed. `ended` may be called from
 * within. */
void service_connection_ask(struct service_connection *connection, const char *target, struct slice body);
/* Whether the next question may use it: it has no question, and neither end has closed it, as far as one can tell. */
bool service_connection_usable(const struct service_connection *connection);

#endif
