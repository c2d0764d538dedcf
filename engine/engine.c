/* The order at start is what keeps events from slipping by: stored positions first, then the subscription, then, once
 * Redis has confirmed it, REPLICATE (replication.md, sections 1 and 6.3). */
#include "engine/engine.h"

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "engine/ask_pages.h"
#include "engine/bodies.h"
#include "engine/clock.h"
#include "engine/http_server.h"
#include "engine/module_pages.h"
#include "engine/observer.h"
#include "engine/option.h"
#include "engine/outbox.h"
#include "engine/presence_router.h"
#include "engine/report.h"
#include "engine/requests.h"
#include "engine/service.h"

/* REPLICATE is sent again this often until some writer has answered, and then seldom. */
#define REPLICATE_AGAIN_SECONDS 5
#define REPLICATE_SELDOM_SECONDS 600
/* How long a stop waits for bodies and for Redis's answers. */
#define SHUTDOWN_MS 5000
#define SHUTDOWN_CHECK_MS 20

struct engine {
    struct event_base *base;
    struct configuration *configuration;
    struct metrics *metrics;
    struct services *services;
    struct bodies *bodies;
    struct observer *observer;
    struct presence_router *presence;
    struct outbox *outbox;
    struct requests *requests; /* NULL until the outbox is loaded, or if none are taken from Redis */
    struct redis_link *subscriber;
    struct http_server *http;
    struct ask_pages *ask_pages; /* NULL unless requests.http is set */
    struct event *signals[3];
    struct event *replicate_timer;
    struct event *shutdown_timer;
    struct buffer own_channel; /* <server_name>/weir */
    struct slice main_channel; /* <server_name> */
    uint64_t received_ns;      /* when the messages that are being handed on were read; 0 between reads */
    bool subscribed;
    bool replicate_seldom; /* the last REPLICATE was answered */
    bool positions_seen;   /* some writer has answered since the last subscription */
    bool observer_stop;
    bool outbox_stop;
    bool stopping;
    uint64_t stop_by_ns;
    uint64_t started_ns;
    int exit_code;
};

static void schedule_seconds(struct event *event, int seconds)
{
    struct timeval delay = {.tv_sec = seconds};
    event_add(event, &delay);
}

static void apply_flow(struct engine *engine)
{
    bool stop = engine->observer_stop || engine->outbox_stop || engine->stopping;
    if (engine->subscriber)
        redis_link_pause(engine->subscriber, stop);
    if (engine->requests)
        requests_pause(engine->requests, engine->outbox_stop || engine->stopping);
}

static void on_observer_flow(void *context, bool stop)
{
    struct engine *engine = context;
    engine->observer_stop = stop;
    log_debug(stop ? "too many events wait; reading stops" : "reading goes on");
    apply_flow(engine);
}

static void on_outbox_flow(void *context, bool stop)
{
    struct engine *engine = context;
    engine->outbox_stop = stop;
    if (stop)
        log_warning("Redis does not answer fast enough; reading stops until it has caught up");
    apply_flow(engine);
}

static void on_judged(void *context, const struct verdict *verdict)
{
    struct engine *engine = context;
    outbox_verdict(engine->outbox, verdict);
}

static void on_position(void *context, enum stream stream, struct slice writer, int64_t token)
{
    struct engine *engine = context;
    outbox_position(engine->outbox, stream, writer, token);
}

static void on_ahead(void *context, enum stream stream, struct slice writer)
{
    struct engine *engine = context;
    outbox_ahead(engine->outbox, stream, writer);
}

static void on_append_ahead(void *context, enum stream stream, struct slice writer, struct buffer *record)
{
    struct engine *engine = context;
    observer_append_ahead(engine->observer, stream, writer, record);
}

static void on_stored_ahead(void *context, enum stream stream, struct slice writer, struct slice record)
{
    struct engine *engine = context;
    observer_restore_ahead(engine->observer, stream, writer, record);
}

static void on_chain_unused(void *context, struct chain *chain)
{
    (void)context;
    chain_destroy(chain);
}

static void on_service_answered(void *context, uint64_t ticket, const struct service_answer *answer)
{
    struct engine *engine = context;
    if (!engine->requests || !requests_answered(engine->requests, ticket, answer))
        observer_answered(engine->observer, ticket, answer);
}

