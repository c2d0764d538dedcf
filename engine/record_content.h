/* Event bodies without what people wrote, for recordings that leave the house (`weir record --without-content`).
 *
 * Every letter of a text in `content` and `unsigned` becomes an `x`; white space stays, so that lengths, words and
 * lines can still be judged. Kept are keys, numbers, and the texts by which an event is what it is: `membership`,
 * `msgtype`, `rel_type`, event ids and the like (the table in record_content.c). */
#ifndef WEIR_ENGINE_RECORD_CONTENT_H
#define WEIR_ENGINE_RECORD_CONTENT_H

#include "base/buffer.h"
#include "base/slice.h"

/* A JSON string with its quotes: as long, in characters, as `text` (UTF-8). */
void record_content_append_masked(struct slice text, struct buffer *output);
/* `body`, an event's JSON, without its texts. False if it is no JSON object, or nested deeper than
 * RECORD_CONTENT_DEPTH_MAXIMUM; `output` then has something useless behind its content. */
bool record_content_append(struct slice body, struct buffer *output);

#define RECORD_CONTENT_DEPTH_MAXIMUM 128u

#endif
