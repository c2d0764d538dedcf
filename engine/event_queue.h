/* Events that wait for their bodies, in the order in which they must be judged.
 *
 * A ring of entries that keep their memory; the entry's ticket is its sequence number, so that an answer finds it by
 * arithmetic. An entry without an event marks the end of a token that had nothing to judge. */
#ifndef WEIR_ENGINE_EVENT_QUEUE_H
#define WEIR_ENGINE_EVENT_QUEUE_H

#include "base/buffer.h"
#include "replication/stream.h"

enum queued_state { QUEUED_ASKED, QUEUED_READY };

struct queued_event {
    enum queued_state state;
    bool has_event;  /* false: only the end of a token */
    bool ends_token; /* the last of its token: the position moves once this is judged */
    bool has_body;
    struct event_row row; /* slices into `text` */
    struct buffer text;   /* copies of the row's texts */
    struct buffer body;
    enum stream stream;
    struct slice writer; /* interned by the owner */
    int64_t token;
    uint64_t received_ns;
};

struct event_queue;

struct event_queue *event_queue_create(void);
void event_queue_destroy(struct event_queue *queue);

/* A new entry at the end, zeroed but for its buffers; its ticket in `*ticket`. Valid until the next append. */
struct queued_event *event_queue_append(struct event_queue *queue, uint64_t *ticket);
/* Copies `row` into the entry. */
void queued_event_set_row(struct queued_event *entry, const struct event_row *row);
/* The entry of a ticket, or NULL if it has left. */
struct queued_event *event_queue_find(struct event_queue *queue, uint64_t ticket);
/* The oldest entry, or NULL. */
struct queued_event *event_queue_front(struct event_queue *queue);
void event_queue_pop(struct event_queue *queue);
size_t event_queue_count(const struct event_queue *queue);
/* Bytes of bodies and rows that wait. */
size_t event_queue_bytes(const struct event_queue *queue);
/* Tells the queue that the entry's body has come, for event_queue_bytes. */
void event_queue_account_body(struct event_queue *queue, const struct queued_event *entry);

#endif
