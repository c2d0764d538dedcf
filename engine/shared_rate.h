/* Rates that several engines keep together in Redis (filters/shared_rates.h): token buckets under
 * `<server_name>/weir/rates/…`, all of one question looked at and paid in one script. Questions of one turn of the loop
 * go out together.
 *
 * A bucket is the text "MS:PART", the moment at which it will be full again, in milliseconds since 1970 and parts of
 * one, 1/count ms each: the arithmetic of base/rate_table.h, and as exact. It expires when it is full. Times are those
 * of the questions; the engines' clocks should agree. A bucket never lacks more than it holds, so one that a clock far
 * ahead has emptied is not lost to the others for longer than it takes to fill.
 *
 * When Redis is away, or an answer takes longer than SHARED_RATE_PATIENCE_MS, the question fails and the module decides
 * (`on_error`); as long as what was asked before stays unanswered, further questions fail at once. The beginning and
 * the end of such a time are logged, and all failures are counted. */
#ifndef WEIR_ENGINE_SHARED_RATE_H
#define WEIR_ENGINE_SHARED_RATE_H

#include <event2/event.h>

#include "engine/metrics.h"
#include "engine/redis_address.h"
#include "engine/service.h"
#include "filters/shared_rates.h"

#define SHARED_RATE_PATIENCE_MS 250
/* Questions without an answer; more fail at once. */
#define SHARED_RATE_IN_FLIGHT 16384u
/* Set in all tickets, and in none of the services'. */
#define SHARED_RATE_TICKET (UINT64_C(1) << 63)

struct shared_rate;

/* `answered` as for services_create; both outlive it. */
struct shared_rate *shared_rate_create(struct event_base *base, struct metrics *metrics,
                                       services_answered_function *answered, void *context);
/* After the worker. Modules that a thread left behind still has may join and leave as long as it works. */
void shared_rate_destroy(struct shared_rate *rate);

/* From now on it may connect, once a module wants to ask. `address` must stay valid, `server_name` is copied. */
void shared_rate_use(struct shared_rate *rate, const struct redis_address *address, const char *server_name);

/* Modules may have come since: it connects if one wants to ask. On the event loop. */
void shared_rate_wake(struct shared_rate *rate);

/* What modules find as `rates` of module_services. They may be made, and ended, in another thread. */
const struct shared_rates *shared_rate_interface(struct shared_rate *rate);

#endif
