/* From an event's row to its verdict: the body, the chain, and all that may have to be waited for.
 *
 * An event is judged where it stands if its body is at hand and no event of its room waits. Otherwise it waits in a
 * queue (engine/event_queue.h), for its body, for a service that a module asked (design: section 9), or for an event of
 * its room; what other rooms wait for does not concern it. The observer's own half of the work: it does no I/O. */
#ifndef WEIR_ENGINE_JUDGING_H
#define WEIR_ENGINE_JUDGING_H

#include "engine/observer.h"
#include "engine/observer_metrics.h"
#include "engine/writer_progress.h"

struct judging;

/* `counts` and `metrics` are the observer's and outlive it. */
struct judging *judging_create(const struct observer_settings *settings, const struct observer_callbacks *callbacks,
                               struct observer_counts *counts, struct observer_metrics *metrics);
void judging_destroy(struct judging *judging);

/* The progress of a writer of `events`, made if it is new. Writers are few: the position tracker bounds them. */
struct writer_progress *judging_writer(struct judging *judging, struct slice name);
/* The same of one that is known; NULL if it is not. */
const struct writer_progress *judging_find_writer(const struct judging *judging, struct slice name);

/* An event that is to be judged. `alone`: it is the only row of its token. */
void judging_event(struct judging *judging, const struct event_row *row, const struct event_origin *origin, bool alone);
/* All rows of the token were handed on. */
void judging_token_ends(struct judging *judging, struct writer_progress *writer, int64_t token);

/* See the functions of the observer with these names. */
void judging_late_event(struct judging *judging, const struct event_row *row, struct slice writer, int64_t token);
bool judging_late_waiting(const struct judging *judging, struct slice writer);
void judging_body_arrived(struct judging *judging, uint64_t ticket, struct slice body);
void judging_answered(struct judging *judging, uint64_t ticket, const struct service_answer *answer);
void judging_give_up(struct judging *judging, const char *reason);
void judging_use_chain(struct judging *judging, struct chain *chain);
/* Whether, from now on, only what Synapse asks is asked. */
void judging_ask_as_synapse(struct judging *judging, bool as_synapse);

/* Events that wait, and those of them that wait for a service. */
size_t judging_waiting(const struct judging *judging);
size_t judging_parked(const struct judging *judging);

#endif
