/* What a configuration that was loaded again changes in the running engine. The chain, `publish`, `observe`, `log`, and
 * the secret and the certificate of the HTTP listener are taken over between two events; the rest is kept, with a word
 * about it. How it is loaded, and when, is reload.c's. */
#include <stddef.h>
#include <stdlib.h>

#include "base/memory.h"
#include "engine/clock.h"
#include "engine/engine_parts.h"
#include "engine/log.h"
#include "engine/module_pages.h"
#include "engine/module_state.h"

#define NEEDS_RESTART                                                                                                  \
    "server_name, instance_name, role, audit, requests.http, `observe: false` and the kind of body source need a "     \
    "restart; the old configuration goes on"

/* A chain of a million ids is ended in less. */
#define END_MS 1000

/* What a reload cannot change is kept, with a word about it. */
static bool needs_restart(const struct configuration *old, const struct configuration *new)
{
    return strcmp(old->server_name, new->server_name) != 0 || strcmp(old->instance_name, new->instance_name) != 0 ||
           old->body_source != new->body_source || old->requests_http != new->requests_http ||
           old->audit_ms != new->audit_ms || old->role != new->role || old->observe != new->observe;
}

/* Keys that are read once: a change of them is passed over, and said. */
static const struct read_once {
    const char *key;
    size_t offset;
    size_t size; /* of a number; 0: a text, or NULL */
} read_once[] = {
#define TEXT(key, member)                                                                                              \
    {                                                                                                                  \
        key, offsetof(struct configuration, member), 0                                                                 \
    }
#define NUMBER(key, member)                                                                                            \
    {                                                                                                                  \
        key, offsetof(struct configuration, member), sizeof(((struct configuration *)NULL)->member)                    \
    }
    TEXT("redis.host", redis.host),
    NUMBER("redis.port", redis.port),
    TEXT("redis.path", redis.unix_path),
    NUMBER("redis.dbid", redis.database),
    TEXT("redis.username", redis.username),
    TEXT("redis.password", redis.password),
    NUMBER("redis.use_tls", redis.tls.enabled),
    TEXT("redis.sentinel.master_name", redis.sentinels.master_name),
    TEXT("bodies.file", bodies_file),
    TEXT("bodies.postgres.host", postgres.host),
    TEXT("bodies.postgres.port", postgres.port),
    TEXT("bodies.postgres.dbname", postgres.dbname),
    TEXT("bodies.postgres.user", postgres.user),
    TEXT("bodies.postgres.password", postgres.password),
    TEXT("http.listen", http_listen),
    NUMBER("http.connections", http_connections),
    NUMBER("console.enabled", console),
    NUMBER("console.session", console_session_ms),
    TEXT("console.backtest", console_backtest),
    TEXT("admin_socket", admin_socket),
    NUMBER("policy_server.enabled", policy.enabled),
    TEXT("policy_server.signing_key_path", policy.signing_key_path),
    TEXT("policy_server.server_name", policy.server_name),
    NUMBER("policy_server.authenticate", policy.authenticate),
    TEXT("policy_server.key_server", policy.key_server),
    NUMBER("policy_server.rooms", policy.room_count),
    TEXT("policy_server.default_room_version", policy.default_room_version),
    NUMBER("policy_server.cache", policy.cache),
    NUMBER("policy_server.cache_for", policy.cache_for_ms),
    NUMBER("policy_server.timeout", policy.timeout_ms),
    NUMBER("policy_server.waiting", policy.waiting),
    NUMBER("requests.timeout", requests_timeout_ms),
    TEXT("worker_replication_secret", replication_secret),
    NUMBER("instance_map", instance_count),
    NUMBER("requests.redis", requests_redis),
    NUMBER("requests.batch", requests_batch),
    NUMBER("requests.queue", requests_queue),
    NUMBER("requests.stream", requests_stream),
    NUMBER("requests.tries", requests_tries),
    NUMBER("requests.claim_after", requests_claim_after_ms),
    NUMBER("requests.waiting", requests_waiting),
    NUMBER("requests.waiting_per_asker", requests_waiting_per_asker),
    NUMBER("requests.waiting_per_room", requests_waiting_per_room),
    NUMBER("requests.publish", requests_publish),
    NUMBER("presence.cache", presence_cache),
    NUMBER("presence.cache_for", presence_cache_for_ms),
    TEXT("state_dir", state_dir),
    NUMBER("state_interval", state_interval_ms),
    NUMBER("lease", lease_ms),
#undef TEXT
#undef NUMBER
};

static bool differs(const struct read_once *key, const struct configuration *old, const struct configuration *new)
{
    const char *before = (const char *)old + key->offset, *after = (const char *)new + key->offset;
    if (key->size)
        return memcmp(before, after, key->size) != 0;
    return !slice_equal(slice_from_string(*(char *const *)before), slice_from_string(*(char *const *)after));
}

