/* What an event's body holds beyond the strings that the reader keeps (event.h): nested members, numbers, and the text
 * behind HTML. It is looked into when somebody asks, and once for each event, however many modules ask; the reader, and
 * a chain whose modules do not ask, pay nothing for it.
 *
 * All of this lives in memory of the lane (base/lane.h), until the lane looks into another event: good for a callback,
 * and for the result that it hands back. In the steady state nothing is allocated. */
#ifndef WEIR_FILTERS_EVENT_CONTENT_H
#define WEIR_FILTERS_EVENT_CONTENT_H

#include <yyjson.h>

#include "filters/callback.h"

/* Larger bodies are not looked into: Matrix allows 65,536 bytes. */
#define EVENT_CONTENT_MAXIMUM (1u << 20)

/* The whole event as JSON; NULL without a body, for one above EVENT_CONTENT_MAXIMUM, or if it is no JSON. */
yyjson_val *event_json(const struct event *event);
/* Its `content`; NULL likewise, and if that is no object. */
yyjson_val *event_content(const struct event *event);

/* Whether Synapse says in `unsigned` that the event replaces another of its type and state key: a membership event that
 * does, and says `join`, may only be a change of the name. False is certain only where Synapse has stored the event. */
bool event_replaces_state(const struct event *event);

/* The last value of `key`, as Python's json takes it; NULL if `object` is none or has no such key. */
yyjson_val *content_member(yyjson_val *object, struct slice key);
/* The string value of `key`; absent if there is none. */
struct slice content_string(yyjson_val *object, struct slice key);
/* The whole number that `key` has; false if it has none, or one below zero. A float counts, cut off. */
bool content_number(yyjson_val *object, struct slice key, uint64_t *number);

/* The text that people see of `html`, a string of the event of `arguments` (html_text). */
struct slice event_html_text(const struct callback_arguments *arguments, struct slice html);

#endif
