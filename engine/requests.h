/* Requests over Redis: entries of the stream `<server_name>/weir/requests`, shared out to the engines by the consumer
 * group `weir`, answered on the channel that each of them names (design: section 5; the fields: engine/answerer.h).
 *
 * Each request is answered at least once. It stays pending in the group until the transaction that publishes its answer
 * also acknowledges it; what a dead engine left is claimed by another. One that engines die of is asked so many times
 * and then set aside, in the stream `<server_name>/weir/requests/poisoned`.
 *
 * What the chain has anything for is told in the key `<server_name>/weir/callbacks` (engine/callbacks_notice.h). */
#ifndef WEIR_ENGINE_REQUESTS_H
#define WEIR_ENGINE_REQUESTS_H

#include <event2/event.h>

#include "engine/answerer.h"
#include "engine/outbox.h"
#include "engine/redis_link.h"

struct requests;

struct requests_settings {
    const char *server_name;
    const char *instance_name; /* the consumer's name in the group */
    const struct redis_address *address;
    int64_t batch;           /* requests read at once, at most */
    int64_t queue;           /* that were read and wait to be asked, at most */
    int64_t stream;          /* the stream is trimmed to about so many */
    int64_t tries;           /* deliveries of a request, after which it is set aside */
    int64_t claim_after_ms;  /* another engine's request that was not answered for so long is taken over */
    int64_t forget_after_ms; /* an engine that was silent for so long, and left nothing, leaves the group */
};

/* Connects at once. Everything handed in must outlive it. */
struct requests *requests_create(struct event_base *base, const struct requests_settings *settings,
                                 struct questions *questions, struct outbox *outbox, struct metrics *metrics);
/* Requests that wait are forgotten: they stay pending, and another engine takes them over. */
void requests_destroy(struct requests *requests);

/* Stops and resumes reading; what has been asked of Redis before is still taken, and answered. */
void requests_pause(struct requests *requests, bool paused);
/* Whether nothing is in hand: for a stop, which waits for that after a pause. */
bool requests_is_idle(const struct requests *requests);
/* The questions' chain is another one. */
void requests_tell_callbacks(struct requests *requests);
struct answerer_counts requests_counts(const struct requests *requests);

#endif
