/* A walk that is sampled goes as it would go otherwise: no module is asked that would not have been. Reading the clock
 * takes as long as many a module, so that much is taken off. */
#include "filters/chain_sample.h"

#include <time.h>

#include "filters/chain_walk.h"

#define CLOCK_TRIES 32

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The least of some, since anything may come in between. */
static uint32_t clock_cost(void)
{
    uint64_t least = 1000;
    for (int turn = 0; turn < CLOCK_TRIES; turn++) {
        uint64_t before = now_ns(), took = now_ns() - before;
        least = took < least ? took : least;
    }
    return (uint32_t)least;
}

void chain_sampler_start(struct chain_sampler *sampler)
{
    *sampler = (struct chain_sampler){.left = 1, .gap = 1, .seen = 1, .clock_ns = clock_cost()};
}

void chain_sample_begin(struct chain *chain, struct chain_sampler *sampler)
{
    chain->sample = (struct chain_sample){.stands_for = sampler->gap, .clock_ns = sampler->clock_ns};
    chain->watched = chain->trace || sampler->gap;
    sampler->left = sampler->gap = sampler->seen;
    if (sampler->seen < CHAIN_SAMPLE_EVERY)
        sampler->seen *= 2;
}

void chain_sample_end(struct chain *chain)
{
    chain->sample = (struct chain_sample){0};
    chain->watched = chain->trace != NULL;
}
