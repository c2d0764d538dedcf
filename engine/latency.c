/* Log-linear buckets: 32 equal ones in each power of two, so that a percentile is right to within 1/32 whatever the
 * scale, and recording costs a count of leading zeros and an increment. */
#include "engine/latency.h"

#include <math.h>

#define SUB_BITS 5
_Static_assert(LATENCY_SUB_BUCKETS == 1 << SUB_BITS, "the buckets of one power of two are counted in bits");

static unsigned bucket_of(uint64_t duration_ns)
{
    if (duration_ns < LATENCY_SUB_BUCKETS)
        return (unsigned)duration_ns;
    unsigned shift = 63 - (unsigned)__builtin_clzll(duration_ns) - SUB_BITS;
    unsigned bucket = (shift + 1) * LATENCY_SUB_BUCKETS + (unsigned)(duration_ns >> shift & (LATENCY_SUB_BUCKETS - 1));
    return bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1;
}

/* The largest duration that falls into `bucket`. */
static uint64_t upper_end(unsigned bucket)
{
    if (bucket < LATENCY_SUB_BUCKETS)
        return bucket;
    unsigned shift = bucket / LATENCY_SUB_BUCKETS - 1;
    uint64_t first = (uint64_t)(LATENCY_SUB_BUCKETS + bucket % LATENCY_SUB_BUCKETS) << shift;
    return first + ((uint64_t)1 << shift) - 1;
}

void latency_record_many(struct latency *latency, uint64_t duration_ns, uint64_t count)
{
    latency->counts[bucket_of(duration_ns)] += count;
    latency->count += count;
    latency->sum_ns += duration_ns * count;
    if (duration_ns > latency->maximum_ns)
        latency->maximum_ns = duration_ns;
}

void latency_record(struct latency *latency, uint64_t duration_ns)
{
    latency_record_many(latency, duration_ns, 1);
}

uint64_t latency_quantile(const struct latency *latency, double quantile)
{
    if (latency->count == 0)
        return 0;
    double share = quantile > 0 ? quantile < 1 ? quantile : 1 : 0;
    uint64_t wanted = (uint64_t)ceil(share * (double)latency->count);
    uint64_t seen = 0;
    for (unsigned bucket = 0; bucket < LATENCY_BUCKETS - 1; bucket++) {
        seen += latency->counts[bucket];
        if (seen > 0 && seen >= wanted)
            return upper_end(bucket) < latency->maximum_ns ? upper_end(bucket) : latency->maximum_ns;
    }
    return latency->maximum_ns;
}

uint64_t latency_count_below(const struct latency *latency, uint64_t bound_ns)
{
    if (bound_ns >= latency->maximum_ns)
        return latency->count;
    uint64_t seen = 0;
    for (unsigned bucket = 0; bucket <= bucket_of(bound_ns); bucket++)
        seen += latency->counts[bucket];
    return seen;
}
