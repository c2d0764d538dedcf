/* Events that cannot be judged yet: their body has not come, a service was asked about them, or an event of their room
 * waits before them. Events of one room keep their order; rooms know nothing of each other.
 *
 * Entries and their memory are reused. A room is known by a hash of its id: two rooms that share one wait for each
 * other, which costs time and no more. */
#ifndef WEIR_ENGINE_EVENT_QUEUE_H
#define WEIR_ENGINE_EVENT_QUEUE_H

#include <uthash.h>

#include "base/buffer.h"
#include "replication/stream.h"

struct writer_progress;
struct judgement;
struct chain_use;

enum queued_state {
    QUEUED_NOWHERE, /* an entry that is not in use */
    QUEUED_ASKED,   /* its body was asked for */
    QUEUED_READY,   /* can be judged once it is the first of its room */
    QUEUED_PARKED,  /* judged in part: a service was asked */
};

/* Where an event came from. */
struct event_origin {
    struct writer_progress *writer;
    int64_t token;
    uint64_t received_ns;
    int64_t now_ms; /* milliseconds since 1970 when it arrived; 0: some time ago, its body may tell */
};

struct queued_event {
    uint64_t ticket; /* by which its body is asked for; never 0 */
    enum queued_state state;
    bool alone; /* the only row of its token */
    bool has_body;
    bool body_asked;
    struct event_row row; /* slices into `text` */
    struct buffer text;   /* copies of the row's texts */
    struct buffer body;
    struct event_origin origin;
    size_t bytes; /* accounted for */

    /* The writer's list (engine/writer_progress.h). */
    struct queued_event *writer_previous, *writer_next;
    bool has_upto;
    int64_t upto; /* the last token that ended behind this entry and before the writer's next one */

    /* While it is parked. */
    struct judgement *judgement;
    struct chain_use *use;
    uint64_t service_ticket;
    struct buffer dry_runs; /* rows that wait with it, a line each */

    /* The queue's own: the room's list, whose first entry is in the table of rooms, and the table of what is parked. */
    uint64_t room;
    struct queued_event *room_next, *room_last;
    UT_hash_handle room_handle, parked_handle;
};

struct event_queue;

struct event_queue *event_queue_create(void);
/* Judgements must have been taken out. */
void event_queue_destroy(struct event_queue *queue);

/* Whether an event of that room waits. */
bool event_queue_room_waits(const struct event_queue *queue, struct slice room_id);
/* A new entry behind those of its room, ready, with a copy of `row`; it stays where it is until it is removed. */
struct queued_event *event_queue_append(struct event_queue *queue, const struct event_row *row);
/* Whether no event of its room waits before it. */
bool event_queue_is_first(const struct queued_event *entry);
/* Takes out an entry that is the first of its room; the next of that room, or NULL. */
struct queued_event *event_queue_remove(struct event_queue *queue, struct queued_event *entry);
/* The entry of a ticket, or NULL if it has left. */
struct queued_event *event_queue_find(const struct event_queue *queue, uint64_t ticket);

/* Parks an entry under a service's ticket (again), and takes it back. */
void event_queue_park(struct event_queue *queue, struct queued_event *entry, uint64_t service_ticket);
void event_queue_unpark(struct event_queue *queue, struct queued_event *entry);
/* The entry parked under a service's ticket, or NULL. */
struct queued_event *event_queue_find_parked(const struct event_queue *queue, uint64_t service_ticket);
/* The entry that has been parked longest, or NULL. */
struct queued_event *event_queue_first_parked(const struct event_queue *queue);

size_t event_queue_count(const struct event_queue *queue);
size_t event_queue_parked_count(const struct event_queue *queue);
/* Bytes that entries were said to take, for all of them. */
size_t event_queue_bytes(const struct event_queue *queue);
/* Says how many bytes the entry takes. */
void event_queue_account(struct event_queue *queue, struct queued_event *entry, size_t bytes);

#endif
