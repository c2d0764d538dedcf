/* The bodies of events that somebody wants explained and names by their id, from the source that the engine itself
 * judges with. Few at a time, and none is waited for beyond EXPLAIN_LOOKUP_MS. */
#ifndef WEIR_ENGINE_EXPLAIN_LOOKUP_H
#define WEIR_ENGINE_EXPLAIN_LOOKUP_H

#include "engine/bodies.h"

#define EXPLAIN_LOOKUP_MAXIMUM 16u /* that are asked for at once, also if nobody waits for them any more */
#define EXPLAIN_LOOKUP_MS 10000
#define EXPLAIN_LOOKUP_ID_MAXIMUM 255u

/* Tickets with this bit are of these questions; the observer never counts so far. */
#define EXPLAIN_LOOKUP_TICKET (UINT64_C(1) << 63)

struct explain_lookup;

enum explain_lookup_ending {
    EXPLAIN_LOOKUP_FOUND,
    EXPLAIN_LOOKUP_MISSING,   /* the source has no such event */
    EXPLAIN_LOOKUP_NO_SOURCE, /* the engine has none */
    EXPLAIN_LOOKUP_AWAY,      /* the database is not connected */
    EXPLAIN_LOOKUP_BUSY,      /* too many are asked for */
    EXPLAIN_LOOKUP_LATE,      /* the database did not answer in time */
    EXPLAIN_LOOKUP_STOPPED,   /* the engine stops */
};

/* `body` lives until the call returns; absent unless it was found. */
typedef void explain_lookup_function(void *context, enum explain_lookup_ending ending, struct slice body);

struct explain_lookup *explain_lookup_create(struct event_base *base, struct bodies *bodies);
/* Who waits is told that the engine stops; then nobody can ask any more. */
void explain_lookup_stop(struct explain_lookup *lookup);
void explain_lookup_destroy(struct explain_lookup *lookup);

/* Asks for the body of an event; `ended` is called once, perhaps within. */
void explain_lookup_ask(struct explain_lookup *lookup, struct slice event_id, explain_lookup_function *ended,
                        void *context);
/* Nobody waits under this context any more: `ended` is not called. */
void explain_lookup_forget(struct explain_lookup *lookup, const void *context);
/* The source's answer to such a ticket. */
void explain_lookup_arrived(struct explain_lookup *lookup, uint64_t ticket, struct slice body);

#endif
