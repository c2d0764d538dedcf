/* What Synapse's wrappers make of modules from its old configuration sections, and of plain functions where it wants
 * async ones (callbacks.md, section 4). */
#ifndef WEIR_FILTERS_LEGACY_H
#define WEIR_FILTERS_LEGACY_H

#include "filters/chain.h"

/* Whether Synapse never calls the function, by a fault of that version: v1.47 loses check_3pid_auth and on_logged_out
 * of old password providers, and does not await an async on_logged_out. */
bool legacy_is_lost(const struct module_callback *registered, enum semantics semantics);

/* Turns the answer of an old module into what the walk sees; others are left as they are. */
void legacy_convert(const struct module_callback *registered, const struct chain *chain,
                    const struct callback_arguments *arguments, struct value *value);

#endif
