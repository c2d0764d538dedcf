/* A stop reads no more, and waits for what is in hand: bodies, services, Redis's answers, and whoever has asked over
 * HTTP. Then the lease is given back, so that another engine goes on at once. */
#include <signal.h>

#include "engine/clock.h"
#include "engine/engine_parts.h"
#include "engine/log.h"

#define SHUTDOWN_CHECK_MS 20
/* How long the last answers over HTTP may take to leave. */
#define SHUTDOWN_FLUSH_NS 200000000u
/* What may wait for shutdown_timeout one after the other: this, the positions and the modules' state. Beyond it a
 * service manager grants a while for what nobody waits for. */
#define STOP_STEPS 3
#define STOP_MARGIN_MS INT64_C(10000)

void engine_log_summary(struct engine *engine)
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

void engine_on_drained(void *context)
{
    engine_lease_leave(context);
}

static void check_again(struct engine *engine)
{
    struct timeval delay = {.tv_usec = SHUTDOWN_CHECK_MS * 1000};
    event_add(engine->shutdown_timer, &delay);
}

/* Nobody is left without an answer. True if some are on their way. */
static bool answer_over_http(struct engine *engine)
{
    engine_api_stop(engine);
    return http_server_busy(engine->http) > 0 && clock_now_ns() < engine->stop_by_ns + SHUTDOWN_FLUSH_NS;
}

static void on_shutdown_timer(evutil_socket_t socket, short what, void *argument)
{
    (void)socket, (void)what;
    struct engine *engine = argument;
    if (clock_now_ns() >= engine->stop_by_ns) {
        if (answer_over_http(engine)) {
            check_again(engine);
            return;
        }
        log_warning("did not finish in time; what was not answered will be judged again by the next start",
                    LOG_INTEGER("events_waiting", observer_counts(engine->observer).waiting),
                    LOG_INTEGER("transactions", outbox_counts(engine->outbox).waiting),
                    LOG_INTEGER("http_requests", http_server_busy(engine->http)));
        engine_lease_leave(engine);
        return;
    }
    if (observer_counts(engine->observer).waiting == 0 && http_server_busy(engine->http) == 0 &&
        (!engine->requests || requests_is_idle(engine->requests)))
        outbox_drain(engine->outbox);
    check_again(engine);
}

void engine_on_stop_signal(evutil_socket_t number, short what, void *argument)
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
    engine->stop_by_ns = clock_now_ns() + (uint64_t)engine->configuration->shutdown_timeout_ms * 1000000u;
    engine->shutdown_timer = event_new(engine->base, -1, 0, on_shutdown_timer, engine);
    service_manager_stopping(engine->manager, engine->configuration->shutdown_timeout_ms * STOP_STEPS + STOP_MARGIN_MS);
    engine_apply_flow(engine);
    reload_stop(engine->reload);
    verdict_feed_stop(engine->feed);
    http_server_stop(engine->http);
    on_shutdown_timer(-1, 0, engine);
}

void engine_shutdown_stop(struct engine *engine)
{
    if (engine->shutdown_timer)
        event_free(engine->shutdown_timer);
    engine->shutdown_timer = NULL;
}
