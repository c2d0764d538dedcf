/* Missed rows of `events` from Synapse's database, by (instance_name, stream_ordering): what Synapse's own streamer
 * would read (synapse/replication/tcp/streams/events.py), but for the rows of the current state, which tell nothing
 * that the `ev` rows do not. It needs no access to the workers.
 *
 * An event that was stored outside of a room's timeline, and joined it later, has two rows: the first, which Synapse
 * published while it was an outlier, is given as that of an outlier still, as it was on the wire.
 *
 * Reads events, ex_outlier_stream, redactions, state_events, event_relations, room_memberships, rejections and
 * stream_positions. One that is not there, or may not be read, costs the session, in PostgreSQL's own words. Events
 * without an instance_name, from before Synapse 1.18, belong to no writer, as for Synapse. A read replica is waited for
 * until it has what is asked for (replication/replica_lag.h). */
#ifndef WEIR_REPLICATION_ROWS_POSTGRES_H
#define WEIR_REPLICATION_ROWS_POSTGRES_H

#include <event2/event.h>

#include "replication/row_source.h"

struct rows_postgres;

struct rows_postgres_settings {
    /* As in struct body_postgres_settings. Copied. */
    const char *const *keywords;
    const char *const *values;
    int64_t page;         /* rows in one answer at most; from 1 on */
    int64_t timeout_ms;   /* for one answer, and for a connection */
    int64_t retry_for_ms; /* how long a read replica may lag behind what is asked for, before it is believed */
};

/* Starts connecting at once. */
struct rows_postgres *rows_postgres_create(struct event_base *base, const struct rows_postgres_settings *settings,
                                           const struct row_source_callbacks *callbacks);
/* Requests are dropped without a word. */
void rows_postgres_destroy(struct rows_postgres *rows);

/* The interface of catch-up; `context` is `rows`. It serves every writer of `events`. */
struct row_source rows_postgres_source(struct rows_postgres *rows);

/* Answers of a replica since the start that was still behind when `retry_for_ms` was over: rows may be missing. */
uint64_t rows_postgres_unconfirmed(const struct rows_postgres *rows);

#endif