static void on_presence_rows(void *context, const struct position_rows *rows)
{
    struct engine *engine = context;
    if (rows->stream == STREAM_presence)
        presence_router_rows(engine->presence, rows);
}

static void on_route(void *context, struct slice row)
{
    struct engine *engine = context;
    outbox_route(engine->outbox, row);
}

static void on_stored_position(void *context, enum stream stream, struct slice writer, int64_t token)
{
    struct engine *engine = context;
    if (stream == STREAM_events || stream == STREAM_presence)
        observer_restore(engine->observer, stream, writer, token);
    log_info("goes on from a stored position", LOG_STRING("stream", stream_definitions[stream].name),
             LOG_TEXT("writer", writer), LOG_INTEGER("token", token));
}

static void on_subscriber_ready(void *context)
{
    struct engine *engine = context;
    struct slice arguments[] = {SLICE("SUBSCRIBE"), buffer_slice(&engine->own_channel),
                                slice_from_string(engine->configuration->server_name)};
    redis_link_command(engine->subscriber, arguments, 3);
}

static void send_replicate(struct engine *engine)
{
    outbox_publish(engine->outbox, slice_from_string(engine->configuration->server_name), SLICE("REPLICATE "));
}

static void on_subscribed(void *context, struct slice channel)
{
    struct engine *engine = context;
    if (!slice_equal(channel, slice_from_string(engine->configuration->server_name)))
        return;
    engine->subscribed = true;
    engine->positions_seen = false;
    engine->replicate_seldom = false;
    log_info("subscribed; asks every writer for its position", LOG_TEXT("channel", channel));
    send_replicate(engine);
    schedule_seconds(engine->replicate_timer, REPLICATE_AGAIN_SECONDS);
}

static void on_replicate_timer(evutil_socket_t socket, short what, void *argument)
{
    (void)socket, (void)what;
    struct engine *engine = argument;
    if (!engine->subscribed || engine->stopping)
        return;
    if (!engine->positions_seen)
        log_info("no Synapse process has told its position yet; asks again");
    if (!engine->positions_seen || engine->replicate_seldom)
        send_replicate(engine);
    engine->replicate_seldom = engine->positions_seen;
    schedule_seconds(engine->replicate_timer,
                     engine->replicate_seldom ? REPLICATE_SELDOM_SECONDS : REPLICATE_AGAIN_SECONDS);
}

static void on_subscriber_lost(void *context, const char *reason)
{
    (void)reason;
    struct engine *engine = context;
    engine->subscribed = false;
    engine->received_ns = 0;
    event_del(engine->replicate_timer);
    observer_disconnected(engine->observer);
}

static void on_message(void *context, struct slice channel, struct slice data)
{
    struct engine *engine = context;
    if (slice_equal(channel, engine->main_channel)) {
        if (!engine->positions_seen && slice_starts_with(data, SLICE("POSITION ")))
            engine->positions_seen = true;
        if (!engine->received_ns)
            engine->received_ns = clock_now_ns();
        observer_line(engine->observer, data, engine->received_ns);
    } else if (slice_starts_with(data, SLICE("REPLICATE"))) {
        outbox_announce(engine->outbox);
    }
}

static void on_batch_end(void *context)
{
    struct engine *engine = context;
    engine->received_ns = 0;
    presence_router_flush(engine->presence);
}

static void start_requests(struct engine *engine)
{
    const struct configuration *configuration = engine->configuration;
    struct requests_settings settings = {.server_name = configuration->server_name,
                                         .instance_name = configuration->instance_name,
                                         .address = &configuration->redis,
                                         .batch = configuration->requests_batch,
                                         .claim_after_ms = configuration->requests_claim_after_ms,
                                         .cache = configuration->presence_cache,
                                         .cache_for_ms = configuration->presence_cache_for_ms};
    if (configuration->requests_redis)
        engine->requests =
            requests_create(engine->base, &settings, configuration->chain, engine->outbox, engine->metrics);
}

/* The stored positions are known: now, and not before, rows may come. */
static void on_loaded(void *context)
{
    struct engine *engine = context;
    struct redis_link_callbacks callbacks = {.context = engine,
                                             .ready = on_subscriber_ready,
                                             .lost = on_subscriber_lost,
                                             .message = on_message,
                                             .subscribed = on_subscribed,
                                             .batch_end = on_batch_end};
    engine->subscriber = redis_link_create(engine->base, &engine->configuration->redis, "subscriber", &callbacks);
    start_requests(engine);
}

