/* The outbox, for the files that make it up: outbox.c (what leaves), outbox_recovery.c (what Redis holds at a start and
 * after a lost connection) and outbox_refusal.c (what Redis does not take now). Nobody else includes this. */
#ifndef WEIR_ENGINE_OUTBOX_PARTS_H
#define WEIR_ENGINE_OUTBOX_PARTS_H

#include "engine/log.h"
#include "engine/outbox.h"
#include "engine/outbox_metrics.h"
#include "engine/own_stream.h"
#include "engine/positions_copy.h"
#include "engine/stored_positions.h"

enum load_state { LOAD_NOTHING, LOAD_ASKED, LOAD_ASKED_LOG, LOAD_DONE };

/* Redis refuses transactions: what it has not answered yet is waited for, then the first one that was refused is tried
 * again and again, and when it is taken, all others are. */
enum refusal_state { REFUSAL_NONE, REFUSAL_ANSWERS, REFUSAL_PAUSE, REFUSAL_PROBE };

struct outbox {
    struct event_base *base;
    struct outbox_settings settings;
    struct outbox_callbacks callbacks;
    struct redis_link *link; /* NULL until the outbox is started */
    struct transaction_fence fence;
    struct event *flush_event;
    bool flush_wanted;          /* it is active */
    struct event *resume_event; /* ends the pause after a refused write */
    struct own_streams streams;
    struct stored_positions positions;
    struct positions_copy stored; /* what Redis holds of them, as far as it has answered */

    struct transaction *open;        /* being filled; NULL until there is something */
    struct settled_requests settled; /* what goes into the open one when it is closed */
    struct transaction *sent;        /* without an answer, oldest first */
    struct transaction **sent_last;
    struct transaction *spare;
    size_t sent_count;
    size_t sent_bytes;
    size_t in_flight;            /* so many of those sent are to be answered on this connection */
    struct transaction *awaited; /* the first of them; what is before it Redis refused */
    uint32_t replies_left;       /* of that one */
    bool answer_refused;         /* one of those that came was an error */
    enum load_state first_load;  /* of the positions, once in a life */
    bool recovering;             /* connected, and the stored token has been asked for, or will be after a pause */
    enum refusal_state refusal;
    uint64_t refused_since_ns, refusal_logged_ns;
    struct buffer refusal_error; /* as it was logged */
    bool overtaken;              /* what was refused is older than what is stored */
    bool watched;                /* `row` is told of rows */
    bool held;                   /* by the owner: nothing is sent */
    bool stopped;
    bool draining;

    struct outbox_counts counts;
    struct outbox_metrics metrics;
    struct log_gate loss_gate, failure_gate;
};

/* ---- outbox.c */

/* The transaction that is being filled; it leaves at the end of the turn. */
struct transaction *outbox_open_transaction(struct outbox *outbox);
/* The oldest transaction that was sent is done with. */
void outbox_drop_oldest(struct outbox *outbox);
/* After a reconnection: of what was sent, that which Redis carried out is done with; the rest is sent again, in order.
 * `stored_tokens` are those of our own streams that Redis holds. */
void outbox_resend(struct outbox *outbox, const uint64_t *stored_tokens);
/* Puts a transaction that has ended in front of all that was sent. */
void outbox_put_first(struct outbox *outbox, struct transaction *transaction);
/* A transaction for outbox_put_first, begun. */
struct transaction *outbox_take_spare(struct outbox *outbox);

/* Sends one of `sent`, which are sent in their order. */
void outbox_send(struct outbox *outbox, struct transaction *transaction);
/* Asks for what Redis holds, or tries what was refused, after REFUSED_SECONDS. */
void outbox_resume_later(struct outbox *outbox);

/* ---- outbox_refusal.c */

/* Redis refused a part of the awaited transaction, and so all of it. */
void outbox_refused(struct outbox *outbox, const char *error);
/* Redis refused to tell what it holds: it is asked again. */
void outbox_reading_refused(struct outbox *outbox, const char *error);
/* All answers of the awaited transaction have come; it was not refused. */
void outbox_carried_out(struct outbox *outbox, const redisReply *reply);
/* The answers of the awaited transaction have come: the next one is awaited. */
void outbox_await_next(struct outbox *outbox);
/* Brings a transaction to the front that was carried out, before those that were not. */
void outbox_move_first(struct outbox *outbox, struct transaction *transaction);
/* Says that Redis takes what it had refused, if anything. */
void outbox_end_refusal(struct outbox *outbox);
/* Sends the first of those that are to be sent again, or all of them if Redis refuses nothing. Returns how many. */
uint64_t outbox_send_again(struct outbox *outbox);

/* ---- outbox_recovery.c */

/* All positions and tokens are stored again. */
void outbox_store_all(struct outbox *outbox);

/* Asks what Redis holds, after a connection was made: all of it the first time, later what we know to be there. */
void outbox_ask_stored(struct outbox *outbox);
/* The answer to that. */
void outbox_take_first_load(struct outbox *outbox, const redisReply *reply);
void outbox_take_stored(struct outbox *outbox, const redisReply *reply);
/* The oldest transaction was carried out: `reply` is what EXEC answered. Looks for fields that Redis had lost, and
 * takes note of what it holds now. Before outbox_drop_oldest. */
void outbox_acknowledged(struct outbox *outbox, const redisReply *reply);
/* The oldest transaction was carried out, as far as the stored tokens tell. */
void outbox_take_stores(struct outbox *outbox, const struct transaction *transaction);

#endif
