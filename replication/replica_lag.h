/* Whether a database has come as far as what is asked of it. A read replica answers from what it has replayed: rows
 * that it lacks are not in its answer, and nothing says so.
 *
 * It has come so far if its row of stream_positions for the writer has: Synapse commits that behind the events. The row
 * of an idle writer stays where it last wrote, below the position that it announces. Then any event or position of any
 * writer at or above the end will do, when it was seen REPLICA_SETTLE_MS ago: transactions of several writers that ran
 * side by side may have ended in another order than that of their tokens. */
#ifndef WEIR_REPLICATION_REPLICA_LAG_H
#define WEIR_REPLICATION_REPLICA_LAG_H

#include <stdint.h>

#include "base/slice.h"

#define REPLICA_SETTLE_MS 100

/* What a database says of itself. Tokens that it does not know are INT64_MIN. */
struct replica_state {
    bool in_recovery;      /* it is a replica */
    int64_t highest;       /* of all events and positions, of whichever writer */
    int64_t writer_stands; /* the writer's row of stream_positions */
};

/* Of one request, zeroed when it is made. */
struct replica_wait {
    int64_t give_up_at_ms; /* monotonic; 0 until it was found behind */
    int64_t seen_at_ms;    /* when `highest` was first at the end; 0 if never */
};

/* Up to where a replica was found, for each of the writers asked about last, so that only the first page of a range
 * waits. A range that was given up counts. Zeroed on each new connection. */
#define REPLICA_MEMORY_SLOTS 16u
struct replica_memory {
    struct {
        uint64_t writer; /* a hash */
        int64_t upto;
    } slots[REPLICA_MEMORY_SLOTS];
};

enum replica_verdict { REPLICA_HAS_IT, REPLICA_IS_BEHIND, REPLICA_GIVEN_UP };

/* Whether the rows of `writer` up to `upto`, which is above 0, are there, at the monotonic time `now_ms`. After
 * `patience_ms` of being behind it is given up: what is there has to do. */
enum replica_verdict replica_judge(struct replica_memory *memory, const struct replica_state *state,
                                   struct replica_wait *wait, struct slice writer, int64_t upto, int64_t now_ms,
                                   int64_t patience_ms);

#endif
