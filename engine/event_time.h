/* The time that modules see while a recording is replayed: of the recording's lines where they have one, else of the
 * events themselves. It depends on nothing but the files, so that two replays decide alike, and it never runs
 * backwards.
 *
 * An event's own time, `origin_server_ts`, is what a foreign server claims. One that is more than an hour ahead of
 * those before it counts only when the next one agrees with it to within an hour: a single lie fills no bucket. */
#ifndef WEIR_ENGINE_EVENT_TIME_H
#define WEIR_ENGINE_EVENT_TIME_H

#include "base/buffer.h"

/* A zeroed struct has seen no event. */
struct event_time {
    int64_t now_ms;
    int64_t doubted_ms; /* the last claim that was too far ahead; 0: none */
    struct buffer scratch;
};

void event_time_free(struct event_time *time);

/* Each returns the time now, in milliseconds since 1970; 1 if there was never any. */

/* `milliseconds` is of a recording's line; 0 or less: it has none. */
int64_t event_time_recorded(struct event_time *time, int64_t milliseconds);
/* `body` is the event's JSON; absent, or without a usable time: nothing changes. */
int64_t event_time_of_body(struct event_time *time, struct slice body);
/* The same from what event_time_claimed said of it. */
int64_t event_time_of_claim(struct event_time *time, int64_t claimed);

/* The `origin_server_ts` of an event's JSON; 0 if it has none between 1 and 2^53. `scratch` is overwritten. */
int64_t event_time_claimed(struct slice body, struct buffer *scratch);

#endif
