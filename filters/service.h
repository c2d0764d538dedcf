/* How a module asks somebody outside (design: section 9): it knows tickets only, the sockets are the engine's.
 *
 * A module opens a service when it is created, posts a question from within a callback, and answers VALUE_PENDING with
 * the ticket it got. The chain parks the walk; when the service has answered or failed, the engine hands what came to
 * the module's `answer` function and the walk goes on. */
#ifndef WEIR_FILTERS_SERVICE_H
#define WEIR_FILTERS_SERVICE_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/slice.h"

/* Larger questions are refused, longer answers fail. */
#define SERVICE_QUESTION_MAXIMUM ((size_t)1 << 20)
#define SERVICE_ANSWER_MAXIMUM ((size_t)1 << 20)

struct service;
struct shared_rates;

struct service_settings {
    const char *url;           /* http:// or https://; the path may be empty */
    const char *authorities;   /* the certificates that are trusted, as PEM text; NULL: the system's */
    bool verify;               /* the server's certificate and name; true unless the administrator says otherwise */
    const char *authorization; /* value of the Authorization header, or NULL */
    int64_t timeout_ms;        /* for one question, all attempts together */
    int64_t in_flight;         /* questions that may wait for their answer; more fail at once */
    int64_t connections;       /* kept alive */
    int64_t attempts;          /* of a question that never reached the service: a repetition is safe only then */
    int64_t breaker_failures;  /* failures in a row that open the circuit breaker; 0: never */
    int64_t breaker_pause_ms;  /* how long it stays open before one question is let through */
};

struct service_answer {
    bool arrived; /* false: `error` says why there is none */
    int status;   /* HTTP status */
    struct slice body;
    struct slice error; /* a sentence for people: "timed out after 500 ms" */
};

/* What the engine offers. Where there is no engine (`weir check`), module_host.services is NULL. */
struct module_services {
    void *context;
    /* NULL with a sentence in `error`. Closed by `close`, after which no answer comes. */
    struct service *(*open)(void *context, const struct service_settings *settings, struct buffer *error);
    void (*close)(struct service *service);
    /* POSTs `body` (JSON) to the service's URL with `path` behind it; both are copied. The ticket, never 0; or 0 with a
     * sentence in `*refusal` when the question cannot be asked now (too many wait, the breaker is open). */
    uint64_t (*post)(struct service *service, struct slice path, struct slice body, const char **refusal);
    /* Says, while an answer of the service is being handed on, that it is of no use (its status, no JSON, a wrong
     * shape), and why, in a sentence: it is logged and counted, and is a failure for the breaker. */
    void (*unusable)(struct service *service, const char *why);
    /* Rates that several engines keep together (filters/shared_rates.h); NULL where none are. */
    const struct shared_rates *rates;
};

#endif
