/* An engine with a role works while it holds the lease. Before, it has everything loaded and open but what reads from
 * Synapse; afterwards it is of no use any more, and starts over. */
#include "engine/engine_parts.h"
#include "engine/log.h"

static const struct metric_definition metric_definitions[] = {
    {"weir_lease_held", METRIC_GAUGE, "Whether this engine does the job of its instance name (1) or waits (0).", NULL},
    {"weir_lease_fence", METRIC_GAUGE, "The number under which it does; 0 if it waits.", NULL},
    {"weir_takeovers_total", METRIC_COUNTER, "Times this process took the job, the first time among them.", NULL},
};

static void collect(void *context)
{
    struct engine *engine = context;
    *engine->lease_metrics[0] = lease_is_held(engine->lease);
    *engine->lease_metrics[1] = lease_fence(engine->lease);
    *engine->lease_metrics[2] = engine->takeovers;
}

static void on_taken(void *context, const struct transaction_fence *fence)
{
    struct engine *engine = context;
    engine->takeovers++;
    log_info("does the job from now on", LOG_STRING("instance", engine->configuration->instance_name),
             LOG_INTEGER("fence", fence->number));
    outbox_start(engine->outbox, fence);
}

static void on_doubt(void *context, bool doubt)
{
    struct engine *engine = context;
    outbox_hold(engine->outbox, doubt);
}

static void start_over(struct engine *engine, struct slice holder)
{
    if (engine->start_over || engine->stopping)
        return;
    log_warning("another engine took over; what was not answered here is left to it, and this one starts over and "
                "waits",
                LOG_STRING("instance", engine->configuration->instance_name), LOG_TEXT("holder", holder),
                LOG_INTEGER("events_waiting", observer_counts(engine->observer).waiting),
                LOG_INTEGER("transactions", outbox_counts(engine->outbox).waiting));
    engine->start_over = true;
}

static void on_lease_lost(void *context, struct slice holder)
{
    struct engine *engine = context;
    outbox_hold(engine->outbox, true);
    start_over(engine, holder);
    event_base_loopbreak(engine->base);
}

/* The lease will hear of it, but the fence is what counts. */
void engine_on_fenced(void *context)
{
    on_lease_lost(context, SLICE(""));
}

static void on_released(void *context)
{
    struct engine *engine = context;
    event_base_loopbreak(engine->base);
}

/* It may take over in a month: what `--from` was about is long past then. */
void engine_lease_prepare(struct engine *engine)
{
    if (engine->configuration->role != ROLE_STANDBY || engine->options.from == ENGINE_FROM_STORED)
        return;
    log_warning("--from is left aside: a standby goes on where the other engine was");
    engine->options.from = ENGINE_FROM_STORED;
}

void engine_lease_start(struct engine *engine)
{
    const struct configuration *configuration = engine->configuration;
    /* Who held it once knows that there was a first one, also where Redis has forgotten. */
    struct lease_settings settings = {.server_name = configuration->server_name,
                                      .instance_name = configuration->instance_name,
                                      .address = &configuration->redis,
                                      .lease_ms = configuration->lease_ms,
                                      .first = configuration->role == ROLE_ACTIVE || engine->takeovers > 0};
    struct lease_callbacks callbacks = {
        .context = engine, .taken = on_taken, .doubt = on_doubt, .lost = on_lease_lost, .released = on_released};
    if (configuration->role == ROLE_ALONE) {
        outbox_start(engine->outbox, &(struct transaction_fence){0});
        return;
    }
    engine->lease = lease_create(engine->base, &settings, &callbacks);
    for (size_t index = 0; index < sizeof metric_definitions / sizeof *metric_definitions; index++)
        engine->lease_metrics[index] = metrics_register(engine->metrics, &metric_definitions[index], 1, NULL, NULL);
    metrics_on_collect(engine->metrics, collect, engine);
}

void engine_lease_stop(struct engine *engine)
{
    lease_destroy(engine->lease);
    engine->lease = NULL;
}

void engine_lease_leave(struct engine *engine)
{
    if (engine->lease)
        lease_release(engine->lease);
    else
        event_base_loopbreak(engine->base);
}

bool engine_waits(const struct engine *engine)
{
    return engine->lease && !lease_is_held(engine->lease);
}

const char *engine_lease_missing(const struct engine *engine)
{
    static const char *const waits[] = {
        [LEASE_WAITS_FOR_HOLDER] = NULL,
        [LEASE_WAITS_FOR_REDIS] = "standby: Redis does not answer",
        [LEASE_WAITS_FOR_FIRST] = "standby: no engine with a role has ever done this job, so it is left alone",
    };
    if (!engine->lease)
        return NULL;
    if (lease_is_held(engine->lease))
        return lease_is_in_doubt(engine->lease) ? "not sure to hold the lease: Redis does not answer" : NULL;
    if (!bodies_ready(engine->bodies))
        return "standby: not connected to the database of event bodies";
    return waits[lease_waits_for(engine->lease)];
}
