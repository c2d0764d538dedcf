/* The source answers everything that it was asked, some time: a question that nobody waits for any more keeps its place
 * until then, so that a database which answers nothing is not asked for ever more. */
#include "engine/explain_lookup.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "base/memory.h"

struct lookup {
    TAILQ_ENTRY(lookup) link;
    struct explain_lookup *owner;
    uint64_t ticket;
    explain_lookup_function *ended; /* NULL: nobody waits */
    void *context;
    struct event *timer;
};

struct explain_lookup {
    struct event_base *base;
    struct bodies *bodies;
    TAILQ_HEAD(, lookup) all;
    unsigned count;
    uint64_t last_ticket;
    bool stopped;
};

struct explain_lookup *explain_lookup_create(struct event_base *base, struct bodies *bodies)
{
    struct explain_lookup *lookup = memory_allocate_zeroed(1, sizeof *lookup);
    lookup->base = base;
    lookup->bodies = bodies;
    lookup->last_ticket = EXPLAIN_LOOKUP_TICKET;
    TAILQ_INIT(&lookup->all);
    return lookup;
}

static void end(struct lookup *one, enum explain_lookup_ending ending, struct slice body)
{
    explain_lookup_function *ended = one->ended;
    one->ended = NULL;
    event_del(one->timer);
    if (ended)
        ended(one->context, ending, body);
}

static void remove_one(struct lookup *one)
{
    TAILQ_REMOVE(&one->owner->all, one, link);
    one->owner->count--;
    event_free(one->timer);
    free(one);
}

static void on_timer(evutil_socket_t socket, short what, void *context)
{
    (void)socket, (void)what;
    end(context, EXPLAIN_LOOKUP_LATE, SLICE_ABSENT);
}

void explain_lookup_stop(struct explain_lookup *lookup)
{
    if (!lookup)
        return;
    lookup->stopped = true;
    struct lookup *one;
    TAILQ_FOREACH(one, &lookup->all, link)
    end(one, EXPLAIN_LOOKUP_STOPPED, SLICE_ABSENT);
}

void explain_lookup_destroy(struct explain_lookup *lookup)
{
    for (struct lookup *one = lookup ? TAILQ_FIRST(&lookup->all) : NULL, *next; one; one = next) {
        next = TAILQ_NEXT(one, link);
        remove_one(one);
    }
    free(lookup);
}

static void ask_later(struct explain_lookup *lookup, const struct body_source *source, struct slice event_id,
                      explain_lookup_function *ended, void *context)
{
    static const struct timeval limit = {.tv_sec = EXPLAIN_LOOKUP_MS / 1000};
    struct lookup *one = memory_allocate_zeroed(1, sizeof *one);
    *one = (struct lookup){.owner = lookup, .ticket = ++lookup->last_ticket, .ended = ended, .context = context};
    one->timer = event_new(lookup->base, -1, 0, on_timer, one);
    event_add(one->timer, &limit);
    TAILQ_INSERT_TAIL(&lookup->all, one, link);
    lookup->count++;
    source->request(source->context, one->ticket, event_id);
}

void explain_lookup_ask(struct explain_lookup *lookup, struct slice event_id, explain_lookup_function *ended,
                        void *context)
{
    struct body_source source = bodies_source(lookup->bodies);
    if (lookup->stopped) {
        ended(context, EXPLAIN_LOOKUP_STOPPED, SLICE_ABSENT);
    } else if (source.find) {
        struct slice body = source.find(source.context, event_id);
        ended(context, slice_present(body) ? EXPLAIN_LOOKUP_FOUND : EXPLAIN_LOOKUP_MISSING, body);
    } else if (!source.request) {
        ended(context, EXPLAIN_LOOKUP_NO_SOURCE, SLICE_ABSENT);
    } else if (!bodies_ready(lookup->bodies)) {
        ended(context, EXPLAIN_LOOKUP_AWAY, SLICE_ABSENT);
    } else if (lookup->count == EXPLAIN_LOOKUP_MAXIMUM) {
        ended(context, EXPLAIN_LOOKUP_BUSY, SLICE_ABSENT);
    } else {
        ask_later(lookup, &source, event_id, ended, context);
    }
}

void explain_lookup_forget(struct explain_lookup *lookup, const void *context)
{
    struct lookup *one;
    TAILQ_FOREACH(one, &lookup->all, link)
    {
        if (one->context != context)
            continue;
        one->ended = NULL;
        event_del(one->timer);
    }
}

void explain_lookup_arrived(struct explain_lookup *lookup, uint64_t ticket, struct slice body)
{
    struct lookup *one;
    TAILQ_FOREACH(one, &lookup->all, link)
    if (one->ticket == ticket)
        break;
    if (!one)
        return;
    end(one, slice_present(body) ? EXPLAIN_LOOKUP_FOUND : EXPLAIN_LOOKUP_MISSING, body);
    remove_one(one);
}
