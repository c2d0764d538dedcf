/* Event bodies from Synapse's database (table event_json), asked for in batches on the event loop: libpq in pipeline
 * mode, never blocking, one prepared statement.
 *
 * A body that is not there is asked for again for a bounded time, since the row may be ahead of the database that is
 * read. While the database is away nothing is given up: requests wait until it is back. */
#ifndef WEIR_REPLICATION_BODY_POSTGRES_H
#define WEIR_REPLICATION_BODY_POSTGRES_H

#include <event2/event.h>

#include "base/buffer.h"
#include "replication/body_source.h"

struct body_postgres;

struct body_postgres_settings {
    /* libpq's own keywords and their values, both NULL-terminated (PQconnectStartParams). Copied. */
    const char *const *keywords;
    const char *const *values;
    int64_t retry_for_ms; /* how long a body that is not found is asked for again */
};

struct body_postgres_callbacks {
    void *context;
    body_arrived_function *arrived;
    /* The connection came up (`reason` NULL) or was lost; it is tried again by itself. `reason` is libpq's text. */
    void (*state)(void *context, const char *reason);
};

/* Counts since the start, for the metrics. */
struct body_postgres_counters {
    uint64_t queries;
    uint64_t found;
    uint64_t retried; /* asked for again */
    uint64_t missing; /* given up */
    uint64_t reconnects;
};

/* Starts connecting at once. */
struct body_postgres *body_postgres_create(struct event_base *base, const struct body_postgres_settings *settings,
                                           const struct body_postgres_callbacks *callbacks);
void body_postgres_destroy(struct body_postgres *bodies);

/* The interface that the observer uses; `context` is `bodies`. */
struct body_source body_postgres_source(struct body_postgres *bodies);

bool body_postgres_is_ready(const struct body_postgres *bodies);
struct body_postgres_counters body_postgres_counters(const struct body_postgres *bodies);

#endif
