/* The state of the rooms that modules follow (followed_rooms of filters/module.h): between the rows of the stream and
 * whoever can read that state on the one side, and the chain on the other.
 *
 * A row says only that something changed. What counts is what Synapse takes for the room's state, so that is asked for:
 * an accepted event may be soft-failed, or lose a state resolution. In a replay there is nobody to ask but the recorded
 * bodies, and the rows are believed. It does no I/O. */
#ifndef WEIR_ENGINE_FOLLOWED_ROOMS_H
#define WEIR_ENGINE_FOLLOWED_ROOMS_H

#include "filters/chain.h"
#include "replication/body_source.h"
#include "replication/state_postgres.h"
#include "replication/stream.h"

struct followed_rooms;

/* Whom to ask, which answers by followed_rooms_event and followed_rooms_read; all NULL: nobody, bodies are looked for
 * where they can be had at once. */
struct followed_rooms_reader {
    void *context;
    /* `members`: some module follows the room's members, too. */
    void (*read_room)(void *context, struct slice room_id, bool members);
    void (*read_event)(void *context, struct slice room_id, struct slice event_id, int64_t ordering, bool members);
};

struct followed_rooms *followed_rooms_create(const struct body_source *bodies);
void followed_rooms_destroy(struct followed_rooms *followed);

/* Asks for the rooms that are to be read. The reader must be there until another is set. */
void followed_rooms_use_reader(struct followed_rooms *followed, const struct followed_rooms_reader *reader);
/* The chain is followed from now on; rooms that its modules know already are not read again. */
void followed_rooms_use_chain(struct followed_rooms *followed, struct chain *chain);

/* Whether there are any: then every row of `events` is to be told, before its event is judged. */
bool followed_rooms_any(const struct followed_rooms *followed);
bool followed_rooms_has(const struct followed_rooms *followed, struct slice room_id);
/* `row` lives until the call returns. */
void followed_rooms_row(struct followed_rooms *followed, const struct event_row *row, int64_t token);

/* What the reader has read. */
void followed_rooms_event(struct followed_rooms *followed, const struct state_event *event);
/* All of a room; whether that was the first time since a module began with it. */
bool followed_rooms_read(struct followed_rooms *followed, struct slice room_id);
/* Asks for all rooms again: what was missed is there then. */
void followed_rooms_read_all(struct followed_rooms *followed);

struct followed_rooms_counts {
    uint64_t rooms;
    uint64_t unread;     /* of which nothing was read yet */
    uint64_t events;     /* handed to the modules since the start */
    uint64_t unreadable; /* whose body is no event */
};
struct followed_rooms_counts followed_rooms_counts(const struct followed_rooms *followed);

#endif
