/* What leaves the engine: verdicts, their durable rows, presence routes, answers to requests and the positions, in one
 * transaction for each turn of the loop (design: section 5).
 *
 * Tokens of our own stream `verdicts` count judged events, published or not; those of `presence_routes` count its rows.
 * Both rise by one; the last ones are stored in the same transaction. That makes a broken connection harmless: on the
 * next one the stored tokens tell which of the transactions without an answer were carried out, and only the others are
 * sent again. */
#ifndef WEIR_ENGINE_OUTBOX_H
#define WEIR_ENGINE_OUTBOX_H

#include <event2/event.h>

#include "engine/metrics.h"
#include "engine/positions_copy.h"
#include "engine/redis_link.h"
#include "engine/settled_requests.h"
#include "engine/transaction.h"
#include "engine/verdict.h"
#include "replication/stream.h"

struct outbox;

struct outbox_settings {
    const char *server_name;
    const char *instance_name;
    const struct redis_address *address;
    bool publish_all; /* verdicts of events that passed, too */
    int64_t keep;     /* MAXLEN ~ of the durable stream */
    /* What a local copy says that Redis holds of ours, for the case that it does not any more; read only while the
     * stored positions are loaded. NULL: there is no copy. */
    const struct positions_copy *found;
    uint64_t least_tokens[OWN_STREAM_COUNT]; /* of our own streams, whatever is stored: those given out before */
};

struct outbox_callbacks {
    void *context;
    /* A position stored by an earlier run of this instance; comes before `loaded`. */
    void (*stored_position)(void *context, enum stream stream, struct slice writer, int64_t token);
    /* Which events beyond that writer's position were judged, stored likewise: what append_ahead wrote. */
    void (*stored_ahead)(void *context, enum stream stream, struct slice writer, struct slice record);
    /* How far that writer was audited, stored likewise. May be NULL. */
    void (*stored_audited)(void *context, enum stream stream, struct slice writer, int64_t token);
    /* Appends that record as it is now, for the transaction that is being closed; nothing if there is none. */
    void (*append_ahead)(void *context, enum stream stream, struct slice writer, struct buffer *record);
    /* The stored positions are known (the first time that Redis answered): the engine may begin. */
    void (*loaded)(void *context);
    /* What outbox_stored says has changed. May be NULL. */
    void (*stored_changed)(void *context);
    /* After a reconnection Redis holds older positions than it had acknowledged, and so lost rows of the durable
     * stream. True: the owner destroys the outbox soon and starts over from what is stored; nothing is sent any more.
     * False, or NULL: it cannot, and goes on; the rows stay lost. */
    bool (*fell_back)(void *context);
    /* True: more is waiting for Redis's answers than may; stop. False: go on. */
    void (*flow)(void *context, bool stop);
    /* What Redis, or the state file, holds of this instance was stored by a newer Weir, in a form that this one does
     * not know. Nothing is begun, and nothing sent; the owner destroys the outbox. Comes instead of `loaded`. */
    void (*unreadable)(void *context, int64_t format);
    /* Nothing is waiting any more (after outbox_drain). */
    void (*drained)(void *context);
    /* A row of `verdicts`, with its token, as it goes out; lives until the call returns. Called while outbox_watch says
     * so. May be NULL. */
    void (*row)(void *context, struct slice row, uint64_t token);
    /* Another engine holds the job: Redis refused a transaction for its fence. The outbox is held from now on. Never
     * called without a fence. */
    void (*fenced)(void *context);
};

struct outbox *outbox_create(struct event_base *base, const struct outbox_settings *settings,
                             const struct outbox_callbacks *callbacks, struct metrics *metrics);
/* Connects, once in a life; until then everything waits. With a fence whose key is present every transaction is fenced
 * (engine/transaction.h). */
void outbox_start(struct outbox *outbox, const struct transaction_fence *fence);
void outbox_destroy(struct outbox *outbox);

/* A judged event: takes the next token and, where it is to be published, a row. Rows of modules in dry_run go before
 * it. Rows of one event share its token: on the channel, as in Synapse's grammar, all but the last say `batch` instead,
 * and in the durable stream each of them carries it. */
void outbox_verdict(struct outbox *outbox, const struct verdict *verdict);
/* Whether `row` is told of rows from now on. */
void outbox_watch(struct outbox *outbox, bool watched);
/* A row of `presence_routes`, which gets the next token. */
void outbox_route(struct outbox *outbox, struct slice row);
/* The answer to a request: the message is published and the request acknowledged and taken out of its stream, all in
 * one transaction. */
void outbox_settle_request(struct outbox *outbox, const struct settled_request *request);
/* XADD of names and values in turn, trimming the stream to about `keep` entries, in the transaction of this turn. */
void outbox_add_entry(struct outbox *outbox, struct slice key, int64_t keep, const struct slice *texts, size_t count);
/* A mark behind all that has been handed in; and whether Redis has carried out all that is before a mark. */
uint64_t outbox_mark(const struct outbox *outbox);
bool outbox_has_passed(const struct outbox *outbox, uint64_t mark);
/* All rows of `writer` up to `token` were judged. */
void outbox_position(struct outbox *outbox, enum stream stream, struct slice writer, int64_t token);
/* Events of `writer` were judged beyond its position: append_ahead has something new to say. */
void outbox_ahead(struct outbox *outbox, enum stream stream, struct slice writer);
/* An audit of `writer` found nothing more up to `token` that was not judged. */
void outbox_audited(struct outbox *outbox, enum stream stream, struct slice writer, int64_t token);
/* Publishes POSITION for each of our streams: somebody sent REPLICATE on our channel. */
void outbox_announce(struct outbox *outbox);
/* Whether the command connection is up and the stored positions are known. */
bool outbox_is_ready(const struct outbox *outbox);
/* Whether twice as much waits as where `flow` said to stop: for what comes all the same, and can be done without. */
bool outbox_is_overfull(const struct outbox *outbox);
/* Publishes one message on the command connection, outside of any transaction; ignored while it is down. */
void outbox_publish(struct outbox *outbox, struct slice channel, struct slice message);
/* True: nothing is sent; what comes waits. False: what was not carried out is sent. */
void outbox_hold(struct outbox *outbox, bool held);
/* `drained` is called once everything that was handed in has been answered (perhaps at once). */
void outbox_drain(struct outbox *outbox);
/* The settings that a reload may change. */
void outbox_reconfigure(struct outbox *outbox, bool publish_all, int64_t keep);

/* What Redis has acknowledged that it holds of this engine's positions; the object stays where it is. */
const struct positions_copy *outbox_stored(const struct outbox *outbox);

struct outbox_counts {
    uint64_t token;        /* the last token given out on `verdicts` */
    uint64_t routes_token; /* likewise on `presence_routes` */
    uint64_t transactions; /* answered */
    uint64_t rows;         /* published and durable */
    uint64_t refused;      /* transactions, each time that Redis refused one */
    uint64_t resent;       /* transactions sent again after a lost connection */
    uint64_t waiting;      /* transactions without an answer */
    uint64_t losses;       /* times Redis was found to have lost what it had acknowledged */
};
struct outbox_counts outbox_counts(const struct outbox *outbox);
/* From the line to Redis's answer for the verdict (or the position, for an event that passed). */
const struct latency *outbox_latency(const struct outbox *outbox);

#endif
