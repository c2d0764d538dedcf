/* Where the bodies of events come from: one interface for the sources that answer at once (a recorded file) and those
 * that answer later (a database). */
#ifndef WEIR_REPLICATION_BODY_SOURCE_H
#define WEIR_REPLICATION_BODY_SOURCE_H

#include <stdint.h>

#include "base/slice.h"

/* An answer that comes later: `body` is absent if the event is not there, and lives until the call returns. */
typedef void body_arrived_function(void *context, uint64_t ticket, struct slice body);

struct body_source {
    void *context;
    /* Sources that answer at once: the body, or an absent slice if there is none; lives until the next call. NULL for
     * sources that answer later. */
    struct slice (*find)(void *context, struct slice event_id);
    /* Sources that answer later: asks for a body; `ticket` comes back with the answer, in any order. */
    void (*request)(void *context, uint64_t ticket, struct slice event_id);
};

#endif
