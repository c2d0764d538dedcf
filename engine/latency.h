/* A histogram of durations with a bounded relative error (1/32), from 1 ns to hours, in fixed memory. */
#ifndef WEIR_ENGINE_LATENCY_H
#define WEIR_ENGINE_LATENCY_H

#include <stdint.h>

#define LATENCY_SUB_BUCKETS 32
#define LATENCY_BUCKETS (48 * LATENCY_SUB_BUCKETS)

struct latency {
    uint64_t counts[LATENCY_BUCKETS];
    uint64_t count;
    uint64_t sum_ns;
    uint64_t maximum_ns;
};

void latency_record(struct latency *latency, uint64_t duration_ns);
/* So many records of one duration. */
void latency_record_many(struct latency *latency, uint64_t duration_ns, uint64_t count);
/* The duration in ns that the share `quantile` (0…1) of the records does not exceed, to within 1/32; 0 if empty. */
uint64_t latency_quantile(const struct latency *latency, double quantile);
/* How many records are at most `bound_ns` (to within 1/32), for cumulative buckets. */
uint64_t latency_count_below(const struct latency *latency, uint64_t bound_ns);

#endif
