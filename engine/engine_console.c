/* The console in the browser: the page, and who may look at it. What it shows is the administration's
 * (engine_admin.c). */
#include "engine/console_page.h"
#include "engine/engine_parts.h"

static void handle_open_session(void *context, struct http_exchange *exchange, const struct http_request *request)
{
    (void)context, (void)request;
    http_exchange_answer(exchange, 200, NULL, SLICE("{\"needed\":false,\"open\":true}\n"));
}

static const char *session_methods(void *context, struct slice path)
{
    (void)context;
    return slice_equal(path, SLICE("/console/session")) ? "GET" : NULL;
}

void engine_console_start(struct engine *engine)
{
    if (!engine->configuration->console)
        return;
    const struct http_area areas[] = {
        {.methods = session_methods, .handle = handle_open_session},
        console_page_http(),
    };
    for (size_t index = 0; index < sizeof areas / sizeof *areas; index++)
        http_server_add_area(engine->http, &areas[index]);
}

void engine_console_free(struct engine *engine)
{
    (void)engine;
}
