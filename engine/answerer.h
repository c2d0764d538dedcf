/* Requests over Redis: a worker asks before it acts, the chain decides, and the answer is what Synapse's own chain
 * would have come to (design: section 5). From the fields of a request to the text of its answer; where both travel is
 * the owner's affair, and the asking is engine/questions.h's.
 *
 * A request has five fields, all of them texts:
 *   callback   a name of callbacks.def
 *   args       a JSON object with the callback's arguments by name; `event` is the event itself
 *   reply_to   a channel under <server_name>/weir/replies/
 *   id         up to 128 printable characters without a space, chosen by whoever asks
 *   deadline   milliseconds since 1970 by the wall clock, after which nobody waits for the answer
 * and may have two more:
 *   room       the room that it is about, so that rooms can be served in turn
 *   lines      1: several answers may come in one message, each a line
 * The answer is `VERDICT <id> <json>`, the JSON being the chain's value with its tag, or {"raise":…}, or
 * {"overloaded":true} if too many wait. Of a callback that lets modules edit an argument, the object has the edited one
 * beside the tag, as "after". */
#ifndef WEIR_ENGINE_ANSWERER_H
#define WEIR_ENGINE_ANSWERER_H

#include "engine/questions.h"

struct answerer;

/* An answer on its way. All slices live until the call returns. */
struct answer {
    struct slice entry;    /* as its owner calls the request */
    struct slice reply_to; /* absent where nobody is told (too late, or nobody to tell), as `message` is */
    struct slice message;
    bool lines; /* `message` may be published together with others, each a line */
};

struct answerer_callbacks {
    void *context;
    /* The request is done with. */
    void (*settle)(void *context, const struct answer *answer);
};

/* A request as it came. A field that is missing is absent. */
struct request_fields {
    struct slice entry; /* how its owner calls it */
    struct slice callback, args, reply_to, id, deadline, room, lines;
};

struct answerer_counts {
    uint64_t requests;
    uint64_t unanswerable; /* dropped: no channel or no id to answer to */
    uint64_t waiting;      /* for an answer that some module waits for */
};

/* `questions` and `metrics`, which gets the answerer's families, must outlive it. */
struct answerer *answerer_create(struct questions *questions, const char *server_name,
                                 const struct answerer_callbacks *callbacks, struct metrics *metrics);
/* Requests that wait are forgotten without being settled. */
void answerer_destroy(struct answerer *answerer);

/* Settles the request, in this call or, if a module waits for somebody, later. */
void answerer_take(struct answerer *answerer, const struct request_fields *fields);
/* Settles it without asking: the engine cannot take it now (`overloaded`), it has this answer, or it is not to be asked
 * (`problem`, a sentence). */
void answerer_turn_away(struct answerer *answerer, const struct request_fields *fields);
void answerer_answer(struct answerer *answerer, const struct request_fields *fields, struct slice json);
void answerer_refuse(struct answerer *answerer, const struct request_fields *fields, const char *problem);

/* Whether the request called `entry` waits; and each that does, the oldest first. */
bool answerer_is_waiting(const struct answerer *answerer, struct slice entry);
void answerer_each_waiting(const struct answerer *answerer, void (*visit)(void *context, struct slice entry),
                           void *context);

struct answerer_counts answerer_counts(const struct answerer *answerer);

#define REQUEST_ID_MAXIMUM 128u
#define REQUEST_CHANNEL_MAXIMUM 512u

#endif
