/* Rows that the observer misses are fetched from the database where there is one, since that needs no access to the
 * workers, and else from the writers themselves. */
#include <stdlib.h>

#include "base/memory.h"
#include "engine/clock.h"
#include "engine/engine_parts.h"
#include "engine/log.h"
#include "engine/postgres_parameters.h"
#include "replication/curl_library.h"

static void on_rows(void *context, const struct position_rows *rows)
{
    struct engine *engine = context;
    observer_fetched(engine->observer, rows);
}

static void on_ended(void *context, enum stream stream, struct slice writer, int64_t reached, bool limited)
{
    struct engine *engine = context;
    observer_fetch_done(engine->observer, stream, writer, reached, limited);
    presence_router_flush(engine->presence);
    if (catch_up_waiting(engine->catch_up))
        return;
    engine->caught_up = true;
    uint64_t fetched = observer_counts(engine->observer).fetched - engine->fetched_before;
    if (fetched)
        log_info("has caught up with what was missed", LOG_INTEGER("rows", fetched),
                 LOG_NUMBER("seconds", (double)(clock_now_ns() - engine->fetching_since_ns) / 1e9));
    engine->fetching_since_ns = 0;
}

bool engine_on_fetch(void *context, enum stream stream, struct slice writer, int64_t from, int64_t upto)
{
    struct engine *engine = context;
    struct row_request request = {.stream = stream, .writer = writer, .from = from, .upto = upto};
    if (!catch_up_ask(engine->catch_up, &request, &engine->catch_up_owner))
        return false;
    log_debug("asks for rows that may have been missed", LOG_STRING("stream", stream_definitions[stream].name),
              LOG_TEXT("writer", writer), LOG_INTEGER("after", from), LOG_INTEGER("up_to", upto));
    if (!engine->fetching_since_ns) {
        engine->fetching_since_ns = clock_now_ns();
        engine->fetched_before = observer_counts(engine->observer).fetched;
    }
    return true;
}

static bool position_of(void *context, struct slice writer, int64_t *token)
{
    struct engine *engine = context;
    return position_get(observer_positions(engine->observer), STREAM_events, writer, token);
}

static void on_missed(void *context, const struct event_row *row, struct slice writer, int64_t token)
{
    struct engine *engine = context;
    observer_late_event(engine->observer, row, writer, token);
}

static const struct metric_definition unconfirmed_metric = {
    "weir_catch_up_unconfirmed_total", METRIC_COUNTER,
    "Answers of a read replica that was still behind what was asked for after bodies.retry_for: rows may be missing.",
    NULL};

static void collect(void *context)
{
    struct engine *engine = context;
    *engine->unconfirmed = rows_postgres_unconfirmed(engine->rows_postgres);
}

static void add_database(struct engine *engine)
{
    const struct configuration *configuration = engine->configuration;
    struct postgres_parameters parameters = postgres_parameters(&configuration->postgres);
    struct rows_postgres_settings settings = {.keywords = parameters.keywords,
                                              .values = parameters.values,
                                              .page = configuration->catch_up_page,
                                              .timeout_ms = configuration->catch_up_timeout_ms,
                                              .retry_for_ms = configuration->bodies_retry_ms};
    struct row_source_callbacks callbacks = catch_up_callbacks(engine->catch_up, "database");
    engine->rows_postgres = rows_postgres_create(engine->base, &settings, &callbacks);
    catch_up_add(engine->catch_up, rows_postgres_source(engine->rows_postgres));
    engine->unconfirmed = metrics_register(engine->metrics, &unconfirmed_metric, 1, NULL, NULL);
    metrics_on_collect(engine->metrics, collect, engine);
}

static void add_writers(struct engine *engine)
{
    const struct configuration *configuration = engine->configuration;
    struct buffer error = {0};
    bool loaded = curl_library_load(&error);
    if (!loaded)
        log_error("the processes of instance_map cannot be asked for what was missed",
                  LOG_TEXT("reason", buffer_slice(&error)));
    buffer_free(&error);
    if (!loaded)
        return;
    struct rows_http_writer *writers = memory_allocate_zeroed(configuration->instance_count, sizeof *writers);
    for (size_t index = 0; index < configuration->instance_count; index++) {
        const struct instance_address *instance = &configuration->instances[index];
        writers[index] = (struct rows_http_writer){.name = instance->name,
                                                   .host = instance->host,
                                                   .port = instance->port,
                                                   .tls = instance->tls,
                                                   .unix_path = instance->unix_path};
    }
    struct rows_http_settings settings = {.writers = writers,
                                          .writer_count = configuration->instance_count,
                                          .secret = configuration->replication_secret,
                                          .timeout_ms = configuration->catch_up_timeout_ms,
                                          .ca_file = configuration->catch_up_ca_file,
                                          .ca_path = configuration->catch_up_ca_path,
                                          .verify = configuration->catch_up_verify};
    struct row_source_callbacks callbacks = catch_up_callbacks(engine->catch_up, "writers");
    engine->rows_http = rows_http_create(engine->base, &settings, &callbacks);
    catch_up_add(engine->catch_up, rows_http_source(engine->rows_http));
    free(writers);
}

static void add_sources(struct engine *engine)
{
    if (engine->configuration->body_source == BODY_SOURCE_POSTGRES)
        add_database(engine);
    if (engine->configuration->instance_count)
        add_writers(engine);
    if (engine->configuration->observe && !engine->rows_postgres && !engine->rows_http)
        log_warning("nobody can be asked for events that are published while this engine does not listen, and they "
                    "will not be judged: set `bodies.postgres` or `instance_map`");
}

static void on_settled(void *context, struct slice writer, int64_t token)
{
    struct engine *engine = context;
    outbox_audited(engine->outbox, STREAM_events, writer, token);
}

static bool waits(void *context, struct slice writer)
{
    struct engine *engine = context;
    return observer_late_waiting(engine->observer, writer);
}

static void create_audit(struct engine *engine)
{
    const struct configuration *configuration = engine->configuration;
    struct audit_settings settings = {.every_ms = configuration->audit_ms,
                                      .server_name = configuration->server_name,
                                      .address = &configuration->redis,
                                      .log_is_whole = configuration->publish_all};
    struct audit_callbacks callbacks = {
        .context = engine, .position = position_of, .settled = on_settled, .waits = waits, .missed = on_missed};
    engine->audit = audit_create(engine->base, &settings, engine->catch_up, &callbacks, engine->metrics);
}

void engine_catch_up_start(struct engine *engine)
{
    engine->catch_up = catch_up_create(engine->base, engine->metrics);
    engine->catch_up_owner = (struct catch_up_owner){.context = engine, .rows = on_rows, .ended = on_ended};
    add_sources(engine);
    if (engine->configuration->audit_ms)
        create_audit(engine);
}

void engine_catch_up_stop(struct engine *engine)
{
    audit_destroy(engine->audit);
    engine->audit = NULL;
    rows_postgres_destroy(engine->rows_postgres);
    engine->rows_postgres = NULL;
    rows_http_destroy(engine->rows_http);
    engine->rows_http = NULL;
    catch_up_destroy(engine->catch_up);
    engine->catch_up = NULL;
}
