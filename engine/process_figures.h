/* What the process costs, and what it is: for the status, and on the metrics page by the names that Prometheus's own
 * clients give them. */
#ifndef WEIR_ENGINE_PROCESS_FIGURES_H
#define WEIR_ENGINE_PROCESS_FIGURES_H

#include "engine/metrics.h"

struct process_figures {
    uint64_t resident_bytes; /* 0 where /proc cannot be read */
    double processor_seconds;
    uint64_t open_files;
    uint64_t most_files; /* that it may open */
};
struct process_figures process_figures(void);

/* `started_ms` is when the process began, in milliseconds since 1970; it must stay where it is. */
void process_metrics_register(struct metrics *metrics, const int64_t *started_ms);

#endif
