/* Lines of text as a JSON array. */
#ifndef WEIR_ENGINE_JSON_LINES_H
#define WEIR_ENGINE_JSON_LINES_H

#include "base/buffer.h"

/* Appends `,"member":["a line","the next"]`. The last line may do without its line break. */
void json_append_lines(struct buffer *json, const char *member, struct slice lines);

#endif
