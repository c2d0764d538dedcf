/* The question of `weir log` to the engine (GET /v1/log), from what people wrote, and the text of its answers. */
#ifndef WEIR_ENGINE_LOG_QUERY_H
#define WEIR_ENGINE_LOG_QUERY_H

#include <stdint.h>
#include <yyjson.h>

#include "base/buffer.h"
#include "engine/tail_format.h"

/* One answer has so many rows at most. */
#define LOG_QUERY_PAGE 1000u

/* A parameter of the query: NULL values are left out. */
struct log_parameter {
    const char *name;
    const char *value;
};

/* Appends "/v1/log?room=…&limit=N", percent-encoded. `parameters` ends with a NULL name; `before` may be NULL. */
void log_query_append(const struct log_parameter *parameters, uint64_t limit, const char *before,
                      struct buffer *target);

/* Reads a moment as people write it into milliseconds since 1970: "90m" or "2d" (before `now_ms`), "2026-11-28",
 * "2026-11-28 15:04", "2026-11-28T15:04:05" (in the time zone of this machine; with a `Z` behind it in UTC), or such
 * milliseconds. False if it is none of these. */
bool log_query_moment(const char *text, int64_t now_ms, int64_t *moment_ms);

/* Appends one of `rows`: a line with the local time in front of what `weir tail` shows; or, if the format is JSON, the
 * row as it is. False if it is no row, and nothing is appended. */
bool log_query_append_row(struct tail_format *format, yyjson_val *row, struct buffer *output);

#endif
