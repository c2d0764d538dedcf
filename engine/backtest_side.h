/* One of the chains that a backtest asks: the new configuration's, or the old one's. */
#ifndef WEIR_ENGINE_BACKTEST_SIDE_H
#define WEIR_ENGINE_BACKTEST_SIDE_H

#include "engine/backtest_batch.h"
#include "engine/observer.h"
#include "replication/body_index.h"

struct backtest_side;

/* `number`: whose answers of a batch are this side's. */
struct backtest_side *backtest_side_create(struct chain *chain, unsigned number, bool ask_as_synapse);
/* The chain must still be there; nobody hears of its dry runs afterwards. */
void backtest_side_destroy(struct backtest_side *side);

/* Whether batches must be judged one after another, in their order, because the chain remembers; `*reason` then says
 * which module, or setting, is why. */
bool backtest_side_ordered(const struct backtest_side *side, const char **reason);
/* Whether a module follows the room; by any thread. */
bool backtest_side_follows(const struct backtest_side *side, struct slice room_id);
/* Bodies for events that bring none; NULL: there are none. Between two runs only. */
void backtest_side_use_bodies(struct backtest_side *side, const struct body_index *bodies);
/* Judges the events of a batch; by several threads at once unless it is ordered. */
void backtest_side_judge(struct backtest_side *side, struct backtest_batch *batch);
/* What was counted by all threads. */
struct observer_counts backtest_side_counts(const struct backtest_side *side);

/* The body that came with the event, or that `bodies` has; absent if there is none. */
struct slice backtest_body(const struct body_index *bodies, const struct backtest_event *event);

#endif
