/* The event that Synapse would build from a replacement of check_event_allowed (synapse/handlers/message.py,
 * _rebuild_event_after_third_party_rules; callbacks.md, section 2.2). */
#ifndef WEIR_FILTERS_REPLACEMENT_H
#define WEIR_FILTERS_REPLACEMENT_H

#include "filters/event.h"
#include "filters/value.h"

/* The JSON text, in the arena, of `event` as `replacement` (a dict) makes it; what must not change is checked. Absent,
 * with a sentence in `*problem`, where Synapse's request would fail with 500. */
struct slice replacement_build(const struct event *event, const struct value *replacement, const char *server_name,
                               struct arena *arena, const char **problem);

#endif
