/* Whether JSON is an event as servers send it to each other, by the rules of its room version: its members are there
 * and have the right types and sizes (Matrix specification, server-server API, "PDUs", and each room version's event
 * format; Synapse's rust/src/events/formats/ and synapse/events/validator.py). */
#ifndef WEIR_FILTERS_EVENT_FORMAT_H
#define WEIR_FILTERS_EVENT_FORMAT_H

#include <jansson.h>

#include "filters/room_version.h"

#define EVENT_FORMAT_SIZE_MAXIMUM 65536u /* of the whole event in canonical JSON */

/* NULL, or what is wrong, a sentence for people. */
const char *event_format_problem(const json_t *event, const struct room_version *version);

/* Whether the event creates its room. */
bool event_format_creates_room(const json_t *event);

#endif