static void tell_what_was_passed_over(const struct configuration *old, const struct configuration *new,
                                      struct buffer *warnings)
{
    for (size_t index = 0; index < sizeof read_once / sizeof *read_once; index++) {
        if (!differs(&read_once[index], old, new))
            continue;
        log_warning("this key has changed and needs a restart; what it was goes on",
                    LOG_STRING("key", read_once[index].key));
        buffer_append_format(warnings, "%s: %s: this key has changed and needs a restart; what it was goes on\n",
                             new->path, read_once[index].key);
    }
}

/* ---- chains that were in use */

static void retire(struct engine *engine, struct chain *chain)
{
    engine->retired = memory_reallocate(engine->retired, (engine->retired_count + 1) * sizeof *engine->retired);
    engine->retired[engine->retired_count++] = (struct retired_chain){chain, engine->chain_services};
}

void engine_on_chain_unused(void *context, struct chain *chain)
{
    struct engine *engine = context;
    for (size_t index = 0; index < engine->retired_count; index++) {
        if (engine->retired[index].chain != chain)
            continue;
        struct retired_chain retired = engine->retired[index];
        engine->retired[index] = engine->retired[--engine->retired_count];
        reload_end_chain(engine->worker, retired.chain, retired.services);
        return;
    }
}

/* The configuration's chain takes over from one that the observer gives back when no event waits in it any more. */
static void use_chain(struct engine *engine)
{
    struct chain *chain = engine->configuration->chain;
    presence_router_use_chain(engine->presence, chain);
    observer_keep(engine->observer, STREAM_presence, presence_router_wanted(chain));
    questions_use_chain(engine->questions, chain);
    if (engine->requests)
        requests_tell_callbacks(engine->requests);
    observer_use_chain(engine->observer, chain);
}

static bool use(void *context, struct configuration *loaded, struct service_batch *services, struct buffer *refusal,
                struct buffer *warnings)
{
    struct engine *engine = context;
    if (needs_restart(engine->configuration, loaded)) {
        log_error(NEEDS_RESTART);
        buffer_append_string(refusal, NEEDS_RESTART);
        return false;
    }
    engine_dry_run_warn_lost(engine, warnings);
    module_state_hand_over(engine->configuration->chain, loaded->chain);
    retire(engine, configuration_take_chain(engine->configuration, loaded));
    engine->chain_services = services;
    service_batch_attach(services, engine->services);
    shared_rate_wake(engine->shared_rate);
    use_chain(engine);
    observer_reconfigure(engine->observer, loaded->observe_rejected, loaded->observe_outliers,
                         loaded->observe_as_synapse);
    engine->configuration->observe_as_synapse = loaded->observe_as_synapse;
    outbox_reconfigure(engine->outbox, loaded->publish_all, loaded->publish_keep);
    log_threshold = loaded->log_level;
    engine_pages_reload(engine, loaded);
    tell_what_was_passed_over(engine->configuration, loaded, warnings);
    module_pages_warn(engine->configuration->chain, engine->http);
    return true;
}

static void on_busy(void *context, bool busy)
{
    const struct engine *engine = context;
    service_manager_reloading(engine->manager, busy);
}

/* ---- life */

void engine_on_reload_signal(evutil_socket_t number, short what, void *argument)
{
    (void)number, (void)what;
    struct engine *engine = argument;
    reload_request(engine->reload, "SIGHUP", NULL, NULL);
}

void engine_reload_start(struct engine *engine)
{
    struct reload_settings settings = {.base = engine->base,
                                       .worker = engine->worker,
                                       .path = engine->configuration->path,
                                       .modules = chain_module_count(engine->configuration->chain),
                                       .metrics = engine->metrics,
                                       .rates = shared_rate_interface(engine->shared_rate),
                                       .use = use,
                                       .busy = on_busy,
                                       .context = engine};
    engine->reload = reload_create(&settings);
    reload_watch(engine->reload, engine->configuration->watch, &engine->files);
}

/* What is under way gets what is left of the time for a stop. */
void engine_reload_stop(struct engine *engine)
{
    uint64_t now_ns = clock_now_ns();
    int64_t left_ms = engine->configuration ? engine->configuration->shutdown_timeout_ms : 0;
    if (engine->stopping)
        left_ms = engine->stop_by_ns > now_ns ? (int64_t)((engine->stop_by_ns - now_ns) / 1000000) : 0;
    reload_stop(engine->reload);
    worker_destroy(engine->worker, left_ms + END_MS);
    reload_destroy(engine->reload);
    free(engine->retired);
    files_read_free(&engine->files);
}
