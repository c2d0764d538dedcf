/* Who of two engines does the job of one `instance_name`: a lease in Redis, and the fence that makes it safe.
 *
 *     <server_name>/weir/lease/<instance_name>   the holder's id, "host:pid:random"; expires when it is not renewed
 *     <server_name>/weir/fence/<instance_name>   a number that rises by one whenever the lease is taken
 *
 * The lease decides who works, by time, and time can deceive: a holder may be stopped for longer than its lease and not
 * know. So what the holder writes, it writes under the number that the fence had when it took the lease, and Redis
 * looks at it in the same step (engine/transaction.h). The fence begins anywhere, at a multiple of 1000, so that a
 * number from before Redis lost its data means nothing afterwards.
 *
 * A holder that is not sure any more (nothing was renewed for as long as the lease lasts) is told so by `doubt`, and
 * when it is. It may find that nobody took the lease in the meantime, or that Redis has lost lease and fence; it then
 * goes on under its old number. Nobody is asked to give the lease back. */
#ifndef WEIR_ENGINE_LEASE_H
#define WEIR_ENGINE_LEASE_H

#include <event2/event.h>

#include "engine/redis_link.h"
#include "engine/transaction.h"

struct lease;

struct lease_settings {
    const char *server_name;
    const char *instance_name;
    const struct redis_address *address;
    int64_t lease_ms; /* 300 at least */
    bool first;       /* may take a lease that nobody has ever held, as Redis remembers */
};

struct lease_callbacks {
    void *context;
    /* The lease is ours; once in a life. */
    void (*taken)(void *context, const struct transaction_fence *fence);
    /* True: it may have run out. False: it is ours, after all. */
    void (*doubt)(void *context, bool doubt);
    /* Another holds it, under that id ("" if it cannot be told): the end; nothing further is called. */
    void (*lost)(void *context, struct slice holder);
    /* After lease_release. */
    void (*released)(void *context);
};

/* What keeps a lease that is not ours from being taken by us. */
enum lease_wait {
    LEASE_WAITS_FOR_HOLDER, /* nothing but its holder */
    LEASE_WAITS_FOR_REDIS,  /* Redis does not answer, or refuses */
    LEASE_WAITS_FOR_FIRST,  /* nobody has ever held it, and we may not be the first */
};

/* Connects, takes the lease when it is free, and renews it every third of its time. Everything handed in must outlive
 * it but for `callbacks`. */
struct lease *lease_create(struct event_base *base, const struct lease_settings *settings,
                           const struct lease_callbacks *callbacks);
/* Leaves the lease to run out, unless it was released. */
void lease_destroy(struct lease *lease);

/* Gives the lease back, and takes it no more; `released` is called when Redis has answered, or cannot be asked (perhaps
 * at once), or has not answered for half a second. */
void lease_release(struct lease *lease);

bool lease_is_held(const struct lease *lease);
/* It is held as far as we know, but has not been renewed in time. */
bool lease_is_in_doubt(const struct lease *lease);
/* The number under which it is held; 0 if it is not. */
uint64_t lease_fence(const struct lease *lease);
/* Of a lease that is not held. */
enum lease_wait lease_waits_for(const struct lease *lease);

#endif
