/* The current state of rooms from Synapse's database, whole or an event of it, with the rooms' members or without: for
 * modules that follow a room. It is what Synapse itself takes for the room's state: events that were rejected,
 * soft-failed or that lost a state resolution are not in it, and what a valid redaction has emptied comes without a
 * body.
 *
 * Reads current_state_events, events, event_json, redactions and rejections. While the database is away what was asked
 * for waits, and is asked for again; nothing is ever given up. */
#ifndef WEIR_REPLICATION_STATE_POSTGRES_H
#define WEIR_REPLICATION_STATE_POSTGRES_H

#include <event2/event.h>
#include <stdint.h>

#include "base/slice.h"

struct state_postgres;

struct state_postgres_settings {
    /* As in struct body_postgres_settings. Copied. */
    const char *const *keywords;
    const char *const *values;
    int64_t page;         /* events in one answer at most; from 1 on */
    int64_t timeout_ms;   /* for one answer, and for a connection */
    int64_t retry_for_ms; /* how long an event that is not there is asked for again: a read replica may lag */
};

/* An event of the current state. */
struct state_event {
    struct slice room_id;
    struct slice type;
    struct slice state_key;
    struct slice event_id;
    struct slice body; /* absent: it was redacted */
    int64_t ordering;  /* its stream_ordering, or what it was asked for with, if that is more */
};

/* Slices live until the call returns. None may destroy the reader. */
struct state_postgres_callbacks {
    void *context;
    /* Connected (`reason` NULL), or not, in PostgreSQL's words on one line. */
    void (*state)(void *context, const char *reason);
    void (*event)(void *context, const struct state_event *event);
    /* All of a room's state was given, so many events. */
    void (*room)(void *context, struct slice room_id, uint64_t events);
};

/* Starts connecting at once. */
struct state_postgres *state_postgres_create(struct event_base *base, const struct state_postgres_settings *settings,
                                             const struct state_postgres_callbacks *callbacks);
/* What was asked for is dropped without a word. */
void state_postgres_destroy(struct state_postgres *states);

/* Asks for a room's state, with its members or without. A room that waits already is not asked for twice. */
void state_postgres_read_room(struct state_postgres *states, struct slice room_id, bool members);
/* Asks for an event of a room's state, if it is one now. Where too many are asked for at once, the room is read
 * instead, with its members or without. */
void state_postgres_read_event(struct state_postgres *states, struct slice room_id, struct slice event_id,
                               int64_t ordering, bool members);

/* Since the start. */
struct state_postgres_counters {
    uint64_t queries;
    uint64_t events;   /* that were given */
    uint64_t missing;  /* that were asked for, and are no room's state */
    uint64_t connects; /* attempts to connect, the first one too */
    uint64_t waiting;  /* rooms and events that are asked for now */
};
struct state_postgres_counters state_postgres_counters(const struct state_postgres *states);

#endif
