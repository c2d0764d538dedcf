/* Names of a series of recordings: <stem>.<time>[-<number>]<ending>, whose order is that of time. */
#ifndef WEIR_ENGINE_RECORD_NAMES_H
#define WEIR_ENGINE_RECORD_NAMES_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/slice.h"

/* "20260131T235959Z", with "-2" to "-999" behind it. */
#define RECORD_STAMP_ROOM 24

/* The stamp of a moment (milliseconds since 1970), the `number`th one of its second, counted from 1. */
void record_stamp(int64_t now_ms, unsigned number, char stamp[static RECORD_STAMP_ROOM]);
/* `path` with the stamp before its endings (`.jsonl.zst`, `.events.jsonl`, …). */
void record_name_append(const char *path, const char *stamp, struct buffer *output);
/* The stamp in `name` (without folders) if it is of the series of `path`; absent if not. */
struct slice record_name_stamp(const char *path, struct slice name);
/* Below, equal or above 0, as the moments. */
int record_stamp_compare(struct slice left, struct slice right);

#endif
