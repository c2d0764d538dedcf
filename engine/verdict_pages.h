/* Reads the durable stream of verdicts backwards for whoever asks, page by page, on a connection of its own: the
 * outbox's transactions wait for nobody's curiosity. It is made when it is first needed, and closed when nobody has
 * asked for a minute. */
#ifndef WEIR_ENGINE_VERDICT_PAGES_H
#define WEIR_ENGINE_VERDICT_PAGES_H

#include <event2/event.h>

#include "engine/redis_address.h"
#include "engine/verdict_query.h"

/* Queries that are read for at once. */
#define VERDICT_PAGES_READINGS_MAXIMUM 4u
/* What one of them may look at, take and bring. */
#define VERDICT_PAGES_ROWS_MAXIMUM 100000u
#define VERDICT_PAGES_MS_MAXIMUM 2000u
#define VERDICT_PAGES_BYTES_MAXIMUM (4u << 20)

struct verdict_pages;
struct verdict_reading;

/* What came of it; lives until the call that brings it returns. */
struct verdict_found {
    const char *problem; /* a sentence: Redis is away, or refuses. NULL: the rest holds */
    struct slice rows;   /* {"id":…,"at":…,"token":…,"row":…} with commas in between, the newest first */
    const char *next;    /* where to go on: `before` of the next query; NULL: all was looked at */
    uint64_t scanned;
};
typedef void verdict_found_function(void *context, const struct verdict_found *found);

/* `address` must stay valid. */
struct verdict_pages *verdict_pages_create(struct event_base *base, const struct redis_address *address,
                                           const char *server_name);
/* Whoever waits is not told any more. */
void verdict_pages_destroy(struct verdict_pages *pages);

/* Takes the query over (it is zeroed). `found` is called once, not from within. NULL, with the query left alone, if too
 * many are being read for. */
struct verdict_reading *verdict_pages_read(struct verdict_pages *pages, struct verdict_query *query,
                                           verdict_found_function *found, void *context);
/* Nobody waits for it any more: `found` is not called. */
void verdict_pages_forget(struct verdict_reading *reading);

#endif
