/* The request path over Redis, for the files that make it up: requests.c (its life, and what is in hand),
 * request_steps.c (what is asked of Redis, and in which order), request_takeover.c (what engines left) and
 * request_upkeep.c (the stream's length, engines that are gone, what the chain has anything for). Nobody else includes
 * this. */
#ifndef WEIR_ENGINE_REQUESTS_PARTS_H
#define WEIR_ENGINE_REQUESTS_PARTS_H

#include "base/buffer.h"
#include "engine/log.h"
#include "engine/request_entry.h"
#include "engine/request_queue.h"
#include "engine/requests.h"

#define REQUESTS_GROUP SLICE("weir")

/* In the order in which they are due before each other. */
enum request_step {
    REQUEST_STEP_GROUP,     /* the stream and its group are made */
    REQUEST_STEP_RENEW,     /* what is in hand is shown to be in hand */
    REQUEST_STEP_POISONED,  /* one that was delivered too often is fetched, to be set aside */
    REQUEST_STEP_CLAIM,     /* what engines left is taken over */
    REQUEST_STEP_LAST_TRY,  /* the same for one alone, which engines may have died of */
    REQUEST_STEP_OWN,       /* what this engine took and did not answer, in another life or on another connection */
    REQUEST_STEP_LEFT,      /* what other engines took and did not answer */
    REQUEST_STEP_TELL,      /* the key of callbacks is set */
    REQUEST_STEP_TELL_ALL,  /* and published */
    REQUEST_STEP_TRIM,      /* the stream is cut to its length */
    REQUEST_STEP_CONSUMERS, /* engines that are gone leave the group */
    REQUEST_STEP_READ,
    REQUEST_STEPS,
};

/* Entries that are to be claimed, of one page of what is pending: their ids, each with a space behind it. */
struct request_ids {
    struct buffer text;
    size_t next; /* where the first begins that was not taken yet */
};

struct request_counts {
    uint64_t claimed;
    uint64_t poisoned;
    uint64_t turned_away;
    uint64_t trimmed;
    uint64_t queued; /* now */
    uint64_t queued_bytes;
};

struct requests {
    struct event_base *base;
    struct requests_settings settings;
    struct outbox *outbox;
    struct questions *questions;
    struct answerer *answerer;
    struct request_queue *queue;
    struct event *serve; /* the queue is served on in the next turn of the loop */
    struct request_counts counts;
    struct latency *queue_latency;
    uint64_t taken_bytes; /* of arguments, so far */
    struct buffer key, poisoned_key, callbacks_key, callbacks_channel;
    bool paused; /* by the owner */

    /* request_steps.c */
    struct redis_link *link;
    struct event *retry;      /* ends the pause after a refusal */
    struct event *look_again; /* something may be due that was not */
    enum request_step step;   /* which was asked last */
    bool asked;               /* and is not answered */
    bool grouped;             /* the group is there */
    int64_t batch;            /* how many are read at once now */
    struct buffer refusal;    /* as it was logged; empty: nothing is refused */
    uint64_t refusal_logged_ns;

    /* request_takeover.c */
    struct request_ids renewed, claims, last_tries, poisoned;
    struct buffer cursor; /* where the next page begins; empty: at the beginning */
    bool own_left;        /* what is pending for this engine was not looked through yet */
    bool left_own;        /* the page is of that */
    bool claims_nothing;  /* it was said that this Redis cannot */
    uint64_t renew_at_ns, claim_at_ns;
    uint64_t settled;           /* requests, so far */
    uint64_t settled_at_page;   /* when the page was asked for */
    uint64_t settled_mark;      /* the outbox's, behind the last one */
    struct buffer last_try;     /* the one that is in hand; empty: none is */
    uint64_t last_try_ns;       /* when it was asked for */
    bool read_between;          /* since then nothing was read */
    uint64_t last_try_mark;     /* the outbox's, behind the one before */
    struct buffer poison_asked; /* the one that is fetched, also if the connection ended with it */

    /* request_upkeep.c */
    uint64_t trim_at_ns, consumers_at_ns;
    bool tell, tell_all;     /* the callbacks are to be told */
    struct buffer callbacks; /* as they were told */

    struct log_gate turned_away_gate, poisoned_gate, trimmed_gate;
};

/* ---- requests.c */

/* Takes what a command delivered, a list of entries; returns how many there were. */
size_t requests_take_entries(struct requests *requests, const redisReply *entries);
/* Nobody is told. */
void requests_drop_entry(struct requests *requests, struct slice entry);
/* Asks what waits, for as long as one turn may take. */
void requests_serve(struct requests *requests);

/* ---- request_steps.c */

void requests_go_on(struct requests *requests);
void requests_send(struct requests *requests, const struct slice *arguments, size_t count);
#define REQUESTS_SEND(requests, ...)                                                                                   \
    requests_send((requests), (const struct slice[]){__VA_ARGS__},                                                     \
                  sizeof((const struct slice[]){__VA_ARGS__}) / sizeof(struct slice))

#define REQUESTS_NUMBER_SIZE 24
struct slice requests_number(char digits[REQUESTS_NUMBER_SIZE], int64_t number);

void requests_open_link(struct requests *requests);
void requests_close_link(struct requests *requests);

/* A step: whether it is to be taken now, its command, and what follows from the answer. */
struct request_step_definition {
    bool (*due)(struct requests *requests);
    void (*send)(struct requests *requests);
    void (*take)(struct requests *requests, const redisReply *reply);
    /* Whether an error is one to go on with; the step is then taken as done. NULL: none is. */
    bool (*forgives)(struct requests *requests, struct slice error);
};

/* ---- request_takeover.c */

extern const struct request_step_definition request_step_renew, request_step_poisoned, request_step_claim,
    request_step_last_try, request_step_own, request_step_left;

/* A connection begins: what this engine took before is looked through. */
void requests_takeover_begin(struct requests *requests);
/* A request is settled: the last try may be done with. */
void requests_takeover_settled(struct requests *requests, struct slice entry);
/* Whether new requests may be read, and whether that may wait for them. */
enum request_reading { REQUEST_READING_NOT, REQUEST_READING_AT_ONCE, REQUEST_READING_WAITS };
enum request_reading requests_takeover_allows(const struct requests *requests);
/* Nanoseconds until something is due; 0: it is. */
uint64_t requests_takeover_due_in(const struct requests *requests, uint64_t now);
void requests_takeover_free(struct requests *requests);

/* ---- request_upkeep.c */

/* The life of the requests begins. */
void requests_upkeep_begin(struct requests *requests);

extern const struct request_step_definition request_step_tell, request_step_tell_all, request_step_trim,
    request_step_consumers;

#endif
