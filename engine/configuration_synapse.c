/* What is taken from Synapse's own files, so that an administrator writes nothing twice. As in Synapse, a later file's
 * top-level key replaces an earlier one's as a whole (synapse/config/_base.py, read_config_files), and our own file
 * comes last: its `redis:` replaces Synapse's, it is not mixed with it. */
#include <stdlib.h>
#include <string.h>

#include "engine/configuration_reader.h"

#define SYNAPSE_FILES_MAXIMUM 64u

/* Whether our file names a source of bodies, which then wins over any `database`. */
static bool bodies_given(const struct configuration_reader *reader)
{
    const struct yaml_pair *bodies = configuration_find(reader, "bodies", NULL);
    return bodies && (yaml_map_find(bodies->value, "file") || yaml_map_find(bodies->value, "postgres"));
}

/* Connection parameters of libpq that make a connection safer are not lost in silence. */
static void warn_of_tls(struct configuration_reader *reader, const struct configuration_place *place,
                        const struct yaml_node *arguments)
{
    const struct yaml_pair *mode = yaml_map_find(arguments, "sslmode");
    if (!mode)
        return;
    struct configuration_place at = {place->file, mode->mark, "database.args.sslmode"};
    configuration_warning(reader, &at, "is not taken over: set PGSSLMODE in the environment of weir");
}

void configuration_take_database(struct configuration_reader *reader, const struct configuration_place *place,
                                 const struct yaml_node *node)
{
    if (bodies_given(reader) || node->kind == YAML_KIND_NULL)
        return;
    if (node->kind != YAML_KIND_MAP) {
        configuration_wrong_kind(reader, place, "a map with `name` and `args`, as in Synapse", node);
        return;
    }
    const struct yaml_pair *name = yaml_map_find(node, "name");
    const struct yaml_pair *arguments = yaml_map_find(node, "args");
    if (name && name->value->text && strcmp(name->value->text, "sqlite3") == 0) {
        struct configuration_place at = {place->file, name->mark, "database.name"};
        configuration_warning(reader, &at, "event bodies cannot be read from SQLite, only from PostgreSQL");
        return;
    }
    if (!name || !name->value->text || strcmp(name->value->text, "psycopg2") != 0) {
        configuration_error(reader, place, "must have `name: psycopg2` and `args`, as in Synapse");
        return;
    }
    reader->configuration->body_source = BODY_SOURCE_POSTGRES;
    if (!arguments || arguments->value->kind != YAML_KIND_MAP)
        return;
    struct configuration_place below = {place->file, arguments->mark, "database.args"};
    configuration_take_map(reader, configuration_postgres_settings, true, &below, arguments->value);
    warn_of_tls(reader, place, arguments->value);
}

static void add_synapse_file(struct configuration_reader *reader, const struct yaml_node *node, const char *key)
{
    struct configuration_place place = {0, node->mark, key};
    if (node->kind != YAML_KIND_TEXT || !*node->text) {
        configuration_wrong_kind(reader, &place, "the path of Synapse's homeserver.yaml, or a list of paths", node);
        return;
    }
    char *path = configuration_resolve_path(reader->files[0].path, node->text);
    configuration_add_file(reader, path, true, &place);
    free(path);
}

static void add_synapse_files(struct configuration_reader *reader, const struct yaml_node *node)
{
    if (node->kind != YAML_KIND_LIST) {
        add_synapse_file(reader, node, "synapse_config");
        return;
    }
    struct buffer key = {0};
    for (size_t index = 0; index < node->count; index++) {
        buffer_clear(&key);
        buffer_append_format(&key, "synapse_config[%zu]", index);
        if (index == SYNAPSE_FILES_MAXIMUM) {
            struct configuration_place place = {0, node->items[index]->mark, buffer_string(&key)};
            configuration_error(reader, &place, "there are more than 64 files");
            break;
        }
        add_synapse_file(reader, node->items[index], buffer_string(&key));
    }
    buffer_free(&key);
}

/* Takes `key` from the last of Synapse's files that has it. */
static void take_from_synapse(struct configuration_reader *reader, const char *key)
{
    for (uint32_t file = reader->file_count - 1; file > 0 && reader->files[file].lenient; file--) {
        const struct yaml_pair *pair = yaml_map_find(yaml_document_root(reader->files[file].document), key);
        if (!pair)
            continue;
        struct configuration_place place = {file, pair->value->mark, key};
        configuration_take_value(reader, configuration_setting_find(key), &place, pair->value);
        return;
    }
}

void configuration_take_synapse(struct configuration_reader *reader, const struct yaml_node *root)
{
    static const char *const keys[] = {"server_name", "redis", "database", "instance_map", "stream_writers"};
    const struct yaml_pair *named = yaml_map_find(root, "synapse_config");
    if (!named)
        return;
    add_synapse_files(reader, named->value);
    for (size_t index = 0; index < sizeof keys / sizeof *keys; index++)
        if (!configuration_find(reader, keys[index], NULL))
            take_from_synapse(reader, keys[index]);
    if (configuration_find(reader, "worker_replication_secret", NULL) ||
        configuration_find(reader, "worker_replication_secret_path", NULL))
        return;
    take_from_synapse(reader, "worker_replication_secret");
    if (!reader->configuration->replication_secret)
        take_from_synapse(reader, "worker_replication_secret_path");
}
