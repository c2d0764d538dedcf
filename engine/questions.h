/* Questions from outside, by whatever way they come, asked of the chain: read by the table of callbacks, answered at
 * once, or parked while a module waits for somebody, until the answer is in or the asker's deadline has passed.
 *
 * What may wait is bounded, altogether and for each asker and each room, so that whoever floods is told `overloaded`
 * and nobody else has to wait for that. */
#ifndef WEIR_ENGINE_QUESTIONS_H
#define WEIR_ENGINE_QUESTIONS_H

#include <event2/event.h>

#include "engine/metrics.h"
#include "engine/verdict.h"
#include "filters/chain.h"

struct questions;
struct question;

struct questions_settings {
    size_t waiting;           /* questions that may wait at once */
    size_t waiting_per_asker; /* of one asker: a worker, or an address */
    size_t waiting_per_room;
    size_t cache;         /* answers to get_interested_users that are remembered; 0: none */
    int64_t cache_for_ms; /* and for how long */
    /* What was refused, or failed, or would have been refused by a module in dry_run: called before the question ends,
     * for callbacks of spam checkers and third-party rules. May be NULL. */
    void (*judged)(void *context, const struct verdict *verdict);
    void *context;
};

/* How a question ended. */
enum question_ending {
    QUESTION_ANSWERED,   /* `json` is the chain's value with its tag, `outcome` where it comes from */
    QUESTION_RAISED,     /* likewise: the failure of a module, as Synapse would see it */
    QUESTION_MALFORMED,  /* it could not be asked: `problem` says why */
    QUESTION_OVERLOADED, /* too many wait: not asked */
    QUESTION_EXPIRED,    /* its deadline has passed */
};

/* All of it lives until the call that brings it returns. */
struct question_end {
    enum question_ending ending;
    enum callback callback;
    struct slice json;             /* absent unless answered or raised; of a malformed one {"raise":…} */
    const struct outcome *outcome; /* NULL unless the chain was asked; NULL for an answer that was remembered */
    const char *problem;           /* a sentence; NULL unless malformed */
};

/* What is asked. Nothing of it is kept by reference. */
struct question_asked {
    enum callback callback; /* CALLBACK_UNKNOWN: the question is malformed */
    struct slice args;      /* the JSON object of the arguments */
    struct slice asker;     /* who asks, for the bounds and for the verdict's row: a worker, an address */
    int64_t deadline_ms;    /* by the wall clock, since 1970; 0: there is none */
    const char *problem;    /* what the asker's owner found wrong with it already, a sentence; NULL: nothing */
    /* Called once, in questions_ask or later; the question is gone afterwards. */
    void (*ended)(void *context, const struct question_end *end);
    void *context;
};

struct questions_counts {
    uint64_t asked;
    uint64_t answered; /* with the chain's value, or one that was remembered */
    uint64_t denied;   /* of those answered: refusals of spam checkers and third-party rules */
    uint64_t raised;
    uint64_t malformed;
    uint64_t overloaded;
    uint64_t expired; /* while they waited, or before they were asked */
    uint64_t forgotten;
    uint64_t cache_hits;
    uint64_t cache_misses;
    uint64_t waiting; /* now */
};

/* `chain` is asked; it and `metrics` (which gets the families) must outlive the questions. */
struct questions *questions_create(struct event_base *base, struct chain *chain,
                                   const struct questions_settings *settings, struct metrics *metrics);
/* Questions that wait are forgotten without an end. */
void questions_destroy(struct questions *questions);

/* Asks. NULL: it has ended in this call. Otherwise it waits; the handle is good until it ends. */
struct question *questions_ask(struct questions *questions, const struct question_asked *asked);
/* The asker is gone: no end is told. */
void questions_forget(struct questions *questions, struct question *question);
/* Somebody whom a module had asked has answered; false if no question waits under that ticket. */
bool questions_resume(struct questions *questions, uint64_t ticket, const struct service_answer *answer);
/* Another chain takes over. Questions that wait are asked of it from the start; the old one may then be destroyed. */
void questions_use_chain(struct questions *questions, struct chain *chain);
/* The chain answers differently from now on: what was remembered is forgotten. */
void questions_forget_answers(struct questions *questions);
struct chain *questions_chain(const struct questions *questions);
struct questions_counts questions_counts(const struct questions *questions);
/* From a question to its end. */
const struct latency *questions_latency(const struct questions *questions);

#endif
