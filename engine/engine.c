/* What the parts tell each other goes through here, and the order in which they begin: stored positions first, then the
 * replication. */
#include "engine/engine.h"

#include <signal.h>

#include "base/keyed_hash.h"
#include "engine/clock.h"
#include "engine/engine_parts.h"
#include "engine/log.h"
#include "engine/module_pages.h"
#include "engine/module_state.h"
#include "engine/option.h"
#include "engine/own_stream.h"
#include "engine/process_figures.h"
#include "engine/report.h"
#include "engine/writer_metrics.h"

void engine_apply_flow(struct engine *engine)
{
    bool stop = engine->observer_stop || engine->outbox_stop || engine->stopping;
    if (engine->subscriber)
        redis_link_pause(engine->subscriber, stop);
    catch_up_pause(engine->catch_up, stop);
    if (engine->requests)
        requests_pause(engine->requests, engine->outbox_stop || engine->stopping);
}

static void on_observer_flow(void *context, bool stop)
{
    struct engine *engine = context;
    engine->observer_stop = stop;
    log_debug(stop ? "too many events wait; reading stops" : "reading goes on");
    engine_apply_flow(engine);
}

static void on_outbox_flow(void *context, bool stop)
{
    struct engine *engine = context;
    engine->outbox_stop = stop;
    if (stop)
        log_warning("Redis does not answer fast enough; reading stops until it has caught up");
    engine_apply_flow(engine);
}

static void on_body(void *context, uint64_t ticket, struct slice body)
{
    struct engine *engine = context;
    if (ticket & EXPLAIN_LOOKUP_TICKET)
        explain_lookup_arrived(engine->explain_lookup, ticket, body);
    else
        observer_body_arrived(engine->observer, ticket, body);
}

static void on_judged(void *context, const struct verdict *verdict)
{
    struct engine *engine = context;
    outbox_verdict(engine->outbox, verdict);
}

static void on_row(void *context, struct slice row, uint64_t token)
{
    struct engine *engine = context;
    verdict_feed_row(engine->feed, row, token);
}

static void on_position(void *context, enum stream stream, struct slice writer, int64_t token)
{
    struct engine *engine = context;
    outbox_position(engine->outbox, stream, writer, token);
    if (engine->audit && stream == STREAM_events)
        audit_begin_at(engine->audit, writer, token);
}

