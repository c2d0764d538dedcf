/* Keeps the choice of a body source out of the engine and the observer: one row for each kind. */
#include "engine/bodies.h"

#include <stddef.h>
#include <stdlib.h>

#include "base/memory.h"
#include "engine/log.h"
#include "engine/postgres_parameters.h"
#include "replication/body_file.h"
#include "replication/body_postgres.h"

static const struct metric_member members[] = {
    {{"weir_bodies_queries_total", METRIC_COUNTER, "Queries for event bodies sent to the database.", NULL},
     offsetof(struct body_postgres_counters, queries)},
    {{"weir_bodies_found_total", METRIC_COUNTER, "Event bodies that the database had.", NULL},
     offsetof(struct body_postgres_counters, found)},
    {{"weir_bodies_retried_total", METRIC_COUNTER, "Event bodies asked for again because they were not there yet.",
      NULL},
     offsetof(struct body_postgres_counters, retried)},
    {{"weir_bodies_reconnects_total", METRIC_COUNTER, "Connections made to the database of event bodies.", NULL},
     offsetof(struct body_postgres_counters, reconnects)},
};

struct bodies {
    struct body_file *file;
    struct body_postgres *postgres;
    body_arrived_function *arrived;
    void *arrived_context;
    struct body_postgres_counters counters; /* as they were rendered last */
};

static struct slice find_in_file(void *context, struct slice event_id)
{
    return body_file_find(context, event_id);
}

static bool open_file(struct bodies *bodies, const struct configuration *configuration)
{
    struct buffer error = {0};
    bodies->file = body_file_open(configuration->bodies_file, &error);
    if (bodies->file)
        log_info("event bodies come from a file", LOG_STRING("path", configuration->bodies_file),
                 LOG_INTEGER("bodies", body_file_count(bodies->file)),
                 LOG_INTEGER("bad_lines", body_file_bad_lines(bodies->file)));
    else
        log_error("the file of event bodies cannot be read", LOG_STRING("path", configuration->bodies_file),
                  LOG_TEXT("reason", buffer_slice(&error)));
    buffer_free(&error);
    return bodies->file != NULL;
}

static void on_arrived(void *context, uint64_t ticket, struct slice body)
{
    struct bodies *bodies = context;
    bodies->arrived(bodies->arrived_context, ticket, body);
}

static void on_state(void *context, const char *reason)
{
    (void)context;
    if (reason)
        log_warning("no connection to the database of event bodies; events wait for it", LOG_STRING("reason", reason));
    else
        log_info("connected to the database of event bodies");
}

static void collect(void *context)
{
    struct bodies *bodies = context;
    bodies->counters = body_postgres_counters(bodies->postgres);
}

static void open_postgres(struct bodies *bodies, struct event_base *base, const struct configuration *configuration,
                          struct metrics *metrics)
{
    struct postgres_parameters parameters = postgres_parameters(&configuration->postgres);
    struct body_postgres_settings settings = {
        .keywords = parameters.keywords, .values = parameters.values, .retry_for_ms = configuration->bodies_retry_ms};
    struct body_postgres_callbacks callbacks = {.context = bodies, .arrived = on_arrived, .state = on_state};
    bodies->postgres = body_postgres_create(base, &settings, &callbacks);
    metrics_register_members(metrics, members, sizeof members / sizeof *members, &bodies->counters);
    metrics_on_collect(metrics, collect, bodies);
}

struct bodies *bodies_open(struct event_base *base, const struct configuration *configuration, struct metrics *metrics)
{
    struct bodies *bodies = memory_allocate_zeroed(1, sizeof *bodies);
    if (configuration->body_source == BODY_SOURCE_FILE && !open_file(bodies, configuration)) {
        free(bodies);
        return NULL;
    }
    if (configuration->body_source == BODY_SOURCE_POSTGRES)
        open_postgres(bodies, base, configuration, metrics);
    return bodies;
}

void bodies_close(struct bodies *bodies)
{
    if (!bodies)
        return;
    if (bodies->file)
        body_file_close(bodies->file);
    body_postgres_destroy(bodies->postgres);
    free(bodies);
}

void bodies_answer_to(struct bodies *bodies, body_arrived_function *arrived, void *context)
{
    bodies->arrived = arrived;
    bodies->arrived_context = context;
}

struct body_source bodies_source(struct bodies *bodies)
{
    if (bodies->file)
        return (struct body_source){.context = bodies->file, .find = find_in_file};
    if (bodies->postgres)
        return body_postgres_source(bodies->postgres);
    return (struct body_source){0};
}

bool bodies_ready(const struct bodies *bodies)
{
    return !bodies->postgres || body_postgres_is_ready(bodies->postgres);
}
