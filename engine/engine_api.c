/* The parts of the HTTP API: there with `requests: {http: true}` only, and closed where there is a secret. */
#include "engine/engine_parts.h"
#include "engine/openapi.h"

static const char *openapi_methods(void *context, struct slice path)
{
    (void)context;
    return slice_equal(path, SLICE(OPENAPI_PATH)) ? "GET" : NULL;
}

static void handle_openapi(void *context, struct http_exchange *exchange, const struct http_request *request)
{
    (void)context, (void)request;
    struct buffer json = {0};
    openapi_append(&json);
    http_exchange_answer(exchange, 200, NULL, buffer_slice(&json));
    buffer_free(&json);
}

/* The drop-in server comes last: it takes whatever path looks like one of its own. */
void engine_api_start(struct engine *engine)
{
    const struct configuration *configuration = engine->configuration;
    if (!configuration->requests_http)
        return;
    engine->callback_area = callback_area_create(engine->questions, configuration->requests_timeout_ms);
    engine->antispam_area =
        antispam_area_create(engine->questions, configuration->requests_timeout_ms, engine->metrics);
    const struct http_area areas[] = {
        callback_area_http(engine->callback_area),
        {.methods = openapi_methods, .handle = handle_openapi, .body_maximum = HTTP_BODY_MAXIMUM, .closed = true},
        antispam_area_http(engine->antispam_area),
    };
    for (size_t index = 0; index < sizeof areas / sizeof *areas; index++)
        http_server_add_area(engine->http, &areas[index]);
}

void engine_api_stop(struct engine *engine)
{
    callback_area_stop(engine->callback_area);
    antispam_area_stop(engine->antispam_area);
}

void engine_api_free(struct engine *engine)
{
    callback_area_destroy(engine->callback_area);
    antispam_area_destroy(engine->antispam_area);
}