static void on_seen(void *context, struct slice writer, int64_t token, struct slice event_id)
{
    struct engine *engine = context;
    audit_seen(engine->audit, writer, token, event_id);
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

/* Whether this start was told to leave the stored positions of a stream alone. */
static bool leaves_stored(const struct engine *engine, enum stream stream)
{
    return stream == STREAM_events && engine->options.from != ENGINE_FROM_STORED;
}

static void on_stored_ahead(void *context, enum stream stream, struct slice writer, struct slice record)
{
    struct engine *engine = context;
    if (leaves_stored(engine, stream))
        return;
    observer_restore_ahead(engine->observer, stream, writer, record);
}

static void on_service_answered(void *context, uint64_t ticket, const struct service_answer *answer)
{
    struct engine *engine = context;
    if (!questions_resume(engine->questions, ticket, answer))
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
    if (leaves_stored(engine, stream)) {
        log_info("leaves a stored position, as --from says", LOG_STRING("stream", stream_definitions[stream].name),
                 LOG_TEXT("writer", writer), LOG_INTEGER("token", token));
        return;
    }
    if (stream == STREAM_events || stream == STREAM_presence)
        observer_restore(engine->observer, stream, writer, token);
    if (engine->audit && stream == STREAM_events)
        audit_restore(engine->audit, writer, token);
    log_info("goes on from a stored position", LOG_STRING("stream", stream_definitions[stream].name),
             LOG_TEXT("writer", writer), LOG_INTEGER("token", token));
}

static void on_stored_audited(void *context, enum stream stream, struct slice writer, int64_t token)
{
    struct engine *engine = context;
    if (engine->audit && stream == STREAM_events)
        audit_restore_audited(engine->audit, writer, token);
}

static void on_stored_changed(void *context)
{
    struct engine *engine = context;
    state_keeper_changed(engine->state, outbox_stored(engine->outbox));
}

/* Redis came back with older data. What came after it is judged again if it can be fetched: then everything begins
 * anew, since nothing that was built on the newer positions holds any more. A stop leaves that to the next start. */
static bool on_fell_back(void *context)
{
    struct engine *engine = context;
    const struct configuration *configuration = engine->configuration;
    if (!configuration->instance_count && configuration->body_source != BODY_SOURCE_POSTGRES)
        return false;
    log_error("Redis came back with older data and has lost rows of the durable log that it had acknowledged; starts "
              "over from Redis's positions and judges again what came after them");
    struct outbox_counts counts = outbox_counts(engine->outbox);
    engine->least_tokens[OWN_STREAM_VERDICTS] = counts.token;
    engine->least_tokens[OWN_STREAM_PRESENCE_ROUTES] = counts.routes_token;
    engine->start_over = !engine->stopping;
    event_base_loopbreak(engine->base);
    return true;
}

/* An older Weir would take newer positions for what they are not, and judge events twice or never. */
static void on_unreadable(void *context, int64_t format)
{
    struct engine *engine = context;
    log_error("the positions of this instance were stored by a newer Weir, in a form that this one cannot read: use "
              "that version again, or another `instance_name`, which begins anew; nothing was changed",
              LOG_STRING("instance", engine->configuration->instance_name), LOG_INTEGER("stored_format", format),
              LOG_INTEGER("known_format", STORED_FORMAT), LOG_STRING("version", WEIR_VERSION));
    engine->exit_code = EXIT_CODE_FAILED;
    event_base_loopbreak(engine->base);
}

/* Who asks over HTTP is answered also while Redis is away, which cannot be kept for ever. */
static void on_request_judged(void *context, const struct verdict *verdict)
{
    struct engine *engine = context;
    static struct log_gate gate;
    uint64_t suppressed;
    if (!engine->configuration->requests_publish || !engine->outbox || engine_waits(engine))
        return;
    if (!outbox_is_overfull(engine->outbox)) {
        outbox_verdict(engine->outbox, verdict);
        return;
    }
    ++*engine->unrecorded;
    if (log_gate_pass(&gate, &suppressed))
        log_warning("requests are refused without a row among the verdicts: Redis has not answered for too long",
                    LOG_INTEGER("suppressed", suppressed));
}

/* For requests over Redis and over HTTP alike. */
static void start_questions(struct engine *engine)
{
    static const struct metric_definition unrecorded = {
        "weir_requests_unrecorded_total", METRIC_COUNTER,
        "Refused requests that got no row among the verdicts, since Redis had not answered for too long.", NULL};
    const struct configuration *configuration = engine->configuration;
    struct questions_settings settings = {.waiting = (size_t)configuration->requests_waiting,
                                          .waiting_per_asker = (size_t)configuration->requests_waiting_per_asker,
                                          .waiting_per_room = (size_t)configuration->requests_waiting_per_room,
                                          .cache = (size_t)configuration->presence_cache,
                                          .cache_for_ms = configuration->presence_cache_for_ms,
                                          .judged = on_request_judged,
                                          .context = engine};
    engine->unrecorded = metrics_register(engine->metrics, &unrecorded, 1, NULL, NULL);
    engine->questions = questions_create(engine->base, configuration->chain, &settings, engine->metrics);
}

/* An engine that was silent for an hour, and left no request, is one that will not come back under its name. */
#define REQUESTS_FORGET_AFTER_MS INT64_C(3600000)

static void start_requests(struct engine *engine)
{
    const struct configuration *configuration = engine->configuration;
    struct requests_settings settings = {.server_name = configuration->server_name,
                                         .instance_name = configuration->instance_name,
                                         .address = &configuration->redis,
                                         .batch = configuration->requests_batch,
                                         .queue = configuration->requests_queue,
                                         .stream = configuration->requests_stream,
                                         .tries = configuration->requests_tries,
                                         .claim_after_ms = configuration->requests_claim_after_ms,
                                         .forget_after_ms = REQUESTS_FORGET_AFTER_MS};
    if (configuration->requests_redis)
        engine->requests = requests_create(engine->base, &settings, engine->questions, engine->outbox, engine->metrics);
}

/* The stored positions are known: now, and not before, rows may come. */
static void on_loaded(void *context)
{
    struct engine *engine = context;
    if (engine->configuration->observe) {
        if (engine->audit)
            audit_start(engine->audit);
        engine_follow_start(engine);
    }
    start_requests(engine);
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
                                           .fetch = engine_on_fetch,
                                           .seen = engine->audit ? on_seen : NULL,
                                           .flow = on_observer_flow,
                                           .chain_unused = engine_on_chain_unused};
    engine->observer = observer_create(&settings, &callbacks, engine->metrics);
    writer_metrics_register(engine->metrics, engine->observer);
    bodies_answer_to(engine->bodies, on_body, engine);
    struct presence_router_callbacks presence_callbacks = {
        .context = engine, .route = on_route, .position = on_position};
    engine->presence = presence_router_create(configuration->chain, &presence_callbacks, engine->metrics);
    observer_keep(engine->observer, STREAM_presence, presence_router_wanted(configuration->chain));
    if (engine->options.from == ENGINE_FROM_TOKEN) {
        observer_start_at(engine->observer, STREAM_events, engine->options.from_token);
        log_info("judges the events above a token, as --from says", LOG_INTEGER("token", engine->options.from_token));
    } else if (engine->options.from == ENGINE_FROM_NOW) {
        log_info("judges the events from now on, as --from says");
    }
}

