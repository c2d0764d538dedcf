#include "engine/shared_wait.h"

#include <stdlib.h>
#include <uthash.h>

#include "base/memory.h"

struct shared_wait {
    struct shared_waiter *first;
    struct shared_waiter **last;
    UT_hash_handle hh;
    char name[];
};

struct shared_waits {
    struct shared_wait *waits;
};

struct shared_waits *shared_waits_create(void)
{
    return memory_allocate_zeroed(1, sizeof(struct shared_waits));
}

void shared_waits_destroy(struct shared_waits *waits)
{
    if (!waits)
        return;
    struct shared_wait *wait = waits->waits;
    HASH_CLEAR(hh, waits->waits); /* the links of the waits stay */
    while (wait) {
        struct shared_wait *next = wait->hh.next;
        free(wait);
        wait = next;
    }
    free(waits);
}

static struct shared_wait *find(const struct shared_waits *waits, struct slice name)
{
    struct shared_wait *wait;
    HASH_FIND(hh, waits->waits, name.data, name.length, wait);
    return wait;
}

bool shared_waits_has(const struct shared_waits *waits, struct slice name)
{
    return find(waits, name) != NULL;
}

bool shared_waits_join(struct shared_waits *waits, struct slice name, struct shared_waiter *waiter)
{
    struct shared_wait *wait = find(waits, name);
    bool first = !wait;
    if (first) {
        wait = memory_allocate_zeroed(1, sizeof *wait + name.length + 1);
        memcpy(wait->name, name.data, name.length);
        wait->last = &wait->first;
        HASH_ADD(hh, waits->waits, name, name.length, wait);
    }
    waiter->wait = wait;
    waiter->next = NULL;
    waiter->place = wait->last;
    *wait->last = waiter;
    wait->last = &waiter->next;
    return first;
}

void shared_waits_leave(struct shared_waiter *waiter)
{
    struct shared_wait *wait = waiter->wait;
    if (!wait)
        return;
    *waiter->place = waiter->next;
    if (waiter->next)
        waiter->next->place = waiter->place;
    else
        wait->last = waiter->place;
    waiter->wait = NULL;
}

/* Out of the table first: who is woken may wait for the same name again. */
void shared_waits_wake(struct shared_waits *waits, struct slice name, const void *result)
{
    struct shared_wait *wait = find(waits, name);
    if (!wait)
        return;
    HASH_DEL(waits->waits, wait);
    while (wait->first) {
        struct shared_waiter *waiter = wait->first;
        shared_waits_leave(waiter);
        waiter->woken(waiter->context, result);
    }
    free(wait);
}

size_t shared_waits_count(const struct shared_waits *waits)
{
    return HASH_COUNT(waits->waits);
}
