/* The engine's own pages; the HTTP API and the pages of modules come after them. */
#include "engine/engine_parts.h"
#include "engine/log.h"

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

const char *engine_missing_part(const struct engine *engine)
{
    const char *lease_missing = engine_lease_missing(engine);
    return engine->stopping                                           ? "stopping"
           : lease_missing                                            ? lease_missing
           : engine_waits(engine)                                     ? NULL
           : !outbox_is_ready(engine->outbox)                         ? "not connected to Redis"
           : !engine->configuration->observe                          ? NULL
           : !engine->subscribed                                      ? "not subscribed to the replication channel"
           : !bodies_ready(engine->bodies)                            ? "not connected to the database of event bodies"
           : !engine->caught_up && catch_up_waiting(engine->catch_up) ? "catching up with what was missed"
                                                                      : NULL;
}

const char *engine_readiness(const struct engine *engine)
{
    const char *missing = engine_missing_part(engine);
    return missing ? missing : engine_waits(engine) ? "standby, ready to take over" : "ready";
}

static void handle_ready(void *context, struct http_response *response)
{
    const struct engine *engine = context;
    response->status = engine_missing_part(engine) ? 503 : 200;
    buffer_append_format(response->body, "%s\n", engine_readiness(engine));
}

/* For those who collect metrics and probe nothing: what /readyz says. */
static void append_readiness(const void *context, struct buffer *output)
{
    static const struct metric_definition ready = {
        "weir_ready", METRIC_GAUGE,
        "Whether nothing is missing to do the job, or to take it over (1), or /readyz tells what is (0).", NULL};
    metrics_append_family(output, &ready);
    metrics_append_sample(output, &ready, NULL, engine_missing_part(context) ? 0 : 1);
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
    return chain_resource(engine->configuration->chain, path, state);
}

bool engine_pages_start(struct engine *engine)
{
    if (!engine->configuration->http_listen)
        return true;
    struct buffer error = {0};
    struct http_server_settings settings = {.listen = engine->configuration->http_listen,
                                            .routes = routes,
                                            .context = engine,
                                            .secret = engine->configuration->http_secret,
                                            .certificate_file = engine->configuration->http_certificate_file,
                                            .private_key_file = engine->configuration->http_private_key_file,
                                            .connections = (size_t)engine->configuration->http_connections,
                                            .metrics = engine->metrics};
    engine->http = http_server_create(engine->base, &settings, &error);
    if (engine->http) {
        metrics_on_render(engine->metrics, append_readiness, engine);
        log_info("listens for HTTP", LOG_STRING("address", http_server_address(engine->http)));
        if (engine->configuration->console || engine->configuration->requests_http)
            engine_admin_add_areas(engine, engine->http);
        engine_console_start(engine);
        engine_api_start(engine);
        engine->policy =
            engine_policy_start(engine->base, engine->configuration, engine->questions, engine->http, engine->metrics);
        http_server_find_pages(engine->http, find_page);
    } else {
        log_error("cannot listen for HTTP", LOG_STRING("address", engine->configuration->http_listen),
                  LOG_TEXT("reason", buffer_slice(&error)));
    }
    buffer_free(&error);
    return engine->http != NULL;
}

static void take(char **old, char **new)
{
    char *before = *old;
    *old = *new;
    *new = before;
}

static void reload_certificate(struct engine *engine, struct configuration *loaded)
{
    struct configuration *configuration = engine->configuration;
    struct buffer error = {0};
    if (!configuration->http_certificate_file != !loaded->http_certificate_file) {
        log_warning("this key has changed and needs a restart; what it was goes on", LOG_STRING("key", "http.tls"));
    } else if (loaded->http_certificate_file) {
        if (http_server_use_certificate(engine->http, loaded->http_certificate_file, loaded->http_private_key_file,
                                        &error)) {
            take(&configuration->http_certificate_file, &loaded->http_certificate_file);
            take(&configuration->http_private_key_file, &loaded->http_private_key_file);
        } else {
            log_error("the certificate of the HTTP listener was not loaded; the old one goes on",
                      LOG_TEXT("reason", buffer_slice(&error)));
        }
    }
    buffer_free(&error);
}

void engine_pages_reload(struct engine *engine, struct configuration *loaded)
{
    struct configuration *configuration = engine->configuration;
    if (!engine->http)
        return;
    reload_certificate(engine, loaded);
    /* The new file may have no secret because it listens elsewhere, which it does not until the restart. */
    if (configuration->http_secret && !loaded->http_secret &&
        (configuration->requests_http || configuration->console) &&
        !http_listen_is_loopback(configuration->http_listen)) {
        log_warning("the secret of the HTTP API is kept until a restart, since it still listens beyond loopback",
                    LOG_STRING("address", http_server_address(engine->http)));
        return;
    }
    bool changed = !slice_equal(slice_from_string(configuration->http_secret), slice_from_string(loaded->http_secret));
    take(&configuration->http_secret, &loaded->http_secret);
    http_server_use_secret(engine->http, configuration->http_secret);
    if (changed)
        engine_console_secret_changed(engine);
}

void engine_pages_stop(struct engine *engine)
{
    engine_api_stop(engine);
    engine_admin_stop(engine);
    http_server_destroy(engine->http);
    engine_admin_socket_stop(engine);
    engine_api_free(engine);
    engine_admin_free(engine);
    engine_console_free(engine);
    engine_policy_stop(engine->policy);
}
