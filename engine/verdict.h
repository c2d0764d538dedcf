/* A verdict: what the chain said of one event, where the event came from, and its row on the wire. */
#ifndef WEIR_ENGINE_VERDICT_H
#define WEIR_ENGINE_VERDICT_H

#include "base/buffer.h"
#include "filters/chain.h"

struct verdict {
    const struct event *event;
    const struct outcome *outcome;
    struct slice stream; /* the stream, writer and token of the row that brought the event */
    struct slice instance;
    int64_t token;
    uint64_t received_ns; /* monotonic; when the line came in */
    bool request;         /* somebody asked, and `event` may have no more than a room and a sender. The stream is then
                             "requests", the instance whoever asked, and there is no token */
    bool dry_run;         /* what a module in dry_run would have said; it decided nothing */
    /* The finished rows of modules in dry_run that answered about this event, each followed by a line break; empty if
     * there are none. They are published whether or not the event passed, ahead of its own row, and count for nothing
     * else. */
    struct slice dry_runs;
};

/* Appends the row of `verdicts` (design: section 5): one JSON object without spaces or line breaks. `origin` says which
 * way the event came in: "observe" for a stream, live or replayed, "request" for a question. */
void verdict_append_row(const struct verdict *verdict, struct buffer *output);
/* Takes the next of the verdict's finished rows off `*rows`, without its line break; false if there is none. */
bool verdict_next_row(struct slice *rows, struct slice *row);

#endif
