/* The administration API on a unix socket: a second HTTP server, without a secret, since the kernel says who asks. It
 * is there also without an HTTP listener, from before the first connection to Redis until the very end, so that
 * `weir status` says what an engine lacks that does not get ready or does not end. */
#include "engine/engine_parts.h"
#include "engine/log.h"

/* People and their tools; a page that hangs must not keep the next person out. */
#define CONNECTIONS_MAXIMUM 64u

static const struct http_route no_routes[] = {{NULL, NULL, NULL}};

static bool admit(void *context, int socket)
{
    struct engine *engine = context;
    uid_t peer;
    uint64_t suppressed;
    if (admin_socket_admits(socket, &peer))
        return true;
    ++*engine->admin_refused;
    if (log_gate_pass(&engine->admin_gate, &suppressed))
        log_warning("a user who is neither Weir's nor root connected to the admin socket and was hung up on",
                    LOG_INTEGER("uid", peer == (uid_t)-1 ? -1 : (int64_t)peer),
                    LOG_STRING("socket", engine->configuration->admin_socket), LOG_INTEGER("suppressed", suppressed));
    return false;
}

/* Whether the engine goes on without it: a socket that nobody asked for is done without, unless another engine has it,
 * since two that share an instance's name and its folder would spoil each other's work. One that starts over, after it
 * had its socket, does its job whatever became of the folder. */
static bool goes_without(const struct engine *engine, enum admin_socket_status status, struct slice reason)
{
    const struct configuration *configuration = engine->configuration;
    bool goes_on = engine->started_over || (status != ADMIN_SOCKET_TAKEN && !configuration->admin_socket_written);
    if (goes_on)
        log_warning("there is no admin socket, so that `weir status` and its like cannot ask this engine",
                    LOG_TEXT("reason", reason));
    else
        log_error("cannot open the admin socket", LOG_TEXT("reason", reason));
    return goes_on;
}

static void serve(struct engine *engine)
{
    static const struct metric_definition refused = {
        "weir_admin_refused_total", METRIC_COUNTER,
        "Connections to the admin socket of users who are neither Weir's nor root.", NULL};
    struct buffer error = {0};
    struct http_server_settings settings = {.socket = admin_socket_descriptor(engine->admin_socket),
                                            .address = engine->configuration->admin_socket,
                                            .admit = admit,
                                            .routes = no_routes,
                                            .context = engine,
                                            .connections = CONNECTIONS_MAXIMUM};
    engine->admin_refused = metrics_register(engine->metrics, &refused, 1, NULL, NULL);
    engine->admin = http_server_create(engine->base, &settings, &error);
    if (engine->admin) {
        engine_admin_add_areas(engine, engine->admin);
        log_info("listens for administration", LOG_STRING("socket", engine->configuration->admin_socket));
    } else {
        log_error("cannot open the admin socket", LOG_TEXT("reason", buffer_slice(&error)));
    }
    buffer_free(&error);
}

bool engine_admin_socket_start(struct engine *engine)
{
    const char *path = engine->configuration->admin_socket;
    struct buffer error = {0};
    if (!path)
        return true;
    enum admin_socket_status status = admin_socket_open(path, &engine->admin_socket, &error);
    bool goes_on = status == ADMIN_SOCKET_OPENED || goes_without(engine, status, buffer_slice(&error));
    if (status == ADMIN_SOCKET_OPENED)
        serve(engine);
    buffer_free(&error);
    return goes_on;
}

void engine_admin_socket_stop(struct engine *engine)
{
    http_server_destroy(engine->admin);
    admin_socket_close(engine->admin_socket);
}
