/* Requests that were read and wait to be asked, so that whoever asks much does not keep others waiting: one of each
 * asker in turn, and of an asker one of each room in turn. An asker is a channel of answers, that is a worker.
 *
 * The queue is bounded in requests and in bytes. Above either, whoever has the largest share gives way: the youngest
 * request of its largest room is taken out again, to be answered `overloaded`. */
#ifndef WEIR_ENGINE_REQUEST_QUEUE_H
#define WEIR_ENGINE_REQUEST_QUEUE_H

#include <stdint.h>

#include "engine/answerer.h"

struct request_queue;
struct request_party;

struct request_queue_settings {
    size_t requests;
    size_t bytes;
};

/* One that waits, or was taken out. */
struct queued_request {
    struct request_fields fields; /* in `texts` */
    uint64_t added_ns;
    uint64_t renewed_ns; /* when Redis was told last that it is in hand; the owner's to change */
    /* The queue's own. */
    struct request_party *room;
    struct queued_request *older, *younger;
    size_t length; /* of `texts` */
    char texts[];
};

struct request_queue *request_queue_create(const struct request_queue_settings *settings);
/* What waits is forgotten. */
void request_queue_destroy(struct request_queue *queue);

/* Copies the fields. An absent room, or asker, is one of its own. */
void request_queue_add(struct request_queue *queue, const struct request_fields *fields, uint64_t now_ns);
/* Takes out whose turn it is; NULL: nothing waits. The caller frees it. */
struct queued_request *request_queue_take(struct request_queue *queue);
/* Takes out what is too much; NULL: nothing is. The caller frees it. */
struct queued_request *request_queue_take_excess(struct request_queue *queue);

size_t request_queue_count(const struct request_queue *queue);
size_t request_queue_bytes(const struct request_queue *queue);
/* Each that waits, in no particular order; `visit` must not change the queue. */
void request_queue_each(const struct request_queue *queue, void (*visit)(void *context, struct queued_request *request),
                        void *context);

#endif
