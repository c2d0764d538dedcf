/* How far a writer of a stream is, for the status and the metrics: what the position tracker knows of it, and which of
 * its events wait. */
#ifndef WEIR_ENGINE_WRITER_STANDING_H
#define WEIR_ENGINE_WRITER_STANDING_H

#include "replication/position.h"

struct judging;

enum writer_state {
    WRITER_LIVE,     /* its rows are acted upon as they come */
    WRITER_FETCHING, /* rows were missed, and are being fetched */
    WRITER_WAITING,  /* it has not told its position on this connection, or there is none */
};

/* How far a writer of a stream is that the engine acts upon. */
struct writer_standing {
    enum stream stream;
    struct slice writer;
    enum writer_state state;
    bool known;       /* where it is; else `position` and `newest` say nothing */
    int64_t position; /* up to there everything was judged, or handed on */
    int64_t newest;   /* the highest token that is known of it */
    uint64_t held;    /* events that were read and not judged yet */
    /* Since when, by the monotonic clock, the oldest of what is known and not judged has been waiting; 0: nothing is.
     */
    uint64_t since_ns;
};
typedef void writer_visit_function(void *context, const struct writer_standing *standing);

/* Visits every writer of the streams that are acted upon; a `standing` lives until the call returns. */
void writer_standings(const struct position_tracker *tracker, const struct judging *judging,
                      writer_visit_function *visit, void *context);

#endif
