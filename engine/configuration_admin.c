/* The console and the socket for administration. Both are there without a key where nobody from outside reaches them;
 * what that depends on is known only when the whole file has been read. */
#include <stdlib.h>
#include <sys/un.h>

#include "base/memory.h"
#include "engine/configuration_reader.h"
#include "engine/http_server.h"

/* With its last zero, as sockaddr_un has room for. */
#define SOCKET_PATH_MAXIMUM (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)

void configuration_check_console(struct configuration_reader *reader, const struct configuration_place *place,
                                 const struct yaml_node *node)
{
    if (node->kind == YAML_KIND_MAP)
        configuration_take_map(reader, configuration_console_settings, false, place, node);
    else if (node->kind == YAML_KIND_BOOLEAN)
        reader->configuration->console = node->boolean;
    else if (node->kind != YAML_KIND_NULL)
        configuration_wrong_kind(reader, place, "a map, or true or false", node);
}

void configuration_check_admin_socket(struct configuration_reader *reader, const struct configuration_place *place,
                                      const struct yaml_node *node)
{
    struct configuration *configuration = reader->configuration;
    if (node->kind == YAML_KIND_TEXT) {
        free(configuration->admin_socket);
        configuration->admin_socket = configuration_resolve_path(reader->files[place->file].path, node->text);
        configuration->admin_socket_written = true;
        if (strlen(configuration->admin_socket) > SOCKET_PATH_MAXIMUM)
            configuration_error(reader, place, "is too long for a socket: %zu bytes at most", SOCKET_PATH_MAXIMUM);
    } else if (node->kind != YAML_KIND_NULL && (node->kind != YAML_KIND_BOOLEAN || node->boolean)) {
        configuration_wrong_kind(reader, place, "a path, or false for no socket", node);
    }
}

static char *in_state_dir(const struct configuration *configuration, const char *name, const char *suffix)
{
    struct buffer path = {0};
    buffer_append_format(&path, "%s/%s%s", configuration->state_dir, name, suffix);
    char *text = memory_copy_text(path.data, path.length);
    buffer_free(&path);
    return text;
}

/* A socket whose path would not fit is done without: nobody asked for it. */
static void take_default_socket(struct configuration_reader *reader)
{
    struct configuration *configuration = reader->configuration;
    if (configuration_find(reader, "admin_socket", NULL) || !configuration->state_dir ||
        strchr(configuration->instance_name, '/'))
        return;
    char *path = in_state_dir(configuration, configuration->instance_name, ".sock");
    if (strlen(path) <= SOCKET_PATH_MAXIMUM)
        configuration->admin_socket = path;
    else
        free(path);
}

static bool console_is_said(const struct yaml_pair *console)
{
    return console && (console->value->kind == YAML_KIND_BOOLEAN ||
                       (console->value->kind == YAML_KIND_MAP && yaml_map_find(console->value, "enabled")));
}

/* Reports a console that cannot be, and says whether that is so. */
static bool refuse_console(struct configuration_reader *reader, const struct yaml_pair *console, uint32_t file)
{
    const struct configuration *configuration = reader->configuration;
    struct configuration_place place = {file, console->value->mark, "console"};
    if (!configuration->http_listen)
        configuration_error(reader, &place, "needs the HTTP listener, and `http: false` is set");
    else if (!configuration->http_secret && !http_listen_is_loopback(configuration->http_listen))
        configuration_error(reader, &place,
                            "everyone who reaches \"%s\" could see the verdicts and switch modules: set `http.secret` "
                            "or `http.secret_path`, or listen on 127.0.0.1 or [::1] only",
                            configuration->http_listen);
    else
        return false;
    return true;
}

void configuration_check_admin(struct configuration_reader *reader)
{
    struct configuration *configuration = reader->configuration;
    uint32_t file = 0;
    const struct yaml_pair *console = configuration_find(reader, "console", &file);
    take_default_socket(reader);
    if (!console_is_said(console))
        configuration->console = configuration->http_listen && http_listen_is_loopback(configuration->http_listen);
    else if (configuration->console && refuse_console(reader, console, file))
        configuration->console = false;
    if (!configuration->console_backtest && configuration->state_dir)
        configuration->console_backtest = in_state_dir(configuration, "backtest", ".html");
}
