/* A session with Synapse's database on the event loop, for those who ask it (replication/body_postgres.h,
 * replication/rows_postgres.h): libpq in pipeline mode, never blocking, with prepared statements. A connection that is
 * lost is made again by itself, with growing pauses.
 *
 * A query is one or more statements up to postgres_session_end_query. Queries are answered in the order in which they
 * were sent; an error in any of them costs the connection, and with it all that is under way. */
#ifndef WEIR_REPLICATION_POSTGRES_SESSION_H
#define WEIR_REPLICATION_POSTGRES_SESSION_H

#include <event2/event.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

struct postgres_session;

struct postgres_statement {
    const char *name;
    const char *text;
    int parameter_count; /* all of them texts */
};

struct postgres_session_settings {
    /* libpq's own keywords and their values, both NULL-terminated (PQconnectStartParams). Copied. */
    const char *const *keywords;
    const char *const *values;
    /* Prepared on each new connection; they live as long as the session. */
    const struct postgres_statement *statements;
    size_t statement_count;
    const char *setup;           /* one SQL statement that comes before them; NULL for none. Lives as long */
    uint32_t connect_timeout_ms; /* an attempt that takes longer has failed; 0: as long as the kernel tries */
};

/* None of them may destroy the session. */
struct postgres_session_callbacks {
    void *context;
    /* The session can be asked (`reason` NULL), or was lost, and every query that was under way with it. `reason` is
     * libpq's text on one line, which lives until the call returns. */
    void (*state)(void *context, const char *reason);
    /* The rows of one statement of the oldest query; they live until the call returns. */
    void (*result)(void *context, const PGresult *result);
    /* The oldest query was answered whole. */
    void (*ended)(void *context);
};

/* Starts connecting at once. */
struct postgres_session *postgres_session_create(struct event_base *base,
                                                 const struct postgres_session_settings *settings,
                                                 const struct postgres_session_callbacks *callbacks);
/* Calls nothing. */
void postgres_session_destroy(struct postgres_session *session);

bool postgres_session_is_ready(const struct postgres_session *session);
/* Attempts to connect since the start, the first one too. */
uint64_t postgres_session_connects(const struct postgres_session *session);

/* Adds a statement, by its place in the settings, to the query that is being made. Only while the session is ready.
 * False if the connection was lost over it: `state` was called then. */
bool postgres_session_add(struct postgres_session *session, size_t statement, const char *const *parameters);
/* Ends the query that is being made. False as above. */
bool postgres_session_end_query(struct postgres_session *session);
/* Sends what was made; to be called once after all queries of a loop turn. False as above. */
bool postgres_session_flush(struct postgres_session *session);
/* Gives the connection up, as if it had been lost for `reason`, and makes a new one. */
void postgres_session_give_up(struct postgres_session *session, const char *reason);

#endif
