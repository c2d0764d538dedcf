/* Names of a series of recordings: <stem>.<time><ending>, whose order is that of time, in any sorting. */
#ifndef WEIR_ENGINE_RECORD_NAMES_H
#define WEIR_ENGINE_RECORD_NAMES_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/slice.h"

/* "20260131T235959.042Z" */
#define RECORD_STAMP_ROOM 24

/* The stamp of a moment, in milliseconds since 1970. */
void record_stamp(int64_t moment_ms, char stamp[static RECORD_STAMP_ROOM]);
/* `path` with the stamp before its endings (`.jsonl.zst`, `.events.jsonl`, …). */
void record_name_append(const char *path, const char *stamp, struct buffer *output);
/* The stamp in `name` (without folders) if it is of the series of `path`; absent if not. */
struct slice record_name_stamp(const char *path, struct slice name);

#endif
