/* The whole judgement of an observed event: check_event_allowed, then, if that lets it pass, check_event_for_spam,
 * asked about the replaced event where there is a replacement (callbacks.md, sections 2.2 and 3).
 *
 * A judge belongs to one chain and one thread. It owns the memory of one judgement at a time; one that is pending is
 * taken out of it with judge_park. */
#ifndef WEIR_FILTERS_JUDGE_H
#define WEIR_FILTERS_JUDGE_H

#include "filters/chain.h"

struct judge;
struct judgement; /* a parked one */

struct judge *judge_create(const struct chain *chain);
void judge_destroy(struct judge *judge);

/* Which callbacks an event is asked of: a set of JUDGE_… bits. */
#define JUDGE_EVENT_ALLOWED 1u
#define JUDGE_EVENT_FOR_SPAM 2u
#define JUDGE_BOTH 3u

/* Of which callbacks Synapse itself would have asked this event (callbacks.md, section 3): by whether the sender is
 * ours, by membership events, and by what belongs to the creation of a room, for which the judge remembers the rooms
 * that it last saw created. `*reason` says why, in words. Needs the sender; without a body both are asked. Call it once
 * for each event, in stream order. */
unsigned judge_as_synapse(struct judge *judge, const struct event *event, const char **reason);

/* Reads `body` (absent: none) into `event`, whose row fields are set, for the chain's modules; see event_reader_read.
 */
enum event_read_status judge_read(struct judge *judge, struct slice body, struct event *event);

/* What the modules are told with the events that follow: `now_ms` and `trial` of callback_arguments. Until this was
 * called they see the time at which the judge was made, and no trial. */
void judge_set_time(struct judge *judge, int64_t now_ms, bool trial);

/* Judges. NULL: the judgement is pending; call judge_park, then judgement_resume when the ticket is answered. The
 * outcome lies in the judge: it and the event's slices live until the next call. */
const struct outcome *judge_event(struct judge *judge, const struct event *event, unsigned ask);
/* The ticket that the pending judgement waits for. */
uint64_t judge_ticket(const struct judge *judge);
/* Takes the pending judgement out of the judge with everything it needs (the event and its body are copied, so both
 * must still be there). */
struct judgement *judge_park(struct judge *judge);
uint64_t judgement_ticket(const struct judgement *judgement);
const struct event *judgement_event(const struct judgement *judgement);
/* Goes on. NULL: it waits again, under a new ticket. The outcome lives until judgement_free. */
const struct outcome *judgement_resume(struct judgement *judgement, const struct service_answer *answer);
void judgement_free(struct judgement *judgement);

#endif
