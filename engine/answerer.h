/* Answers requests: a worker asks before it acts, the chain decides, and the answer is what Synapse's own chain would
 * have come to (design: section 5). From the fields of a request to the text of its answer; where both travel is the
 * owner's affair.
 *
 * A request has five fields, all of them texts:
 *   callback   a name of callbacks.def
 *   args       a JSON object with the callback's arguments by name; `event` is the event itself
 *   reply_to   a channel under <server_name>/weir/replies/
 *   id         up to 128 printable characters without a space, chosen by whoever asks
 *   deadline   milliseconds since 1970 by the wall clock, after which nobody waits for the answer
 * The answer is `VERDICT <id> <json>`, the JSON being the chain's value with its tag, or {"raise":…}. Of a callback
 * that lets modules edit an argument, the object has the edited one beside the tag, as "after". */
#ifndef WEIR_ENGINE_ANSWERER_H
#define WEIR_ENGINE_ANSWERER_H

#include "engine/metrics.h"
#include "filters/chain.h"

struct answerer;

struct answerer_settings {
    const char *server_name;
    int64_t cache;        /* answers to get_interested_users that are remembered; 0: none */
    int64_t cache_for_ms; /* and for how long */
};

struct answerer_callbacks {
    void *context;
    /* The request is done with. `message` is to be published on `reply_to`; both are absent where nobody is told (too
     * late, or nobody to tell). All slices live until the call returns. */
    void (*settle)(void *context, struct slice entry, struct slice reply_to, struct slice message);
};

/* A request as it came. A field that is missing is absent. */
struct request_fields {
    struct slice entry; /* how its owner calls it */
    struct slice callback, args, reply_to, id, deadline;
};

struct answerer_counts {
    uint64_t requests;
    uint64_t answered;     /* with the chain's value, or from the cache */
    uint64_t raised;       /* with the failure of a module */
    uint64_t malformed;    /* with a failure, since the request was none that can be asked */
    uint64_t unanswerable; /* dropped: no channel or no id to answer to */
    uint64_t expired;      /* dropped: past their deadline */
    uint64_t cache_hits;
    uint64_t cache_misses;
    uint64_t waiting; /* for an answer that some module waits for */
};

/* `metrics` gets the answerer's families and must outlive it, as `chain` must. */
struct answerer *answerer_create(const struct chain *chain, const struct answerer_settings *settings,
                                 const struct answerer_callbacks *callbacks, struct metrics *metrics);
/* Requests that wait are forgotten without being settled. */
void answerer_destroy(struct answerer *answerer);

/* Settles the request, in this call or, if a module waits for somebody, in answerer_resume. */
void answerer_take(struct answerer *answerer, const struct request_fields *fields);
/* Somebody whom a module had asked has answered; false if no request waits under that ticket. */
bool answerer_resume(struct answerer *answerer, uint64_t ticket, const struct service_answer *answer);

/* Whether the request called `entry` waits; and each that does, the oldest first. */
bool answerer_is_waiting(const struct answerer *answerer, struct slice entry);
void answerer_each_waiting(const struct answerer *answerer, void (*visit)(void *context, struct slice entry),
                           void *context);

/* Another chain takes over. Requests that wait are asked of it from the start, and what was remembered is forgotten;
 * the old chain may then be destroyed. */
void answerer_use_chain(struct answerer *answerer, const struct chain *chain);

struct answerer_counts answerer_counts(const struct answerer *answerer);

#define REQUEST_ID_MAXIMUM 128u
#define REQUEST_CHANNEL_MAXIMUM 512u

#endif
