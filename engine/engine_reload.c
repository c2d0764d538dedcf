/* SIGHUP: a broken file changes nothing. The chain, `publish`, `observe` and `log` are taken over between two events.
 */
#include "engine/engine_parts.h"
#include "engine/log.h"
#include "engine/module_pages.h"

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
           old->body_source != new->body_source || old->requests_http != new->requests_http ||
           old->audit_ms != new->audit_ms || old->role != new->role;
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

void engine_on_reload_signal(evutil_socket_t number, short what, void *argument)
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
        log_error(
            "server_name, instance_name, role, audit, requests.http and the kind of body source need a restart; the "
            "old configuration goes on");
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
