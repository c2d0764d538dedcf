/* How much of something an event has: mentions, links, media. For rates; an event that is no message has none. */
#ifndef WEIR_FILTERS_EVENT_COSTS_H
#define WEIR_FILTERS_EVENT_COSTS_H

#include "filters/content_fields.h"

struct event_costs {
    struct content_fields fields;
    uint32_t mentions, msgtype; /* slots */
};

/* Declares what is looked into; free with event_costs_free. */
void event_costs_create(struct event_costs *costs, struct field_table *table, const struct module_host *host);
void event_costs_free(struct event_costs *costs);

/* The same mentions stand in an event up to three times, in m.mentions, in its HTML and in its text: the largest of
 * these numbers counts, and of an edit's two versions likewise. */
int64_t event_costs_mentions(const struct event_costs *costs, const struct callback_arguments *arguments);
/* Links with http and https, likewise: those that are seen in a text, or the anchors of its HTML. */
int64_t event_costs_links(const struct event_costs *costs, const struct callback_arguments *arguments);
/* The file that the event is, or those of its gallery, and the images within its HTML. */
int64_t event_costs_media(const struct event_costs *costs, const struct callback_arguments *arguments);

#endif
