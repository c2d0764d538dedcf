/* Events of the past from Synapse's database, in the order of the stream, with their bodies: a window of so many rows
 * at a time by their place in the stream (stream_ordering), up to what was there at the start. Read only; no
 * transaction stays open between two windows, so that it does not hold up the database's own cleaning.
 *
 * It waits for the database: for programs that do nothing else meanwhile, or do it in other threads. Backfilled events
 * (their place is below 0) are older than their arrival and are not among them. */
#ifndef WEIR_REPLICATION_DATABASE_EVENTS_H
#define WEIR_REPLICATION_DATABASE_EVENTS_H

#include "base/buffer.h"
#include "replication/stream.h"

struct database_events;

/* How many rows come at once. */
#define DATABASE_EVENTS_WINDOW 500

struct database_event {
    struct event_row row; /* `kind` is EVENT_ROW_EV */
    int64_t token;        /* stream_ordering */
    struct slice writer;  /* instance_name; "master" where there is none */
    int64_t received_ms;  /* when Synapse got it, since 1970; 0: not known */
    struct slice body;    /* absent if the database has none (a purged room) */
};

/* Connects with libpq's own keywords and their values (both NULL-terminated; they live as long) and finds the first
 * event that came at `since_ms` (since 1970) or later. NULL with a sentence in `error`. */
struct database_events *database_events_open(const char *const *keywords, const char *const *values, int64_t since_ms,
                                             struct buffer *error);
void database_events_close(struct database_events *events);

/* The next window: calls `take` for each event, whose slices live until it returns. False at the end, or with a
 * sentence in `error`: then what came before was whole. A window may hold no events. By one thread at a time. */
typedef void database_events_take(void *context, const struct database_event *event);
bool database_events_next(struct database_events *events, database_events_take *take, void *context,
                          struct buffer *error);
/* How far it has come in the stream, and how long that is, in places of the stream. */
void database_events_progress(const struct database_events *events, uint64_t *done, uint64_t *size);

#endif
