/* Many who wait for one thing by its name: the keys of a server, the version of a room, what the chain says of an
 * event. Whoever is first starts the work; the others join, and all are woken with its result. */
#ifndef WEIR_ENGINE_SHARED_WAIT_H
#define WEIR_ENGINE_SHARED_WAIT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

struct shared_waits;
struct shared_wait;

/* One who waits; it is part of its owner. A zeroed struct waits for nothing. */
struct shared_waiter {
    /* `result` is what shared_waits_wake got. It may join something else, or leave for others. */
    void (*woken)(void *context, const void *result);
    void *context;
    struct shared_wait *wait;
    struct shared_waiter *next;
    struct shared_waiter **place;
};

struct shared_waits *shared_waits_create(void);
/* Those who wait are forgotten; they must not leave afterwards. */
void shared_waits_destroy(struct shared_waits *waits);

/* Whether anybody has begun to wait for `name`, and was not woken yet. */
bool shared_waits_has(const struct shared_waits *waits, struct slice name);
/* Joins; true if it is the first, who has to start the work. The waiter must not wait already. */
bool shared_waits_join(struct shared_waits *waits, struct slice name, struct shared_waiter *waiter);
/* Joins no more, if it does. The work goes on, even if nobody waits for it. */
void shared_waits_leave(struct shared_waiter *waiter);
/* Wakes all that wait for `name`, in the order of their coming; they wait no more. `name` may be a part of `result`. */
void shared_waits_wake(struct shared_waits *waits, struct slice name, const void *result);
/* How many names are waited for. */
size_t shared_waits_count(const struct shared_waits *waits);

#endif
