/* The hashes of an event, and the text that is signed (Matrix specification, server-server API, "Signing Events"). */
#ifndef WEIR_FILTERS_EVENT_HASH_H
#define WEIR_FILTERS_EVENT_HASH_H

#include <jansson.h>

#include "base/buffer.h"
#include "filters/room_version.h"

#define EVENT_HASH_SIZE 32

/* Larger texts are not made; Matrix allows 65,536 bytes for an event. */
#define EVENT_HASH_TEXT_MAXIMUM ((size_t)1 << 20)

/* Appends the canonical text of a JSON object that signatures are made of: without `signatures` and `unsigned`. False,
 * with `text` as it was, if it would be too large or is nested too deep. */
bool event_hash_signed_text(const json_t *object, struct buffer *text);

/* The same of the redacted event: what a server signs, and what its reference hash is made of. */
bool event_hash_reference_text(const json_t *event, const struct room_version *version, struct buffer *text);

void event_hash_of(struct slice text, unsigned char hash[static EVENT_HASH_SIZE]);

/* The hash that the event should have under `hashes`. False as above. */
bool event_hash_of_content(const json_t *event, unsigned char hash[static EVENT_HASH_SIZE]);
/* Whether it has it. */
bool event_hash_content_right(const json_t *event);

/* Appends the event's id, or nothing if it should be a member of the event and is no text. `hash` is that of its
 * reference text. */
void event_hash_append_id(const json_t *event, const struct room_version *version,
                          const unsigned char hash[static EVENT_HASH_SIZE], struct buffer *id);

#endif
