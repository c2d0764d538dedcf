/* Numbers, times and sizes as people read them, for reports and tables. */
#ifndef WEIR_ENGINE_HUMAN_TEXT_H
#define WEIR_ENGINE_HUMAN_TEXT_H

#include "base/buffer.h"

/* "1,234,567" */
void human_append_count(struct buffer *output, uint64_t count);
/* So many a second: "0", "0.25", "12.5", "1,234". */
void human_append_rate(struct buffer *output, double rate);
/* A time that has passed, in its two largest units: "4 s", "3 min 20 s", "2 h 46 min", "5 d 3 h"; "0 s" below 0. */
void human_append_span(struct buffer *output, double milliseconds);
/* A short time, of three digits: "0.42 ms", "21 us", "1.2 s". */
void human_append_seconds(struct buffer *output, double seconds);
/* "18.0 MiB" */
void human_append_bytes(struct buffer *output, double bytes);

#endif
