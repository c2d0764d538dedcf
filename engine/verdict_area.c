/* A client that hangs up takes its reading along. */
#include "engine/verdict_area.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "base/memory.h"
#include "engine/clock.h"

struct asking {
    LIST_ENTRY(asking) link;
    struct verdict_area *area;
    struct http_exchange *exchange;
    struct verdict_reading *reading;
};

struct verdict_area {
    struct verdict_pages *pages; /* NULL once it has stopped */
    LIST_HEAD(, asking) waiting;
};

static struct http_exchange *take_out(struct asking *asking)
{
    struct http_exchange *exchange = asking->exchange;
    LIST_REMOVE(asking, link);
    free(asking);
    return exchange;
}

static void on_found(void *context, const struct verdict_found *found)
{
    struct http_exchange *exchange = take_out(context);
    struct buffer json = {0};
    if (found->problem) {
        http_exchange_refuse(exchange, 503, "M_UNKNOWN", found->problem);
        return;
    }
    buffer_append_string(&json, "{\"rows\":[");
    buffer_append_slice(&json, found->rows);
    buffer_append_string(&json, "],\"next\":");
    buffer_append_json_string(&json, slice_from_string(found->next));
    buffer_append_format(&json, ",\"scanned\":%llu}\n", (unsigned long long)found->scanned);
    http_exchange_answer(exchange, 200, NULL, buffer_slice(&json));
    buffer_free(&json);
}

static void on_gone(void *context)
{
    struct asking *asking = context;
    verdict_pages_forget(asking->reading);
    (void)take_out(asking);
}

static void read_log(struct verdict_area *area, struct http_exchange *exchange, struct verdict_query *query)
{
    struct asking *asking = memory_allocate_zeroed(1, sizeof *asking);
    struct verdict_reading *reading = verdict_pages_read(area->pages, query, on_found, asking);
    if (!reading) {
        free(asking);
        http_exchange_header(exchange, "Retry-After", "1");
        http_exchange_refuse(exchange, 429, "M_LIMIT_EXCEEDED", "too many queries of the log are being answered");
        return;
    }
    *asking = (struct asking){.area = area, .exchange = exchange, .reading = reading};
    LIST_INSERT_HEAD(&area->waiting, asking, link);
    http_exchange_on_gone(exchange, on_gone, asking);
}

static void handle(void *context, struct http_exchange *exchange, const struct http_request *request)
{
    struct verdict_area *area = context;
    struct verdict_query query = {0};
    struct buffer problem = {0};
    if (!area->pages)
        http_exchange_refuse(exchange, 503, "M_UNKNOWN", "this server is shutting down");
    else if (verdict_query_parse(&query, request->query, clock_wall_ms(), &problem))
        read_log(area, exchange, &query);
    else
        http_exchange_refuse(exchange, 400, "M_INVALID_PARAM", buffer_string(&problem));
    verdict_query_free(&query);
    buffer_free(&problem);
}

static const char *methods(void *context, struct slice path)
{
    (void)context;
    return slice_equal(path, SLICE(VERDICT_AREA_PATH)) ? "GET" : NULL;
}

struct verdict_area *verdict_area_create(struct event_base *base, const struct redis_address *address,
                                         const char *server_name)
{
    struct verdict_area *area = memory_allocate_zeroed(1, sizeof *area);
    area->pages = verdict_pages_create(base, address, server_name);
    LIST_INIT(&area->waiting);
    return area;
}

void verdict_area_stop(struct verdict_area *area)
{
    if (!area)
        return;
    for (struct asking *asking = LIST_FIRST(&area->waiting), *next; asking; asking = next) {
        next = LIST_NEXT(asking, link);
        verdict_pages_forget(asking->reading);
        on_found(asking, &(struct verdict_found){.problem = "this server is shutting down"});
    }
    verdict_pages_destroy(area->pages);
    area->pages = NULL;
}

void verdict_area_destroy(struct verdict_area *area)
{
    free(area);
}

struct http_area verdict_area_http(struct verdict_area *area)
{
    return (struct http_area){.methods = methods, .handle = handle, .context = area, .closed = true};
}
