/* The metric families of an outbox. */
#ifndef WEIR_ENGINE_OUTBOX_METRICS_H
#define WEIR_ENGINE_OUTBOX_METRICS_H

#include "engine/metrics.h"
#include "engine/outbox.h"

#define OUTBOX_COUNT_METRICS 8

struct outbox_metrics {
    const struct outbox *outbox;
    struct latency *latency;
    uint64_t *counts[OUTBOX_COUNT_METRICS];
};

/* `metrics` must not move afterwards: the registry keeps it. */
void outbox_metrics_register(struct outbox_metrics *metrics, struct metrics *registry, const struct outbox *outbox);

#endif
