/* The console in the browser: the page, and who may look at it. What it shows is the administration's
 * (engine_admin.c). */
#include "engine/console_page.h"
#include "engine/engine_parts.h"

void engine_console_start(struct engine *engine)
{
    const struct configuration *configuration = engine->configuration;
    if (!configuration->console) {
        http_server_guard(engine->http, &(struct http_sessions){NULL, NULL});
        return;
    }
    const struct console_area_settings settings = {.session_ms = configuration->console_session_ms,
                                                   .tls = configuration->http_certificate_file != NULL,
                                                   .metrics = engine->metrics};
    engine->console_area = console_area_create(engine->http, &settings);
    const struct http_sessions sessions = console_area_sessions(engine->console_area);
    const struct http_area areas[] = {console_area_http(engine->console_area), console_page_http()};
    http_server_guard(engine->http, &sessions);
    for (size_t index = 0; index < sizeof areas / sizeof *areas; index++)
        http_server_add_area(engine->http, &areas[index]);
}

void engine_console_secret_changed(struct engine *engine)
{
    if (engine->console_area)
        console_area_end_sessions(engine->console_area);
    verdict_feed_end_all(engine->feed);
}

void engine_console_free(struct engine *engine)
{
    console_area_destroy(engine->console_area);
}
