/* What the modules of a chain take, and how often they are asked, told from a few walks: one of CHAIN_SAMPLE_EVERY is
 * looked at and stands for those before it. The others pay for it with a countdown.
 *
 * The first ones come sooner (the first walk, the second, the fourth, the eighth …), so that a quiet server has figures
 * at once, and the first walk of all, which is slow, soon counts for nothing. */
#ifndef WEIR_FILTERS_CHAIN_SAMPLE_H
#define WEIR_FILTERS_CHAIN_SAMPLE_H

#include "filters/chain.h"

#define CHAIN_SAMPLE_EVERY 256u

/* Counts one kind of walks down. A zeroed one samples none. */
struct chain_sampler {
    uint32_t left; /* walks until one is sampled */
    uint32_t gap;  /* that it will stand for */
    uint32_t seen; /* up to it; it stops growing at CHAIN_SAMPLE_EVERY */
    uint32_t clock_ns;
};

void chain_sampler_start(struct chain_sampler *sampler);

/* To be asked once for each walk (or for the walks of one event): whether this one is to be sampled. */
static inline bool chain_sampler_is_due(struct chain_sampler *sampler)
{
    return __builtin_expect(--sampler->left == 0, 0);
}

/* Around such a walk: adds to `asked` and `nanoseconds` of the chain's module_counts. Only while one thread asks the
 * chain. What a module takes when it goes on after waiting for somebody is left out. */
void chain_sample_begin(struct chain *chain, struct chain_sampler *sampler);
void chain_sample_end(struct chain *chain);

#endif