static void create_outbox(struct engine *engine)
{
    const struct configuration *configuration = engine->configuration;
    struct outbox_settings settings = {.server_name = configuration->server_name,
                                       .instance_name = configuration->instance_name,
                                       .address = &configuration->redis,
                                       .publish_all = configuration->publish_all,
                                       .keep = configuration->publish_keep,
                                       .found = state_keeper_found(engine->state)};
    memcpy(settings.least_tokens, engine->least_tokens, sizeof settings.least_tokens);
    struct outbox_callbacks callbacks = {.context = engine,
                                         .stored_position = on_stored_position,
                                         .stored_ahead = on_stored_ahead,
                                         .stored_audited = on_stored_audited,
                                         .append_ahead = on_append_ahead,
                                         .loaded = on_loaded,
                                         .stored_changed = on_stored_changed,
                                         .fell_back = on_fell_back,
                                         .unreadable = on_unreadable,
                                         .flow = on_outbox_flow,
                                         .drained = engine_on_drained,
                                         .row = on_row,
                                         .fenced = engine_on_fenced};
    engine->outbox = outbox_create(engine->base, &settings, &callbacks, engine->metrics);
    outbox_watch(engine->outbox, engine->feed_wanted);
}

static const struct {
    int number;
    event_callback_fn handler;
} handled_signals[] = {
    {SIGTERM, engine_on_stop_signal}, {SIGINT, engine_on_stop_signal}, {SIGHUP, engine_on_reload_signal}};
#define HANDLED_SIGNALS (sizeof handled_signals / sizeof *handled_signals)

/* A signal that comes while nobody listens, between two engines, waits until somebody does. */
static void hold_signals(int how)
{
    sigset_t signals;
    sigemptyset(&signals);
    for (size_t index = 0; index < HANDLED_SIGNALS; index++)
        sigaddset(&signals, handled_signals[index].number);
    sigprocmask(how, &signals, NULL);
}

/* Nor does a reload that is asked for during the start or the end kill the process. */
static void hold_reloads(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, NULL);
}

static bool on_may_keep(void *context)
{
    return !engine_waits(context);
}

static bool start(struct engine *engine)
{
    engine_reload_start(engine);
    for (size_t index = 0; index < HANDLED_SIGNALS; index++) {
        const int number = handled_signals[index].number;
        engine->signals[index] = evsignal_new(engine->base, number, handled_signals[index].handler, engine);
        event_add(engine->signals[index], NULL);
    }
    hold_signals(SIG_UNBLOCK);
    engine->main_channel = slice_from_string(engine->configuration->server_name);
    buffer_append_format(&engine->own_channel, "%s/weir", engine->configuration->server_name);
    start_questions(engine);
    engine->bodies = bodies_open(engine->base, engine->configuration, engine->metrics);
    if (!engine->bodies)
        return false;
    engine_admin_start(engine);
    if (!engine_admin_socket_start(engine) || !engine_pages_start(engine))
        return false;
    module_pages_warn(engine->configuration->chain, engine->http);
    struct state_owner owner = {engine->configuration->server_name, engine->configuration->instance_name};
    engine->state = state_keeper_open(engine->base, engine->configuration->state_dir, &owner, engine->metrics);
    module_state_read(engine->configuration);
    struct module_keeper_settings keeping = {engine->configuration, on_may_keep, engine};
    engine->module_keeper = module_keeper_open(engine->base, &keeping, engine->metrics);
    engine_catch_up_start(engine);
    engine_lease_prepare(engine);
    start_observer(engine);
    engine_followed_start(engine);
    create_outbox(engine);
    engine_lease_start(engine);
    return true;
}

