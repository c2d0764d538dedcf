/* The services that modules ask (filters/service.h), on the event loop: HTTP and HTTPS clients with connections that
 * are kept alive, a time limit for each question, a bound on what waits, and a circuit breaker.
 *
 * When a question is repeated. A question is a POST, and whoever answers may act upon it, so none is ever asked twice:
 * it is sent again only as long as its last byte has not been handed to the kernel. That covers every failure to
 * connect (look-up, TCP, TLS) and a kept connection that turns out to be closed when the question is to be written;
 * what such a server has seen is at most a piece of a request, which no HTTP server acts upon. A question that left
 * whole and got no answer has failed, even on an old connection that the server may have closed just then: from here
 * that cannot be told from a server that acted and then broke. To keep that case rare, a kept connection is looked at
 * before it is used, and is closed by us a second before the server's own time is up (its `Keep-Alive` header; without
 * one, after SERVICE_IDLE_MS).
 *
 * What counts as a failure for the breaker: no answer, and an answer that the module called unusable. When it opens,
 * the questions that still wait for a connection fail at once. */
#ifndef WEIR_ENGINE_SERVICE_H
#define WEIR_ENGINE_SERVICE_H

#include <event2/event.h>

#include "engine/metrics.h"
#include "filters/service.h"

/* How long a connection is kept without a question; the usual servers keep theirs for five seconds. */
#define SERVICE_IDLE_MS 4000

struct services;

/* The answer to a question, or the news that there is none. Always called from the event loop, never from within `post`
 * or `close`; it may post, and close any service. `answer` lives until it returns. */
typedef void services_answered_function(void *context, uint64_t ticket, const struct service_answer *answer);

/* `metrics` must outlive the services, and must not be rendered after their end. */
struct services *services_create(struct event_base *base, struct metrics *metrics, services_answered_function *answered,
                                 void *context);
/* Closes what is still open. Not to be called from within `answered`. */
void services_destroy(struct services *services);

/* What module_host.services wants to have; valid until services_destroy. Tickets are unique among all its services.
 *
 * `close` forgets the questions in flight: nothing is called for their tickets any more. A chain ends its services with
 * itself, and walks that were parked in it cannot go on without it: whoever parks them lets go of them first. */
const struct module_services *services_interface(struct services *services);

/* The services of one chain, apart from any event loop: so a chain may be made, and ended, in another thread. A service
 * that is opened in a batch is checked and prepared, and answers nothing until the batch is attached. The batch and its
 * services are used by one thread at a time. */
struct service_batch;
/* `rates` is what its modules find as that; NULL: none. */
struct service_batch *service_batch_create(const struct shared_rates *rates);
/* What module_host.services wants to have, for the modules of that chain; valid until service_batch_destroy. */
const struct module_services *service_batch_interface(struct service_batch *batch);
/* On the event loop. After the second, nothing is called for their questions any more, and the chain may be ended in
 * any thread; the services must not have ended before. Attached once. */
void service_batch_attach(struct service_batch *batch, struct services *services);
void service_batch_detach(struct service_batch *batch);
/* When the chain is gone; if it is attached, on the event loop. NULL is allowed. */
void service_batch_destroy(struct service_batch *batch);

#endif
