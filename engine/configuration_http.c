/* The section of the HTTP listener: who reaches it, what they need for that, and what it shows of itself. */
#include <stdlib.h>
#include <sys/stat.h>

#include "engine/configuration_reader.h"
#include "engine/http_server.h"
#include "engine/tls_server.h"

void configuration_check_http(struct configuration_reader *reader, const struct configuration_place *place,
                              const struct yaml_node *node)
{
    if (node->kind == YAML_KIND_MAP) {
        configuration_take_map(reader, configuration_http_settings, false, place, node);
        configuration_check_exclusive(reader, place, node, "secret", "secret_path");
    } else if (node->kind == YAML_KIND_BOOLEAN && !node->boolean) {
        free(reader->configuration->http_listen);
        reader->configuration->http_listen = NULL;
    } else if (node->kind != YAML_KIND_NULL) {
        configuration_wrong_kind(reader, place, "a map with `listen`, or false for no listener", node);
    }
}

void configuration_check_listen(struct configuration_reader *reader, const struct configuration_place *place,
                                const struct yaml_node *node)
{
    char host[64];
    uint16_t port;
    if (!http_listen_parse(node->text, host, sizeof host, &port))
        configuration_error(reader, place,
                            "must be an address and a port, such as \"127.0.0.1:9180\" or \"[::1]:9180\"");
    else if (!http_listen_is_loopback(node->text))
        configuration_warning(reader, place,
                              "the metrics can be read by everyone who reaches this address: there is no password");
}

/* It travels in a header. The secret itself is never part of a message. */
void configuration_check_http_secret(struct configuration_reader *reader, const struct configuration_place *place,
                                     const struct yaml_node *node)
{
    (void)node;
    const char *secret = reader->configuration->http_secret;
    size_t length = strlen(secret);
    for (size_t index = 0; index < length; index++) {
        bool end = index == 0 || index == length - 1;
        if (secret[index] >= (end ? '!' : ' ') && secret[index] < 0x7f)
            continue;
        configuration_error(reader, place,
                            "must have only printable ASCII characters, and no blanks around them, to travel in the "
                            "header Authorization");
        return;
    }
}

void configuration_check_http_secret_path(struct configuration_reader *reader, const struct configuration_place *place,
                                          const struct yaml_node *node)
{
    struct stat status;
    char *path = configuration_resolve_path(reader->files[place->file].path, node->text);
    if (stat(path, &status) == 0 && S_ISREG(status.st_mode) && (status.st_mode & S_IROTH))
        configuration_warning(reader, place, "every user of this machine can read \"%s\": chmod o-r", path);
    free(path);
    configuration_check_http_secret(reader, place, node);
}

/* While the files are checked. */
struct tls_reading {
    struct configuration_reader *reader;
    const struct configuration_place *place; /* of `tls` */
    const struct yaml_node *map;
};

static void report_tls(void *context, enum tls_server_part part, const char *sentence)
{
    static const char *const keys[] = {
        [TLS_SERVER_CERTIFICATE] = "certificate_file", [TLS_SERVER_PRIVATE_KEY] = "private_key_file"};
    const struct tls_reading *reading = context;
    struct configuration_place at = *reading->place;
    struct buffer key = {0};
    const struct yaml_node *node = keys[part] ? yaml_node_at(reading->map, keys[part]) : NULL;
    if (node) {
        buffer_append_format(&key, "%s.%s", at.key, keys[part]);
        at.key = buffer_string(&key);
        at.mark = node->mark;
    }
    configuration_error(reading->reader, &at, "%s", sentence);
    buffer_free(&key);
}

void configuration_check_http_tls(struct configuration_reader *reader, const struct configuration_place *place,
                                  const struct yaml_node *node)
{
    const struct configuration *configuration = reader->configuration;
    const char *certificate = configuration->http_certificate_file, *key = configuration->http_private_key_file;
    struct tls_reading reading = {reader, place, node};
    bool there = node->kind == YAML_KIND_MAP && node->count > 0;
    if (reader->files_read && certificate && key) {
        files_read_add(reader->files_read, certificate);
        files_read_add(reader->files_read, key);
    }
    if (there && !certificate)
        report_tls(&reading, TLS_SERVER_PRIVATE_KEY, "needs `certificate_file` beside it");
    else if (there && !key)
        report_tls(&reading, TLS_SERVER_CERTIFICATE, "needs `private_key_file` beside it");
    else if (there && reader->read_files && reader->purpose == CONFIGURATION_FOR_RUN)
        tls_server_check(certificate, key, report_tls, &reading);
}

void configuration_check_http_api(struct configuration_reader *reader)
{
    const struct configuration *configuration = reader->configuration;
    uint32_t file;
    const struct yaml_pair *http = configuration_find(reader, "http", &file);
    const struct yaml_pair *listen = http ? yaml_map_find(http->value, "listen") : NULL;
    char host[64];
    uint16_t port;
    if (!listen || !configuration->requests_http || configuration->http_secret || !configuration->http_listen ||
        !http_listen_parse(configuration->http_listen, host, sizeof host, &port) ||
        http_listen_is_loopback(configuration->http_listen))
        return;
    struct configuration_place place = {file, listen->value->mark, "http.listen"};
    configuration_error(
        reader, &place,
        "with `requests.http` everyone who reaches this address could ask whether a message would pass, "
        "and find one that does: set `http.secret` or `http.secret_path`, or listen on 127.0.0.1 or "
        "[::1] only");
}