static void log_summary(struct engine *engine)
{
    struct observer_counts counts = observer_counts(engine->observer);
    struct outbox_counts out = outbox_counts(engine->outbox);
    const struct latency *latency = outbox_latency(engine->outbox);
    for (uint32_t index = 0; index < chain_module_count(engine->configuration->chain); index++)
        log_info("verdicts of a module", LOG_INTEGER("place", index + 1),
                 LOG_STRING("module", chain_module(engine->configuration->chain, index)->name),
                 LOG_INTEGER("denied", observer_module_denials(engine->observer, index)));
    log_info("stopped", LOG_INTEGER("lines", counts.lines), LOG_INTEGER("events", counts.judged),
             LOG_INTEGER("denied", counts.denied), LOG_INTEGER("rows_published", out.rows),
             LOG_INTEGER("bad_lines", counts.bad_lines), LOG_INTEGER("bodies_missing", counts.bodies_missing),
             LOG_INTEGER("missed_ranges", counts.missed_ranges),
             LOG_INTEGER("line_to_verdict_p50_us", latency_quantile(latency, 0.5) / 1000),
             LOG_INTEGER("line_to_verdict_p99_us", latency_quantile(latency, 0.99) / 1000),
             LOG_INTEGER("presence_routes", presence_router_counts(engine->presence).routes),
             LOG_INTEGER("requests", engine->requests ? requests_counts(engine->requests).requests : 0),
             LOG_INTEGER("unanswered", out.waiting),
             LOG_NUMBER("seconds", (double)(clock_now_ns() - engine->started_ns) / 1e9));
}

static void on_drained(void *context)
{
    struct engine *engine = context;
    event_base_loopbreak(engine->base);
}

static void on_shutdown_timer(evutil_socket_t socket, short what, void *argument)
{
    (void)socket, (void)what;
    struct engine *engine = argument;
    if (clock_now_ns() >= engine->stop_by_ns) {
        log_warning("did not finish in time; what was not answered will be judged again by the next start",
                    LOG_INTEGER("events_waiting", observer_counts(engine->observer).waiting),
                    LOG_INTEGER("transactions", outbox_counts(engine->outbox).waiting));
        event_base_loopbreak(engine->base);
        return;
    }
    if (observer_counts(engine->observer).waiting == 0)
        outbox_drain(engine->outbox);
    struct timeval delay = {.tv_usec = SHUTDOWN_CHECK_MS * 1000};
    event_add(engine->shutdown_timer, &delay);
}

static void on_stop_signal(evutil_socket_t number, short what, void *argument)
{
    (void)what;
    struct engine *engine = argument;
    if (engine->stopping) {
        log_warning("stops at once");
        event_base_loopbreak(engine->base);
        return;
    }
    log_info("stops: finishes what is in hand", LOG_STRING("signal", number == SIGTERM ? "SIGTERM" : "SIGINT"));
    engine->stopping = true;
    engine->stop_by_ns = clock_now_ns() + SHUTDOWN_MS * 1000000ull;
    apply_flow(engine);
    on_shutdown_timer(-1, 0, engine);
}

