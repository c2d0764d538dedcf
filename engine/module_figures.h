/* What the modules of a chain say of themselves, on the metrics page: a family for each figure of each kind of module,
 * weir_module_<module>_<figure>, with a sample for each module of that kind. */
#ifndef WEIR_ENGINE_MODULE_FIGURES_H
#define WEIR_ENGINE_MODULE_FIGURES_H

#include "engine/metrics.h"
#include "filters/chain.h"

/* Appends them all. `label` says what the module at an index of the chain is called in `module`; a figure whose name
 * ends in `_total` is a counter. A module without a label of its own is left out. */
void module_figures_append(struct buffer *output, const struct chain *chain, metric_label_function *label,
                           const void *context);

#endif
