/* Where the master is that Redis Sentinels watch over.
 *
 * A sentinel may be cut off and not know of a fail-over. Each fail-over has a number, the configuration's epoch, which
 * only rises: of two answers the one with the higher epoch is right. */
#ifndef WEIR_ENGINE_REDIS_SENTINEL_H
#define WEIR_ENGINE_REDIS_SENTINEL_H

#include <event2/event.h>

#include "engine/redis_address.h"

struct redis_sentinel;

/* The sentinel may be destroyed from within each of them. */
struct redis_sentinel_callbacks {
    void *context;
    /* What was asked; `host` is the sentinel's until it is asked again. */
    void (*found)(void *context, const char *host, uint16_t port);
    /* None of them knows; `reason` is a sentence for people. */
    void (*failed)(void *context, const char *reason);
    /* While it watches: there was a fail-over, and the master is another one than that found. */
    void (*moved)(void *context);
};

/* `address` must stay valid, and must name sentinels. */
struct redis_sentinel *redis_sentinel_create(struct event_base *base, const struct redis_address *address,
                                             const struct redis_sentinel_callbacks *callbacks);
void redis_sentinel_destroy(struct redis_sentinel *sentinel);

/* Asks the sentinels one by one, beginning with the one that answered last, until one knows what is not older than what
 * is known already; ends with `found` or `failed`, never before this returns. A sentinel gets REDIS_SENTINEL_WAIT_MS
 * for each step. */
void redis_sentinel_ask(struct redis_sentinel *sentinel);
/* Asks one of them in turn every REDIS_SENTINEL_WATCH_MS, until the next ask or stop: a master that is cut off from the
 * sentinels, but not from us, believes for ever that it is the master. */
void redis_sentinel_watch(struct redis_sentinel *sentinel);
void redis_sentinel_stop(struct redis_sentinel *sentinel);

#define REDIS_SENTINEL_WAIT_MS 1000
#define REDIS_SENTINEL_WATCH_MS 1000

#endif
