/* The metric families of an outbox. */
#ifndef WEIR_ENGINE_OUTBOX_METRICS_H
#define WEIR_ENGINE_OUTBOX_METRICS_H

#include "engine/metrics.h"
#include "engine/outbox.h"

struct outbox_metrics {
    const struct outbox *outbox;
    struct latency *latency;
    struct outbox_counts counts; /* as they were rendered last */
};

/* `metrics` must not move afterwards: the registry keeps it. */
void outbox_metrics_register(struct outbox_metrics *metrics, struct metrics *registry, const struct outbox *outbox);

#endif
