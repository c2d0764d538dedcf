/* Whom rows can be fetched from that were missed: Synapse's own `instance_map` and `stream_writers`. The map calls the
 * main process `main`, on the wire it is `master` (replication.md, section 9). */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/configuration_reader.h"

#define INSTANCES_MAXIMUM 1000u

static char *copy(const char *text)
{
    return memory_copy_text(text, strlen(text));
}

static const char *wire_name(const char *name)
{
    return strcmp(name, "main") == 0 ? "master" : name;
}

/* The value of a key of one instance, or NULL; `at` is where it stands. */
static const struct yaml_node *part_of(const struct yaml_node *map, const char *key,
                                       const struct configuration_place *place, struct configuration_place *at)
{
    const struct yaml_pair *pair = yaml_map_find(map, key);
    *at = (struct configuration_place){place->file, pair ? pair->value->mark : place->mark, place->key};
    return pair && pair->value->kind != YAML_KIND_NULL ? pair->value : NULL;
}

static void report_unknown_parts(struct configuration_reader *reader, const struct configuration_place *place,
                                 const struct yaml_node *map)
{
    static const char *const names[] = {"host", "port", "tls", "path", NULL};
    for (size_t index = 0; index < map->count && !reader->files[place->file].lenient; index++) {
        const char *const *name = names;
        while (*name && strcmp(*name, map->pairs[index].key) != 0)
            name++;
        struct configuration_place at = {place->file, map->pairs[index].mark, place->key};
        if (!*name)
            configuration_unknown(reader, &at, "key", map->pairs[index].key, names);
    }
}

/* False, reported, if the entry is no address. */
static bool take_address(struct configuration_reader *reader, const struct configuration_place *place,
                         const struct yaml_node *node, struct instance_address *address)
{
    struct configuration_place at;
    const struct yaml_node *path = part_of(node, "path", place, &at);
    if (path && (path->kind != YAML_KIND_TEXT || !*path->text)) {
        configuration_wrong_kind(reader, &at, "the path of a unix socket", path);
        return false;
    }
    if (path) {
        address->unix_path = configuration_resolve_path(reader->files[place->file].path, path->text);
        return true;
    }
    const struct yaml_node *host = part_of(node, "host", place, &at);
    if (!host || host->kind != YAML_KIND_TEXT || !*host->text) {
        configuration_error(reader, &at, "needs `host` (a text) and `port`, or `path`");
        return false;
    }
    const struct yaml_node *port = part_of(node, "port", place, &at);
    if (!port || port->kind != YAML_KIND_INTEGER || port->integer < 1 || port->integer > 65535) {
        configuration_error(reader, &at, "needs a `port`, an integer from 1 to 65535");
        return false;
    }
    const struct yaml_node *tls = part_of(node, "tls", place, &at);
    if (tls && tls->kind != YAML_KIND_BOOLEAN) {
        configuration_wrong_kind(reader, &at, "true or false for `tls`", tls);
        return false;
    }
    address->host = copy(host->text);
    address->port = (uint16_t)port->integer;
    address->tls = tls && tls->boolean;
    return true;
}

void configuration_check_instances(struct configuration_reader *reader, const struct configuration_place *place,
                                   const struct yaml_node *node)
{
    struct configuration *configuration = reader->configuration;
    if (node->kind != YAML_KIND_MAP) {
        if (node->kind != YAML_KIND_NULL)
            configuration_wrong_kind(reader, place, "a map of names and addresses, as in Synapse", node);
        return;
    }
    if (node->count > INSTANCES_MAXIMUM) {
        configuration_error(reader, place, "has more than 1000 entries");
        return;
    }
    configuration->instances = memory_allocate_zeroed(node->count + 1, sizeof *configuration->instances);
    struct buffer key = {0};
    for (size_t index = 0; index < node->count; index++) {
        const struct yaml_pair *pair = &node->pairs[index];
        buffer_clear(&key);
        buffer_append_format(&key, "%s.%s", place->key, pair->key);
        struct configuration_place below = {place->file, pair->mark, buffer_string(&key)};
        struct instance_address *address = &configuration->instances[configuration->instance_count];
        if (pair->value->kind != YAML_KIND_MAP) {
            configuration_wrong_kind(reader, &below, "a map with `host` and `port`, or with `path`", pair->value);
        } else if (configuration_check_name(reader, &below, pair->key) &&
                   take_address(reader, &below, pair->value, address)) {
            address->name = copy(wire_name(pair->key));
            configuration->instance_count++;
            report_unknown_parts(reader, &below, pair->value);
        }
    }
    buffer_free(&key);
}

