/* What the chain has anything for, in the words that are told to those who ask: they then ask nothing else. */
#ifndef WEIR_ENGINE_CALLBACKS_NOTICE_H
#define WEIR_ENGINE_CALLBACKS_NOTICE_H

#include "filters/chain.h"

/* Appends a JSON object:
 *   {"version":1,"semantics":"latest","instance":"weir1","callbacks":{"check_event_allowed":{"state":true},…}}
 * with a member of `callbacks` for each that some module registered. `state`: a module may read the room's state, which
 * is costly to send along. `login_types`: of auth_checkers, the fields of each login type. */
void callbacks_notice_append(const struct chain *chain, const char *instance_name, struct buffer *json);

#endif
