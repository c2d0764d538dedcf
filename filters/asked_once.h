/* One act that several callbacks ask about counts once: an invite, a join.
 *
 * Synapse asks about a join by user_may_join_room and then, as an event, by check_event_allowed, and it is seen once
 * more when it was stored. What was said is kept by what the act is (who, to whom, where), with the callbacks that have
 * asked: the same act counts again when a callback asks of it for the second time, or a minute later. An event that has
 * an id keeps its answer for as long as the id is known.
 *
 * Memory is fixed: 32 bytes for each of the acts that are remembered. Not for several threads. */
#ifndef WEIR_FILTERS_ASKED_ONCE_H
#define WEIR_FILTERS_ASKED_ONCE_H

#include "base/buffer.h"
#include "filters/callback.h"

/* How long a question may come behind the first about the same act. */
#define ASKED_ONCE_APART_MS 60000
/* Answers are below that. */
#define ASKED_ONCE_ANSWERS 16u

struct asked_once;

/* `acts`: how many are remembered, at least 8. */
struct asked_once *asked_once_create(uint32_t acts);
void asked_once_destroy(struct asked_once *table);

/* Whether the question is one more about an act that is known: `*answer` is what was said. `act` is a hash of what the
 * act is, made with `seed` (base/keyed_hash.h). */
bool asked_once_find(struct asked_once *table, const struct callback_arguments *arguments, uint64_t act, uint64_t seed,
                     uint32_t *answer);
/* Remembers the answer to a question that was a new one. Neither changes anything in a trial. */
void asked_once_put(struct asked_once *table, const struct callback_arguments *arguments, uint64_t act, uint64_t seed,
                    uint32_t answer);

/* Appends all that the table holds. */
void asked_once_save(const struct asked_once *table, struct buffer *output);
/* Takes the place of all that the table holds; false, and the table is empty, if no table has saved that. */
bool asked_once_restore(struct asked_once *table, struct slice saved);

#endif
