/* A request for an explanation: {"event": {…}} for what an observed event is asked, or {"callback": NAME, "args": {…}},
 * where the event may stand in the arguments or beside them. */
#ifndef WEIR_ENGINE_EXPLAIN_REQUEST_H
#define WEIR_ENGINE_EXPLAIN_REQUEST_H

#include "engine/explain.h"

/* Explains what `body` asks. False, with an errcode of Matrix and a sentence in `problem`, if it cannot be read. */
bool explain_request(const struct explain_settings *settings, struct slice body, struct buffer *output,
                     const char **errcode, struct buffer *problem);

/* Whether `body` is {"event_id": "$…"}, an event that somebody else has; the id is appended as it is, and may be
 * anything. */
bool explain_request_event_id(struct slice body, struct buffer *event_id);

#endif
