/* A line of a file of event bodies, {"event_id": …, "json": {…}, …}: the id and where the body stands, without parsing
 * it. */
#ifndef WEIR_REPLICATION_BODY_LINE_H
#define WEIR_REPLICATION_BODY_LINE_H

#include <stdint.h>

#include "base/slice.h"

/* `event_id` lives until the call returns, `body` lies in the line. */
typedef void body_line_function(void *context, struct slice event_id, struct slice body);

/* False if the line is none: nothing was called then. */
bool body_line_read(struct slice line, body_line_function *found, void *context);
/* Every line of `lines`, empty ones passed over; returns how many are no bodies. */
uint64_t body_lines_read(struct slice lines, body_line_function *found, void *context);

#endif
