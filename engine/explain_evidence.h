/* Where in an event's JSON text the thing stands that made a module speak: for `weir explain`. */
#ifndef WEIR_ENGINE_EXPLAIN_EVIDENCE_H
#define WEIR_ENGINE_EXPLAIN_EVIDENCE_H

#include "base/buffer.h"
#include "filters/event.h"
#include "filters/value.h"

struct evidence_place {
    struct slice parent; /* "content", or absent */
    struct slice key;    /* "body"; absent if the place is in the event's text as such */
    size_t start;        /* bytes of event->body: the first, and the one behind the last */
    size_t end;
};

/* Finds the evidence of `result`, a part of one of the texts of `event` (of its fields, of a declared key of `content`,
 * or of its body), in event->body. Where the evidence is a whole text and the rule is found in it (as an expression, or
 * else literally, with A to Z in either case), the place is that of the rule. False if the event has no body, or the
 * evidence is no part of it. */
bool evidence_locate(const struct event *event, const struct field_table *fields, const struct result *result,
                     struct evidence_place *place);

/* The text of the place, of which at most 200 bytes are shown, with 40 bytes on either side; whole characters each, in
 * event->body. */
struct evidence_excerpt {
    struct slice before;
    struct slice text;
    struct slice after;
};
struct evidence_excerpt evidence_excerpt(const struct event *event, const struct evidence_place *place);

/* Appends the place in words, with an excerpt of the text around it in which it stands between >> and <<:
 * `content.body, bytes 231 to 239: ..."body":"buy >>pills<< now"...`. */
void evidence_append(const struct event *event, const struct evidence_place *place, struct buffer *output);

#endif
