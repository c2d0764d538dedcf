/* The line that `weir record` draws on a terminal. */
#ifndef WEIR_ENGINE_RECORD_PROGRESS_H
#define WEIR_ENGINE_RECORD_PROGRESS_H

#include "engine/record.h"

/* Bytes with a unit of three digits or fewer: "1.4 MiB". */
void record_append_size(struct buffer *output, uint64_t bytes);
void record_progress_render(const struct record_counts *counts, bool connected, struct buffer *output);
/* On standard error, over the last one; and nothing in its place. */
void record_progress_draw(const struct record_counts *counts, bool connected);
void record_progress_erase(void);

#endif
