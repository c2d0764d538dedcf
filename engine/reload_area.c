/* Each request waits by itself, so that a client that hangs up takes only its own answer with it. */
#include "engine/reload_area.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/memory.h"
#include "engine/json_lines.h"

/* Nothing is read of it. */
#define BODY_MAXIMUM 65536

struct asking {
    LIST_ENTRY(asking) link;
    struct reload_area *area;
    struct http_exchange *exchange;
};

struct reload_area {
    struct reload *reload; /* NULL once it has stopped */
    LIST_HEAD(, asking) waiting;
};

static void append_result(struct buffer *json, const struct reload_result *result)
{
    buffer_append_format(json, "\"modules\":%u,\"seconds\":%.3f,\"stall_ms\":%.3f,\"cause\":", result->modules,
                         result->seconds, result->stall * 1e3);
    buffer_append_json_string(json, slice_from_string(result->cause));
    json_append_lines(json, "warnings", result->warnings);
}

static void answer(struct http_exchange *exchange, const struct reload_result *result)
{
    struct buffer json = {0};
    if (!result) {
        http_exchange_refuse(exchange, 503, "M_UNKNOWN", "this server is shutting down");
        return;
    }
    buffer_append_char(&json, '{');
    if (!result->loaded) {
        buffer_append_string(&json, "\"errcode\":\"M_INVALID_PARAM\",\"error\":\"the configuration was not loaded; the "
                                    "old one goes on\"");
        json_append_lines(&json, "errors", result->errors);
        buffer_append_char(&json, ',');
    }
    append_result(&json, result);
    buffer_append_string(&json, "}\n");
    http_exchange_answer(exchange, result->loaded ? 200 : 422, NULL, buffer_slice(&json));
    buffer_free(&json);
}

static void end(struct asking *asking)
{
    LIST_REMOVE(asking, link);
    free(asking);
}

static void on_done(void *context, const struct reload_result *result)
{
    struct asking *asking = context;
    struct http_exchange *exchange = asking->exchange;
    end(asking);
    answer(exchange, result);
}

static void on_gone(void *context)
{
    struct asking *asking = context;
    if (asking->area->reload)
        reload_forget(asking->area->reload, asking);
    end(asking);
}

static void tell(struct reload_area *area, struct http_exchange *exchange)
{
    const struct reload_result *last = reload_last(area->reload);
    struct buffer json = {0};
    buffer_append_format(
        &json,
        "{\"loading\":%s,\"reloads\":%llu,\"refused\":%llu,\"last\":", reload_is_busy(area->reload) ? "true" : "false",
        (unsigned long long)reload_count(area->reload), (unsigned long long)reload_refused_count(area->reload));
    if (last) {
        buffer_append_format(&json, "{\"loaded\":%s,\"at\":%lld", last->loaded ? "true" : "false", (long long)last->at);
        json_append_lines(&json, "errors", last->errors);
        buffer_append_char(&json, ',');
        append_result(&json, last);
        buffer_append_char(&json, '}');
    } else {
        buffer_append_string(&json, "null");
    }
    buffer_append_string(&json, "}\n");
    http_exchange_answer(exchange, 200, NULL, buffer_slice(&json));
    buffer_free(&json);
}

static void handle(void *context, struct http_exchange *exchange, const struct http_request *request)
{
    struct reload_area *area = context;
    if (!area->reload) {
        answer(exchange, NULL);
    } else if (slice_equal(request->method, SLICE("GET"))) {
        tell(area, exchange);
    } else {
        struct asking *asking = memory_allocate_zeroed(1, sizeof *asking);
        asking->area = area;
        asking->exchange = exchange;
        LIST_INSERT_HEAD(&area->waiting, asking, link);
        http_exchange_on_gone(exchange, on_gone, asking);
        reload_request(area->reload, "POST " RELOAD_AREA_PATH, on_done, asking);
    }
}

static const char *methods(void *context, struct slice path)
{
    (void)context;
    return slice_equal(path, SLICE(RELOAD_AREA_PATH)) ? "GET POST" : NULL;
}

struct reload_area *reload_area_create(struct reload *reload)
{
    struct reload_area *area = memory_allocate_zeroed(1, sizeof *area);
    area->reload = reload;
    LIST_INIT(&area->waiting);
    return area;
}

void reload_area_stop(struct reload_area *area)
{
    if (!area)
        return;
    for (struct asking *asking = LIST_FIRST(&area->waiting), *next; asking; asking = next) {
        next = LIST_NEXT(asking, link);
        if (area->reload)
            reload_forget(area->reload, asking);
        on_done(asking, NULL);
    }
    area->reload = NULL;
}

void reload_area_destroy(struct reload_area *area)
{
    free(area);
}

struct http_area reload_area_http(struct reload_area *area)
{
    return (struct http_area){
        .methods = methods, .handle = handle, .context = area, .body_maximum = BODY_MAXIMUM, .closed = true};
}
