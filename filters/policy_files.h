/* Rules from files: the state of a policy list's room as somebody exported it, for a start without a database, and for
 * lists whose room Synapse is not in. */
#ifndef WEIR_FILTERS_POLICY_FILES_H
#define WEIR_FILTERS_POLICY_FILES_H

#include <yyjson.h>

#include "base/buffer.h"
#include "base/slice.h"

/* Called for each event. False ends the reading. */
typedef bool policy_event_function(void *context, yyjson_val *event);

/* Reads `text`: a JSON list of events, as GET /_matrix/client/v3/rooms/ROOM/state gives it, or one event a line. False
 * with a sentence in `problem` if it is neither; the events before the fault were given. */
bool policy_file_read(struct slice text, policy_event_function *each, void *context, struct buffer *problem);

#endif
