/* GET /v1/status and GET /v1/positions (docs/admin-api.md): asks the parts for what they know, once, when somebody
 * asks.
 */
#include <sys/stat.h>

#include "engine/clock.h"
#include "engine/engine_parts.h"
#include "engine/status.h"

#define STATUS_PATH "/v1/status"
#define POSITIONS_PATH "/v1/positions"

static int64_t wall_of(uint64_t monotonic_ns)
{
    return monotonic_ns ? clock_wall_ms() - (int64_t)((clock_now_ns() - monotonic_ns) / 1000000) : 0;
}

static int64_t written_at(const char *path)
{
    struct stat status;
    if (!path || stat(path, &status) != 0 || !S_ISREG(status.st_mode))
        return 0;
    return (int64_t)status.st_mtim.tv_sec * 1000 + status.st_mtim.tv_nsec / 1000000;
}

/* The outbox of one that waits for its turn is not connected, but then its lease is. */
static bool is_connected(const struct engine *engine)
{
    return outbox_is_ready(engine->outbox) ||
           (engine_waits(engine) && lease_waits_for(engine->lease) != LEASE_WAITS_FOR_REDIS);
}

static void collect_parts(const struct engine *engine, struct status *status)
{
    status->outbox = outbox_counts(engine->outbox);
    status->redis_connected = is_connected(engine);
    status->redis_subscribed = engine->subscribed;
    status->bodies_ready = bodies_ready(engine->bodies);
    status->ranges = catch_up_waiting(engine->catch_up);
    status->fetching_since = wall_of(engine->fetching_since_ns);
    status->events = observer_counts(engine->observer);
    status->latency = outbox_latency(engine->outbox);
    status->requests = questions_counts(engine->questions);
    status->requests_latency = questions_latency(engine->questions);
    status->process = process_figures();
}

static struct status collect(const struct engine *engine)
{
    static const char *const roles[] = {[ROLE_ALONE] = "alone", [ROLE_ACTIVE] = "active", [ROLE_STANDBY] = "standby"};
    static const char *const sources[] = {
        [BODY_SOURCE_NONE] = NULL, [BODY_SOURCE_FILE] = "file", [BODY_SOURCE_POSTGRES] = "postgres"};
    const struct configuration *configuration = engine->configuration;
    struct status status = {.server_name = configuration->server_name,
                            .instance = configuration->instance_name,
                            .now = clock_wall_ms(),
                            .started = engine->started_ms,
                            .missing = engine_missing_part(engine),
                            .role = roles[configuration->role],
                            .works = !engine_waits(engine),
                            .path = configuration->path,
                            .reloads = reload_count(engine->reload),
                            .refused_reloads = reload_refused_count(engine->reload),
                            .reloading = reload_is_busy(engine->reload),
                            .last_reload = reload_last(engine->reload),
                            .bodies = sources[configuration->body_source],
                            .requests_redis = configuration->requests_redis,
                            .requests_http = configuration->requests_http,
                            .backtest = written_at(configuration->console_backtest)};
    collect_parts(engine, &status);
    return status;
}

/* Files beside the configuration are told without their folder. */
static const char *path_beside(const struct configuration *configuration, const char *path)
{
    const char *slash = strrchr(configuration->path, '/');
    size_t folder = slash ? (size_t)(slash - configuration->path) + 1 : 0;
    return strncmp(path, configuration->path, folder) == 0 ? path + folder : path;
}

void engine_append_module(const struct engine *engine, uint32_t index, struct buffer *json)
{
    const struct configuration *configuration = engine->configuration;
    const struct configuration_module *written = &configuration->modules[index];
    struct status_module module = {.chain = configuration->chain,
                                   .index = index,
                                   .label = observer_module_label(engine->observer, index),
                                   .path = path_beside(configuration, configuration->sources[written->file].path),
                                   .line = written->line,
                                   .dry_run_configured = chain_module_options(configuration->chain, index)->dry_run,
                                   .denied_events = observer_module_denials(engine->observer, index)};
    status_append_module(&module, json);
}

static void append_chain(const struct engine *engine, struct buffer *json)
{
    const struct chain *chain = engine->configuration->chain;
    buffer_append_format(json, ",\"chain\":{\"semantics\":\"%s\",\"modules\":[",
                         semantics_texts[chain_semantics(chain)]);
    for (uint32_t index = 0; index < chain_module_count(chain); index++) {
        buffer_append_string(json, index ? "," : "");
        engine_append_module(engine, index, json);
    }
    buffer_append_string(json, "]}");
}

struct writers {
    struct buffer *json;
    uint64_t now_ns;
    bool some;
};

static void append_writer(void *context, const struct writer_standing *standing)
{
    struct writers *writers = context;
    buffer_append_string(writers->json, writers->some ? "," : "");
    status_append_writer(standing, writers->now_ns, writers->json);
    writers->some = true;
}

static void append_writers(const struct engine *engine, struct buffer *json)
{
    struct writers writers = {json, clock_now_ns(), false};
    buffer_append_string(json, "\"writers\":[");
    observer_each_writer(engine->observer, append_writer, &writers);
    buffer_append_char(json, ']');
}

static void append_status(const struct engine *engine, struct buffer *json)
{
    struct buffer address = {0};
    struct status status = collect(engine);
    redis_address_describe(&engine->configuration->redis, &address);
    status.redis = buffer_slice(&address);
    status_append_engine(&status, json);
    append_chain(engine, json);
    buffer_append_char(json, ',');
    append_writers(engine, json);
    status_append_backtest(&status, json);
    buffer_free(&address);
}

static void handle(void *context, struct http_exchange *exchange, const struct http_request *request)
{
    const struct engine *engine = context;
    struct buffer json = {0};
    buffer_append_char(&json, '{');
    if (slice_equal(request->path, SLICE(POSITIONS_PATH)))
        append_writers(engine, &json);
    else
        append_status(engine, &json);
    buffer_append_string(&json, "}\n");
    http_exchange_answer(exchange, 200, NULL, buffer_slice(&json));
    buffer_free(&json);
}

static const char *methods(void *context, struct slice path)
{
    (void)context;
    return slice_equal(path, SLICE(STATUS_PATH)) || slice_equal(path, SLICE(POSITIONS_PATH)) ? "GET" : NULL;
}

struct http_area engine_status_http(struct engine *engine)
{
    return (struct http_area){.methods = methods, .handle = handle, .context = engine, .closed = true};
}
