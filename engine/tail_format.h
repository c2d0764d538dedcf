/* How `weir tail` shows a row: columns for people, or the row itself. Nothing that a row holds reaches a terminal as a
 * control character. */
#ifndef WEIR_ENGINE_TAIL_FORMAT_H
#define WEIR_ENGINE_TAIL_FORMAT_H

#include "base/buffer.h"
#include "base/slice.h"

#define TAIL_COLUMNS 7

struct tail_format {
    bool json;                   /* rows as they came, one a line */
    bool escape;                 /* with `json`: escape control characters, for a terminal */
    bool colour;                 /* without `json` */
    size_t widths[TAIL_COLUMNS]; /* grown with what was shown, so that columns stay aligned; begins zeroed */
};

/* `stream` is `verdicts` or `presence_routes`; rows of others are shown as they are. `token` is as on the wire. Appends
 * a line; false if the row is no JSON of the stream's shape, and nothing is appended. */
bool tail_format_row(struct tail_format *format, struct slice stream, struct slice token, struct slice row,
                     struct buffer *output);

/* Appends a line that is no row, e.g. a POSITION. */
void tail_format_line(const struct tail_format *format, struct slice line, struct buffer *output);

/* Appends `text` with control characters, direction overrides and bytes that are not UTF-8 written as \x1b, \u202e … */
void tail_append_visible(struct buffer *output, struct slice text);

#endif
