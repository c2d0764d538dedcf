/* How far each writer is, on the metrics page: a sample for each writer of the streams that are acted upon. */
#ifndef WEIR_ENGINE_WRITER_METRICS_H
#define WEIR_ENGINE_WRITER_METRICS_H

#include "engine/metrics.h"
#include "engine/observer.h"

/* Writers that are told of; those behind are left out. Synapse has a handful. */
#define WRITER_METRICS_MAXIMUM 100u

/* `observer` must be there as long as anything is rendered. */
void writer_metrics_register(struct metrics *metrics, const struct observer *observer);

#endif
