/* What a service answered about an event, by the event's id and the callback, for a while: who asks again about the
 * same event is answered without a question.
 *
 * Memory is fixed: KEPT_ANSWERS places of 1 KiB, of which none takes room before it is used; a full group of four gives
 * up its oldest. An answer that does not fit is not kept. Nothing is saved: a service that is asked once more after a
 * restart answers once more. Not for several threads. */
#ifndef WEIR_FILTERS_KEPT_ANSWERS_H
#define WEIR_FILTERS_KEPT_ANSWERS_H

#include "filters/callback.h"
#include "filters/service.h"

#define KEPT_ANSWERS 4096u
/* Longer ones are not kept, in bytes. */
#define KEPT_ANSWER_MAXIMUM 1000u

struct kept_answers;

/* `keep_ms`: how long an answer counts, from its question on; above 0. */
struct kept_answers *kept_answers_create(int64_t keep_ms);
void kept_answers_destroy(struct kept_answers *table);

/* Whether an answer to this question is there that still counts; it lives until the next call of kept_answers_put.
 * False for questions that are about no event or one without an id, and in a trial. */
bool kept_answers_find(const struct kept_answers *table, const struct callback_arguments *arguments,
                       struct service_answer *answer);
/* Keeps an answer, of any question: those that kept_answers_find would never find are passed over. */
void kept_answers_put(struct kept_answers *table, const struct callback_arguments *arguments,
                      const struct service_answer *answer);

#endif