static void stop(struct engine *engine, bool started)
{
    engine_pages_stop(engine);
    engine_follow_stop(engine);
    requests_destroy(engine->requests);
    questions_destroy(engine->questions);
    state_keeper_close(engine->state, engine->configuration->shutdown_timeout_ms);
    outbox_destroy(engine->outbox);
    engine_catch_up_stop(engine);
    engine_lease_stop(engine);
    bodies_close(engine->bodies);
    engine_followed_stop(engine);
    observer_destroy(engine->observer);
    presence_router_destroy(engine->presence);
    if (module_keeper_close(engine->module_keeper, engine->configuration->shutdown_timeout_ms) && started)
        module_state_write(engine->configuration);
    for (size_t index = 0; index < sizeof engine->signals / sizeof *engine->signals; index++)
        if (engine->signals[index])
            event_free(engine->signals[index]);
    engine_shutdown_stop(engine);
    engine_reload_stop(engine);
    buffer_free(&engine->own_channel);
}

static const char *describe(const void *engine)
{
    return engine_readiness(engine);
}

static int run(struct engine *engine)
{
    const struct configuration *configuration = engine->configuration;
    bool started = start(engine);
    if (started) {
        log_info("started", LOG_STRING("version", WEIR_VERSION), LOG_STRING("server_name", configuration->server_name),
                 LOG_STRING("instance", configuration->instance_name),
                 LOG_INTEGER("modules", chain_module_count(configuration->chain)));
        service_manager_start(engine->manager, engine->base, describe, engine);
        event_base_dispatch(engine->base);
        service_manager_pause(engine->manager);
        if (!engine->start_over)
            engine_log_summary(engine);
    }
    if (engine->start_over)
        hold_signals(SIG_BLOCK);
    hold_reloads();
    stop(engine, started);
    return started ? engine->exit_code : EXIT_CODE_FAILED;
}

/* The modules' services work in the loop, so it is there before the configuration is read, and they outlive the chain.
 */
static int run_once(struct engine *engine)
{
    int exit_code = EXIT_CODE_CONFIGURATION;
    engine->started_ns = clock_now_ns();
    engine->base = event_base_new();
    engine->metrics = metrics_create();
    process_metrics_register(engine->metrics, &engine->started_ms);
    engine->services = services_create(engine->base, engine->metrics, on_service_answered, engine);
    engine->shared_rate = shared_rate_create(engine->base, engine->metrics, on_service_answered, engine);
    engine->worker = worker_create(engine->base);
    engine->chain_services = service_batch_create(shared_rate_interface(engine->shared_rate));
    const struct configuration_loading loading = {.path = engine->options.configuration,
                                                  .purpose = CONFIGURATION_FOR_RUN,
                                                  .services = service_batch_interface(engine->chain_services),
                                                  .files = &engine->files};
    engine->configuration = report_configuration_load_with("run", &loading);
    if (engine->configuration) {
        log_open(engine->configuration->log_level);
        service_batch_attach(engine->chain_services, engine->services);
        shared_rate_use(engine->shared_rate, &engine->configuration->redis, engine->configuration->server_name);
        exit_code = run(engine);
        configuration_destroy(engine->configuration);
    } else {
        engine_reload_stop(engine);
    }
    service_batch_destroy(engine->chain_services);
    services_destroy(engine->services);
    shared_rate_destroy(engine->shared_rate);
    metrics_destroy(engine->metrics);
    event_base_free(engine->base);
    return exit_code;
}

/* An engine that lost its lease, or whose Redis fell back, may hold anything: events half judged, rows that another
 * wrote, positions that were passed. Nothing of it is kept but some counts. */
int engine_run(const struct engine_options *options)
{
    struct engine engine = {.options = *options, .manager = service_manager_open(), .started_ms = clock_wall_ms()};
    int exit_code;
    keyed_hash_draw_seed();
    hold_reloads();
    while (exit_code = run_once(&engine), engine.start_over && exit_code == EXIT_CODE_OK) {
        struct engine next = {.options = {.configuration = options->configuration},
                              .started_over = true,
                              .takeovers = engine.takeovers,
                              .manager = engine.manager,
                              .started_ms = engine.started_ms};
        memcpy(next.least_tokens, engine.least_tokens, sizeof next.least_tokens);
        engine = next;
    }
    service_manager_close(engine.manager);
    return exit_code;
}
