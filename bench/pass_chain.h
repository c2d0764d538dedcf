/* A chain of modules that look at nothing in an event and let it pass: what is left is the walk itself. */
#ifndef WEIR_BENCH_PASS_CHAIN_H
#define WEIR_BENCH_PASS_CHAIN_H

#include "filters/chain.h"

/* `modules` of them, the first `dry` in dry_run. The caller destroys the chain; ends the process with 1 on failure. */
struct chain *pass_chain(unsigned modules, unsigned dry);

/* The callback of such a module. */
void pass_event(void *state, const struct callback_arguments *arguments, struct result *result);

#endif
