/* A sender_list that denies a chosen share of the recorded events. */
#ifndef WEIR_BENCH_HIT_SHARE_H
#define WEIR_BENCH_HIT_SHARE_H

#include "bench/corpus.h"
#include "bench/rules.h"

/* The standard chain's 10,000 ids, and as many of the recorded senders as hold `per_cent` of the events, as nearly as
 * whole senders can. */
struct rules_module hit_share_senders(const struct corpus_event *events, size_t count, unsigned per_cent);

#endif
