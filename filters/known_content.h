/* Whether the content of an event of a known type has the shape that the Matrix specification gives it: its required
 * keys are there, and those that clients read are of the right kind. What is malformed shows as nothing in one client
 * and breaks another. */
#ifndef WEIR_FILTERS_KNOWN_CONTENT_H
#define WEIR_FILTERS_KNOWN_CONTENT_H

#include "filters/callback.h"

struct known_content {
    uint32_t *slots; /* by row of the table */
};

/* Declares what is looked into; free with known_content_free. */
void known_content_create(struct known_content *known, struct field_table *table);
void known_content_free(struct known_content *known);

/* The key at fault, and in `*wanted` what it should be, "a text"; absent if nothing is wrong, if the type is not known,
 * or without a body. An event that is no state and has no content at all is what a redaction leaves: nothing is wrong
 * with it. */
struct slice known_content_fault(const struct known_content *known, const struct event *event, const char **wanted);

#endif
