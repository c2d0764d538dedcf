/* `weir status`: the engine's status (docs/admin-api.md) as one screen, the worst first. */
#ifndef WEIR_ENGINE_STATUS_TEXT_H
#define WEIR_ENGINE_STATUS_TEXT_H

#include <yyjson.h>

#include "base/buffer.h"

/* Appends it; false, and nothing is appended, if `status` is no status. */
bool status_text_append(yyjson_val *status, bool colour, struct buffer *output);
/* Whether nothing is missing to do the job, or to take it over. */
bool status_text_is_ready(yyjson_val *status);

/* What to do about what `missing` of a status says; never NULL. */
const char *status_text_advice(struct slice missing);

#endif