static void add_event_writer(struct configuration_reader *reader, const struct configuration_place *place,
                             const struct yaml_node *node)
{
    struct configuration *configuration = reader->configuration;
    if (node->kind != YAML_KIND_TEXT) {
        configuration_wrong_kind(reader, place, "the name of a worker", node);
        return;
    }
    if (configuration_check_name(reader, place, node->text))
        configuration->event_writers[configuration->event_writer_count++] = copy(wire_name(node->text));
}

void configuration_check_stream_writers(struct configuration_reader *reader, const struct configuration_place *place,
                                        const struct yaml_node *node)
{
    struct configuration *configuration = reader->configuration;
    const struct yaml_pair *events = yaml_map_find(node, "events");
    if (node->kind != YAML_KIND_MAP && node->kind != YAML_KIND_NULL)
        configuration_wrong_kind(reader, place, "a map of streams and their writers, as in Synapse", node);
    if (!events || events->value->kind == YAML_KIND_NULL)
        return;
    const struct yaml_node *value = events->value;
    bool list = value->kind == YAML_KIND_LIST;
    struct configuration_place below = {place->file, value->mark, "stream_writers.events"};
    size_t count = list ? value->count : 1;
    if (count > INSTANCES_MAXIMUM) {
        configuration_error(reader, &below, "has more than 1000 entries");
        return;
    }
    configuration->event_writers = memory_allocate_zeroed(count + 1, sizeof *configuration->event_writers);
    for (size_t index = 0; index < count; index++)
        add_event_writer(reader, &below, list ? value->items[index] : value);
}

/* It goes into a header of HTTP as it is. */
void configuration_check_secret(struct configuration_reader *reader, const struct configuration_place *place,
                                const struct yaml_node *node)
{
    (void)node;
    const char *secret = reader->configuration->replication_secret;
    if (secret && strpbrk(secret, "\r\n"))
        configuration_error(reader, place, "must be one line");
}

static bool has_instance(const struct configuration *configuration, const char *name)
{
    for (size_t index = 0; index < configuration->instance_count; index++)
        if (strcmp(configuration->instances[index].name, name) == 0)
            return true;
    return false;
}

/* Said at start, not at the first gap. That nobody at all can be asked, the engine says. */
void configuration_check_catch_up(struct configuration_reader *reader, const struct yaml_node *root)
{
    const struct configuration *configuration = reader->configuration;
    if (configuration->body_source == BODY_SOURCE_POSTGRES)
        return;
    if (configuration->audit_ms && !configuration->instance_count) {
        struct configuration_place audit = {0, yaml_node_at(root, "audit")->mark, "audit"};
        configuration_error(reader, &audit, "needs somebody to ask: `bodies.postgres` or `instance_map`");
    }
    struct configuration_place place = {0, root->mark, "instance_map"};
    for (size_t index = 0; index < configuration->event_writer_count && configuration->instance_count; index++)
        if (!has_instance(configuration, configuration->event_writers[index]))
            configuration_warning(reader, &place,
                                  "has no address of %s, which writes events: what it publishes while Weir does not "
                                  "listen is not judged",
                                  configuration->event_writers[index]);
}
