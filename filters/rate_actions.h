/* What people do that a rate can count: events, joins, invites, … Each is a bit, by its place in one table of names,
 * callbacks and keys. */
#ifndef WEIR_FILTERS_RATE_ACTIONS_H
#define WEIR_FILTERS_RATE_ACTIONS_H

#include "filters/rate_rule.h"

#define RATE_ACTION_EVENTS 1u

/* Reads the names into bits. False, reported under `actions` or `key`, if one is none, if there are none at all, or if
 * Synapse does not tell the key of one; `key_name` is what people call it. */
bool rate_actions_read(unsigned *bits, const struct module_host *host, const struct text_list *names, enum rate_key key,
                       const char *key_name);
/* The bit of the action that the callback tells of; 0: none. */
unsigned rate_action_of(enum callback callback);
/* Registers `function` for the callbacks of these actions. */
void rate_actions_register(unsigned bits, const struct module_setup *setup, callback_function *function);

#endif