static void log_lines(struct buffer *lines, bool error)
{
    char *rest = NULL;
    for (char *line = strtok_r((char *)(uintptr_t)buffer_string(lines), "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        if (error)
            log_error("the configuration is wrong", LOG_STRING("at", line));
        else
            log_warning("the configuration is doubtful", LOG_STRING("at", line));
    }
}

/* What a reload cannot change is kept, with a word about it. */
static bool needs_restart(const struct configuration *old, const struct configuration *new)
{
    return strcmp(old->server_name, new->server_name) != 0 || strcmp(old->instance_name, new->instance_name) != 0 ||
           old->body_source != new->body_source || old->requests_http != new->requests_http;
}

/* The configuration's chain takes over from one that the observer gives back when no event waits in it any more. */
static void use_chain(struct engine *engine)
{
    struct chain *chain = engine->configuration->chain;
    presence_router_use_chain(engine->presence, chain);
    observer_keep(engine->observer, STREAM_presence, presence_router_wanted(chain));
    if (engine->requests)
        requests_use_chain(engine->requests, chain);
    observer_use_chain(engine->observer, chain);
}

static void on_reload_signal(evutil_socket_t number, short what, void *argument)
{
    (void)number, (void)what;
    struct engine *engine = argument;
    struct buffer errors = {0};
    struct buffer warnings = {0};
    struct configuration *loaded = configuration_load(engine->configuration->path, CONFIGURATION_FOR_RUN,
                                                      services_interface(engine->services), &errors, &warnings);
    log_lines(&warnings, false);
    if (!loaded) {
        log_lines(&errors, true);
        log_error("the configuration was not loaded; the old one goes on");
    } else if (needs_restart(engine->configuration, loaded)) {
        log_error("server_name, instance_name, requests.http and the kind of body source need a restart; the old "
                  "configuration goes on");
        configuration_destroy(loaded);
    } else {
        engine->configuration->chain = loaded->chain;
        loaded->chain = NULL;
        use_chain(engine);
        observer_reconfigure(engine->observer, loaded->observe_rejected, loaded->observe_outliers,
                             loaded->observe_as_synapse);
        outbox_reconfigure(engine->outbox, loaded->publish_all, loaded->publish_keep);
        log_threshold = loaded->log_level;
        configuration_destroy(loaded);
        log_info("the configuration was loaded again",
                 LOG_INTEGER("modules", chain_module_count(engine->configuration->chain)));
        module_pages_warn(engine->configuration->chain, engine->http);
    }
    buffer_free(&errors);
    buffer_free(&warnings);
}

static void handle_metrics(void *context, struct http_response *response)
{
    struct engine *engine = context;
    response->content_type = "text/plain; version=0.0.4; charset=utf-8";
    metrics_render(engine->metrics, response->body);
}

static void handle_health(void *context, struct http_response *response)
{
    (void)context;
    buffer_append_string(response->body, "ok\n");
}

static void handle_ready(void *context, struct http_response *response)
{
    struct engine *engine = context;
    const char *missing = engine->stopping                   ? "stopping"
                          : !outbox_is_ready(engine->outbox) ? "not connected to Redis"
                          : !engine->subscribed              ? "not subscribed to the replication channel"
                          : !bodies_ready(engine->bodies)    ? "not connected to the database of event bodies"
                                                             : NULL;
    response->status = missing ? 503 : 200;
    buffer_append_format(response->body, "%s\n", missing ? missing : "ready");
}

static const struct http_route routes[] = {
    {"GET", "/metrics", handle_metrics},
    {"GET", "/healthz", handle_health},
    {"GET", "/readyz", handle_ready},
    {NULL, NULL, NULL},
};

static const struct web_resource *find_page(void *context, struct slice path, void **state)
{
    const struct engine *engine = context;
    const struct web_resource *page = engine->ask_pages ? ask_pages_find(engine->ask_pages, path, state) : NULL;
    return page ? page : chain_resource(engine->configuration->chain, path, state);
}

static bool start_http(struct engine *engine)
{
    if (!engine->configuration->http_listen)
        return true;
    struct buffer error = {0};
    engine->http = http_server_create(engine->base, engine->configuration->http_listen, routes, engine, &error);
    if (engine->http) {
        log_info("listens for HTTP", LOG_STRING("address", http_server_address(engine->http)));
        if (engine->configuration->requests_http)
            engine->ask_pages = ask_pages_create(&engine->configuration->chain);
        http_server_find_pages(engine->http, find_page);
    } else {
        log_error("cannot listen for HTTP", LOG_STRING("address", engine->configuration->http_listen),
                  LOG_TEXT("reason", buffer_slice(&error)));
    }
    buffer_free(&error);
    return engine->http != NULL;
}

static void start_observer(struct engine *engine)
{
    const struct configuration *configuration = engine->configuration;
    struct observer_settings settings = {.chain = configuration->chain,
                                         .instance_name = configuration->instance_name,
                                         .bodies = bodies_source(engine->bodies),
                                         .judge_rejected = configuration->observe_rejected,
                                         .judge_outliers = configuration->observe_outliers,
                                         .ask_as_synapse = configuration->observe_as_synapse,
                                         .queue_limit = (size_t)configuration->bodies_queue,
                                         .live = true};
    struct observer_callbacks callbacks = {.context = engine,
                                           .judged = on_judged,
                                           .position = on_position,
                                           .ahead = on_ahead,
                                           .rows = on_presence_rows,
                                           .flow = on_observer_flow,
                                           .chain_unused = on_chain_unused};
    engine->observer = observer_create(&settings, &callbacks, engine->metrics);
    bodies_answer_to(engine->bodies, observer_body_arrived, engine->observer);
    struct presence_router_callbacks presence_callbacks = {
        .context = engine, .route = on_route, .position = on_position};
    engine->presence = presence_router_create(configuration->chain, &presence_callbacks, engine->metrics);
    observer_keep(engine->observer, STREAM_presence, presence_router_wanted(configuration->chain));
}

static void start_outbox(struct engine *engine)
{
    const struct configuration *configuration = engine->configuration;
    struct outbox_settings settings = {.server_name = configuration->server_name,
                                       .instance_name = configuration->instance_name,
                                       .address = &configuration->redis,
                                       .publish_all = configuration->publish_all,
                                       .keep = configuration->publish_keep};
    struct outbox_callbacks callbacks = {.context = engine,
                                         .stored_position = on_stored_position,
                                         .stored_ahead = on_stored_ahead,
                                         .append_ahead = on_append_ahead,
                                         .loaded = on_loaded,
                                         .flow = on_outbox_flow,
                                         .drained = on_drained};
    engine->outbox = outbox_create(engine->base, &settings, &callbacks, engine->metrics);
}

static bool start(struct engine *engine)
{
    static const struct {
        int number;
        event_callback_fn handler;
    } signals[] = {{SIGTERM, on_stop_signal}, {SIGINT, on_stop_signal}, {SIGHUP, on_reload_signal}};
    for (size_t index = 0; index < sizeof signals / sizeof *signals; index++) {
        engine->signals[index] = evsignal_new(engine->base, signals[index].number, signals[index].handler, engine);
        event_add(engine->signals[index], NULL);
    }
    engine->replicate_timer = event_new(engine->base, -1, 0, on_replicate_timer, engine);
    engine->shutdown_timer = event_new(engine->base, -1, 0, on_shutdown_timer, engine);
    engine->main_channel = slice_from_string(engine->configuration->server_name);
    buffer_append_format(&engine->own_channel, "%s/weir", engine->configuration->server_name);
    engine->bodies = bodies_open(engine->base, engine->configuration, engine->metrics);
    if (!engine->bodies || !start_http(engine))
        return false;
    module_pages_warn(engine->configuration->chain, engine->http);
    start_observer(engine);
    start_outbox(engine);
    return true;
}

static void free_event(struct event *event)
{
    if (event)
        event_free(event);
}

static void stop(struct engine *engine)
{
    http_server_destroy(engine->http);
    ask_pages_destroy(engine->ask_pages);
    if (engine->subscriber)
        redis_link_destroy(engine->subscriber);
    requests_destroy(engine->requests);
    outbox_destroy(engine->outbox);
    bodies_close(engine->bodies);
    observer_destroy(engine->observer);
    presence_router_destroy(engine->presence);
    for (size_t index = 0; index < sizeof engine->signals / sizeof *engine->signals; index++)
        free_event(engine->signals[index]);
    free_event(engine->replicate_timer);
    free_event(engine->shutdown_timer);
    buffer_free(&engine->own_channel);
}

static int run(struct engine *engine)
{
    const struct configuration *configuration = engine->configuration;
    bool started = start(engine);
    if (started) {
        log_info("started", LOG_STRING("version", WEIR_VERSION), LOG_STRING("server_name", configuration->server_name),
                 LOG_STRING("instance", configuration->instance_name),
                 LOG_INTEGER("modules", chain_module_count(configuration->chain)));
        event_base_dispatch(engine->base);
        log_summary(engine);
    }
    stop(engine);
    return started ? engine->exit_code : EXIT_CODE_FAILED;
}

/* The modules' services work in the loop, so it is there before the configuration is read, and they outlive the chain.
 */
int engine_run(const char *path)
{
    struct engine engine = {.started_ns = clock_now_ns()};
    int exit_code = EXIT_CODE_CONFIGURATION;
    engine.base = event_base_new();
    engine.metrics = metrics_create();
    engine.services = services_create(engine.base, engine.metrics, on_service_answered, &engine);
    engine.configuration =
        report_configuration_load("run", path, CONFIGURATION_FOR_RUN, services_interface(engine.services));
    if (engine.configuration) {
        log_open(engine.configuration->log_level);
        exit_code = run(&engine);
        configuration_destroy(engine.configuration);
    }
    services_destroy(engine.services);
    metrics_destroy(engine.metrics);
    event_base_free(engine.base);
    return exit_code;
}
