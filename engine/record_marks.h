/* What a recording says about itself: lines on a channel of its own, <server name>/weir/record, where no Synapse
 * speaks. They are for whoever reads the recording and are never published.
 *
 *   FORMAT <number> <version>  the form of what follows, and which Weir wrote it: the first line of a file
 *   GAP <from> <to> <reason>   between these times (ms since 1970) nothing was heard: rows may be missing
 *
 * A recording without FORMAT is of form 1. The number rises with a change that an older reader would misread.
 */
#ifndef WEIR_ENGINE_RECORD_MARKS_H
#define WEIR_ENGINE_RECORD_MARKS_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/slice.h"

#define RECORD_MARK_CHANNEL "/weir/record"

/* Whether a message of this channel is such a line. */
static inline bool record_mark_channel(struct slice channel)
{
    struct slice end = SLICE(RECORD_MARK_CHANNEL);
    return channel.length > end.length && memcmp(channel.data + channel.length - end.length, end.data, end.length) == 0;
}

#define RECORD_FORMAT 1

struct record_format {
    int64_t number;
    struct slice version; /* points into the message */
};

/* That of this version. */
void record_format_append(struct buffer *output);
/* False if the message tells of no form. */
bool record_format_read(struct slice message, struct record_format *format);
/* Whether the message tells of a form that is not known here; then a sentence is appended to `error`, whose place in
 * the file is for the caller to tell. */
bool record_format_refuse(struct slice message, struct buffer *error);

struct record_gap {
    int64_t from_ms;
    int64_t to_ms;
    struct slice reason; /* points into the message */
};

void record_gap_append(const struct record_gap *gap, struct buffer *output);
/* False if the message tells of no gap. */
bool record_gap_read(struct slice message, struct record_gap *gap);

#endif
