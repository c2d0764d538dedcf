/* What clashes between the modules of a chain, and what Synapse does about it at its start (callbacks.md, section 5).
 */
#ifndef WEIR_FILTERS_CHAIN_CONFLICTS_H
#define WEIR_FILTERS_CHAIN_CONFLICTS_H

#include "filters/chain.h"

/* Tells every conflict to `report` (may be NULL) and hides the pages that a module has taken before; false if any
 * conflict is fatal. */
bool chain_find_conflicts(struct chain *chain, chain_conflict_function *report, void *context);

/* Whether the registration takes part in the chain: all do but those of a second background update controller, and
 * companions that would be alone. */
bool chain_registration_counts(const struct chain *chain, uint32_t module_index,
                               const struct module_callback *registered);

#endif
