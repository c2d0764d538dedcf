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
};

/* Appends the row of `verdicts` (design: section 5): one JSON object without spaces or line breaks. `origin` says which
 * way the event came in: "observe" for a stream, live or replayed. */
void verdict_append_row(const struct verdict *verdict, struct buffer *output);

#endif
