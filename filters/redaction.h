/* What is left of an event when it is redacted (Matrix specification, "Redactions" of each room version): signatures
 * and event ids are made of that, so that they hold for an event that has lost its content. */
#ifndef WEIR_FILTERS_REDACTION_H
#define WEIR_FILTERS_REDACTION_H

#include <jansson.h>

#include "filters/room_version.h"

/* A new reference: the redacted event without `unsigned`, which nothing is made of. Values are shared with `event`. An
 * event without a `type` that is a text, or a `content` that is an object, is treated as one whose type has no rules
 * and whose content is empty. */
json_t *redaction_of(const json_t *event, const struct room_version *version);

#endif
