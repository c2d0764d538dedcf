/* Reads back what a row of the durable stream `<server_name>/weir/verdicts` tells of positions (the row:
 * engine/verdict.h).
 */
#ifndef WEIR_ENGINE_VERDICT_LOG_H
#define WEIR_ENGINE_VERDICT_LOG_H

#include "engine/positions_copy.h"
#include "replication/stream.h"

/* What a row tells of the event that it is about; `take` gets slices that live until it returns. False if it is no row
 * of a stream that is known. */
typedef void verdict_log_take_function(void *context, enum stream stream, struct slice writer, int64_t token,
                                       struct slice event_id);
bool verdict_log_read_row(struct slice row, verdict_log_take_function *take, void *context);
/* Raises in `positions`, fields of the hash of positions as the instance `instance_name` would have stored them, that
 * of the row's stream and writer to the row's token. False, with nothing changed, if it is no row of a stream that is
 * known. */
bool verdict_log_take_row(struct positions_copy *positions, const char *instance_name, struct slice row);
/* Raises one field to a token. */
void verdict_log_raise(struct positions_copy *positions, struct slice name, int64_t token);

#endif
