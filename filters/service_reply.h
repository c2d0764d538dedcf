/* What a web service's answer means for the callback that it was asked about. */
#ifndef WEIR_FILTERS_SERVICE_REPLY_H
#define WEIR_FILTERS_SERVICE_REPLY_H

#include "filters/callback.h"

/* Reads any answer that value_read_json does, tagged or plain, and beside it, so that a service need not know of
 * Python's types, for
 *
 *   check_event_allowed          true, false, and [true, OBJECT]: the event with these members replaced
 *   check_registration_for_spam  "ALLOW", "SHADOW_BAN", "DENY"
 *   get_interested_users         an array of user ids
 *   get_users_for_states         an object of user id → array of presence states, or of user ids: the updates asked
 *                                about of these users
 *   auth_checkers, check_3pid_auth   "@user:id", and ["@user:id", null]
 *   add_field_to_unsigned, get_media_config_for_user   any object
 *   on_create_room               an object: its members are written into the request
 *
 * Everything is copied into the question's arena. False with a sentence in `*problem` for anything else. */
bool service_reply_read(const struct callback_arguments *arguments, const json_t *reply, struct value *value,
                        const char **problem);

#endif
