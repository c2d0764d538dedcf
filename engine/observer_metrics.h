/* The metric families of an observer. */
#ifndef WEIR_ENGINE_OBSERVER_METRICS_H
#define WEIR_ENGINE_OBSERVER_METRICS_H

#include "engine/metrics.h"
#include "engine/observer.h"

/* Modules that have a label of their own; those behind share the last one. */
#define OBSERVER_MODULE_LABELS 256
#define OBSERVER_MODULE_COUNTS 5

struct observer_metrics {
    const struct observer *observer;
    uint64_t *commands; /* by command_name, and one more for unknown ones */
    uint64_t *rows;     /* by stream, and one more for unknown ones */
    uint64_t *module_denials;
    const struct chain *chain;                       /* whose modules the labels name */
    uint64_t *module_counts[OBSERVER_MODULE_COUNTS]; /* of struct module_counts, by module */
    struct observer_counts counts;                   /* as they were rendered last */
    char module_labels[OBSERVER_MODULE_LABELS][64];
};

/* `metrics` must not move afterwards: the registry keeps it. */
void observer_metrics_register(struct observer_metrics *metrics, struct metrics *registry,
                               const struct observer *observer);
/* Names the modules' labels after `chain` and sets their counts to 0. */
void observer_metrics_use_chain(struct observer_metrics *metrics, const struct chain *chain);
/* What the module at that place of the chain is called in the label `module`; modules behind the last label share it.
 */
const char *observer_metrics_label(const struct observer_metrics *metrics, uint32_t module_index);
/* The count of denials of the module at that place of the chain. */
uint64_t *observer_metrics_denials(const struct observer_metrics *metrics, uint32_t module_index);

#endif
