/* What each module of a chain costs, measured on a sample of the events behind a backtest.
 *
 * The sample is every n-th event, n a power of two such that it has at most COST_SAMPLE. Its events are judged again
 * COST_ROUNDS times, `trial` set, with a clock read before and after each module; of each module the round that took
 * the least counts, less what reading the clock takes. Reading the event itself is nobody's cost and is not in it. */
#ifndef WEIR_ENGINE_BACKTEST_COST_H
#define WEIR_ENGINE_BACKTEST_COST_H

#include "engine/backtest_batch.h"
#include "replication/body_index.h"

#define COST_SAMPLE 4096u
#define COST_ROUNDS 5u
/* Events with longer bodies are left out of the sample. */
#define COST_BODY_MAXIMUM ((size_t)64 << 10)

struct backtest_sample;

struct backtest_sample *backtest_sample_create(void);
void backtest_sample_destroy(struct backtest_sample *sample);
/* Offers the events of a batch, in the order of the stream; what is taken is copied. */
void backtest_sample_add(struct backtest_sample *sample, const struct backtest_batch *batch,
                         const struct body_index *bodies);
uint32_t backtest_sample_count(const struct backtest_sample *sample);

struct module_cost {
    double nanoseconds; /* for each event of the sample, whether the module was asked about it or not */
    double share;       /* of the events about which it was asked; above 1 if it was asked about some twice */
};

/* Measures every module of the chain, which nobody else may use meanwhile, into `costs`, by their place. They are 0 if
 * the sample is empty. */
void backtest_sample_measure(const struct backtest_sample *sample, struct chain *chain, struct module_cost *costs);

#endif
