/* The metric families of the services. A service is named by its URL without the query; those with the same URL share
 * their values, and so does a configuration that was loaded again with the one before it. */
#ifndef WEIR_ENGINE_SERVICE_METRICS_H
#define WEIR_ENGINE_SERVICE_METRICS_H

#include "engine/metrics.h"
#include "engine/service_connection.h"

/* URLs that have a label of their own; those beyond share the last one. */
#define SERVICE_LABELS 64

struct service_metrics {
    uint64_t *questions; /* these five by label */
    uint64_t *answers;
    uint64_t *failed;
    uint64_t *in_flight;
    uint64_t *breaker;
    uint64_t *failures; /* by enum service_failure */
    struct latency *latency;
    char *labels[SERVICE_LABELS];
    uint32_t users[SERVICE_LABELS];
};

/* `metrics` must not move afterwards: the registry keeps it. */
void service_metrics_register(struct service_metrics *metrics, struct metrics *registry);
void service_metrics_free(struct service_metrics *metrics);

/* The place of a service's values, until it is released. A URL that comes back finds its old values, unless another
 * needed the place. */
uint32_t service_metrics_acquire(struct service_metrics *metrics, const char *label);
void service_metrics_release(struct service_metrics *metrics, uint32_t place);

#endif
