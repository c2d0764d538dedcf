/* The administration API (docs/admin-api.md). Its areas are the same wherever they are served: a row here, and whoever
 * may open the socket or the console has it. */
#include "engine/engine_parts.h"

void engine_admin_start(struct engine *engine)
{
    const struct configuration *configuration = engine->configuration;
    engine->explain_area = (struct explain_area){.questions = engine->questions,
                                                 .instance_name = configuration->instance_name,
                                                 .as_synapse = &configuration->observe_as_synapse};
    engine->reload_area = reload_area_create(engine->reload);
    engine->verdict_area = verdict_area_create(engine->base, &configuration->redis, configuration->server_name);
}

void engine_admin_add_areas(struct engine *engine, struct http_server *server)
{
    const struct http_area areas[] = {
        reload_area_http(engine->reload_area),
        explain_area_http(&engine->explain_area),
        engine_status_http(engine),
        verdict_area_http(engine->verdict_area),
    };
    for (size_t index = 0; index < sizeof areas / sizeof *areas; index++)
        http_server_add_area(server, &areas[index]);
}

void engine_admin_stop(struct engine *engine)
{
    reload_area_stop(engine->reload_area);
    verdict_area_stop(engine->verdict_area);
}

void engine_admin_free(struct engine *engine)
{
    reload_area_destroy(engine->reload_area);
    verdict_area_destroy(engine->verdict_area);
}
