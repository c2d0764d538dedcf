/* The media that an event names. */
#ifndef WEIR_FILTERS_EVENT_MEDIA_H
#define WEIR_FILTERS_EVENT_MEDIA_H

#include "filters/event.h"

/* More than this an event does not name in earnest. */
#define EVENT_MEDIA_MAXIMUM 32u

/* The distinct mxc URIs ("mxc://server/id") in the texts of the event's content, wherever they stand: as a member's
 * value, or within a text such as `formatted_body`. At most EVENT_MEDIA_MAXIMUM of them in `uris`; returns how many.
 * They live as event_content does. */
uint32_t event_media(const struct event *event, struct slice uris[static EVENT_MEDIA_MAXIMUM]);

#endif
