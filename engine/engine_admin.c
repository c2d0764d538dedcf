/* The administration API (docs/admin-api.md). Its areas are the same wherever they are served: a row here, and whoever
 * may open the socket or the console has it. */
#include "engine/engine_parts.h"

static void on_feed_wanted(void *context, bool wanted)
{
    struct engine *engine = context;
    engine->feed_wanted = wanted;
    if (engine->outbox)
        outbox_watch(engine->outbox, wanted);
}

/* What is asked counts as well as what is observed. */
static struct verdict_feed_counts feed_counts(void *context)
{
    const struct engine *engine = context;
    struct verdict_feed_counts counts = {0};
    if (engine->observer) {
        struct observer_counts observed = observer_counts(engine->observer);
        counts = (struct verdict_feed_counts){observed.judged, observed.denied};
    }
    if (engine->questions) {
        struct questions_counts asked = questions_counts(engine->questions);
        counts.judged += asked.answered;
        counts.denied += asked.denied;
    }
    return counts;
}

static bool session_is_open(void *context, uint64_t session)
{
    const struct engine *engine = context;
    return engine->console_area && console_area_is_open(engine->console_area, session);
}

static struct verdict_feed *create_feed(struct engine *engine)
{
    const struct verdict_feed_settings settings = {.base = engine->base,
                                                   .metrics = engine->metrics,
                                                   .wanted = on_feed_wanted,
                                                   .counts = feed_counts,
                                                   .session_is_open = session_is_open,
                                                   .context = engine};
    return verdict_feed_create(&settings);
}

void engine_admin_start(struct engine *engine)
{
    const struct configuration *configuration = engine->configuration;
    engine->explain_lookup = explain_lookup_create(engine->base, engine->bodies);
    engine->explain_area = (struct explain_area){.questions = engine->questions,
                                                 .lookup = engine->explain_lookup,
                                                 .instance_name = configuration->instance_name,
                                                 .as_synapse = &configuration->observe_as_synapse};
    engine->reload_area = reload_area_create(engine->reload);
    engine->verdict_area = verdict_area_create(engine->base, &configuration->redis, configuration->server_name);
    engine->feed = create_feed(engine);
    engine->backtest_area = backtest_area_create(engine->base, configuration->console_backtest);
}

void engine_admin_add_areas(struct engine *engine, struct http_server *server)
{
    struct http_area areas[] = {
        reload_area_http(engine->reload_area),
        explain_area_http(&engine->explain_area),
        engine_status_http(engine),
        engine_dry_run_http(engine),
        verdict_area_http(engine->verdict_area),
        verdict_feed_http(engine->feed),
        backtest_area_http(engine->backtest_area),
    };
    for (size_t index = 0; index < sizeof areas / sizeof *areas; index++) {
        areas[index].browser = true;
        http_server_add_area(server, &areas[index]);
    }
}

void engine_admin_stop(struct engine *engine)
{
    reload_area_stop(engine->reload_area);
    verdict_area_stop(engine->verdict_area);
    verdict_feed_stop(engine->feed);
    backtest_area_stop(engine->backtest_area);
    explain_lookup_stop(engine->explain_lookup);
}

void engine_admin_free(struct engine *engine)
{
    reload_area_destroy(engine->reload_area);
    verdict_area_destroy(engine->verdict_area);
    verdict_feed_destroy(engine->feed);
    backtest_area_destroy(engine->backtest_area);
    explain_lookup_destroy(engine->explain_lookup);
}
