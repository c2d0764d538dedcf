/* Checks that the table of keys cannot express: texts that go into Redis channels and the line grammar, keys that
 * exclude each other, and what must be there for the purpose at hand. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/configuration_reader.h"

#define NAME_MAXIMUM 255u

bool configuration_check_name(struct configuration_reader *reader, const struct configuration_place *place,
                              const char *name)
{
    if (strlen(name) > NAME_MAXIMUM) {
        configuration_error(reader, place, "must have at most 255 characters");
        return false;
    }
    for (; *name; name++) {
        if (*name > ' ' && *name < 0x7f)
            continue;
        configuration_error(reader, place, "must have no spaces and only printable ASCII characters");
        return false;
    }
    return true;
}

void configuration_check_server_name(struct configuration_reader *reader, const struct configuration_place *place,
                                     const struct yaml_node *node)
{
    configuration_check_name(reader, place, node->text);
}

void configuration_check_instance_name(struct configuration_reader *reader, const struct configuration_place *place,
                                       const struct yaml_node *node)
{
    configuration_check_name(reader, place, node->text);
}

void configuration_check_exclusive(struct configuration_reader *reader, const struct configuration_place *place,
                                   const struct yaml_node *map, const char *first, const char *second)
{
    const struct yaml_pair *one = yaml_map_find(map, first), *other = yaml_map_find(map, second);
    if (!one || !other || one->value->kind == YAML_KIND_NULL || other->value->kind == YAML_KIND_NULL)
        return;
    struct buffer key = {0};
    buffer_append_format(&key, "%s%s%s", place->key, *place->key ? "." : "", second);
    struct configuration_place at = {place->file, other->mark, buffer_string(&key)};
    configuration_error(reader, &at, "stands beside `%s` (line %u): only one of them can be used", first,
                        one->mark.line);
    buffer_free(&key);
}

/* As in Synapse, true, false or "untracked". */
void configuration_check_presence_enabled(struct configuration_reader *reader, const struct configuration_place *place,
                                          const struct yaml_node *node)
{
    if (node->kind == YAML_KIND_BOOLEAN && !node->boolean)
        configuration_warning(reader, place, "Synapse has no presence to route while this is false");
}

/* YAML reads 1.47 as a number, so the text as written counts. */
void configuration_check_semantics(struct configuration_reader *reader, const struct configuration_place *place,
                                   const struct yaml_node *node)
{
    bool scalar = node->kind == YAML_KIND_TEXT || node->kind == YAML_KIND_NUMBER;
    for (int semantics = 0; scalar && semantics_texts[semantics]; semantics++) {
        if (strcmp(node->text, semantics_texts[semantics]) == 0) {
            reader->configuration->semantics = (enum semantics)semantics;
            return;
        }
    }
    configuration_error(reader, place, "must be one of: latest, 1.47");
}

void configuration_check_postgres(struct configuration_reader *reader, const struct configuration_place *place,
                                  const struct yaml_node *node)
{
    configuration_check_exclusive(reader, place, node, "dbname", "database");
    configuration_check_exclusive(reader, place, node, "password", "password_path");
    reader->configuration->body_source = BODY_SOURCE_POSTGRES;
}

void configuration_check_bodies(struct configuration_reader *reader, const struct configuration_place *place,
                                const struct yaml_node *node)
{
    configuration_check_exclusive(reader, place, node, "file", "postgres");
    struct configuration *configuration = reader->configuration;
    if (!configuration->bodies_file)
        return;
    configuration->body_source = BODY_SOURCE_FILE;
    struct stat status;
    const struct yaml_node *file = yaml_node_at(node, "file");
    struct configuration_place at = {place->file, file->mark, "bodies.file"};
    if (reader->purpose != CONFIGURATION_FOR_RUN || !reader->read_files)
        return;
    if (stat(configuration->bodies_file, &status) != 0 || access(configuration->bodies_file, R_OK) != 0)
        configuration_error(reader, &at, "\"%s\" cannot be read: %m", configuration->bodies_file);
    else if (!S_ISREG(status.st_mode))
        configuration_error(reader, &at, "\"%s\" is no regular file", configuration->bodies_file);
}

void configuration_check_observe(struct configuration_reader *reader, const struct configuration_place *place,
                                 const struct yaml_node *node)
{
    if (node->kind == YAML_KIND_MAP)
        configuration_take_map(reader, configuration_observe_settings, false, place, node);
    else if (node->kind == YAML_KIND_BOOLEAN && !node->boolean)
        reader->configuration->observe = false;
    else if (node->kind != YAML_KIND_NULL)
        configuration_wrong_kind(reader, place, "a map, or false for an engine that only answers questions", node);
}

/* A folder in which the state file could not be written is better known at the start than on the day it is needed. */
void configuration_check_state_dir(struct configuration_reader *reader, const struct configuration_place *place,
                                   const struct yaml_node *node)
{
    (void)node;
    const char *path = reader->configuration->state_dir;
    struct stat status;
    if (reader->purpose != CONFIGURATION_FOR_RUN || !reader->read_files)
        return;
    if (stat(path, &status) != 0)
        configuration_error(reader, place, "\"%s\" cannot be used: %m: make the folder, for the user Weir runs as",
                            path);
    else if (!S_ISDIR(status.st_mode))
        configuration_error(reader, place, "\"%s\" is no folder", path);
    else if (access(path, R_OK | W_OK | X_OK) != 0)
        configuration_error(reader, place, "no files can be made in \"%s\": %m", path);
}

/* Reports a key that is missing from our file, and from Synapse's where one is named. */
static void check_required(struct configuration_reader *reader, const struct yaml_node *root, const char *key,
                           const char *hint)
{
    struct configuration_place place = {0, root->mark, key};
    configuration_error(reader, &place, "is missing: add %s", hint);
}

void configuration_check_whole(struct configuration_reader *reader, const struct yaml_node *root)
{
    const struct configuration *configuration = reader->configuration;
    enum configuration_purpose purpose = reader->purpose;
    bool synapse = yaml_map_find(root, "synapse_config") != NULL;
    if (!configuration->server_name && !configuration_find(reader, "server_name", NULL))
        check_required(reader, root, "server_name",
                       synapse ? "it as in Synapse's configuration"
                               : "it, or `synapse_config` with the path of homeserver.yaml");
    bool alone = purpose == CONFIGURATION_FOR_REPLAY || purpose == CONFIGURATION_FOR_BACKTEST;
    if (!alone && !configuration->redis_configured && !configuration_find(reader, "redis", NULL))
        check_required(reader, root, "redis", "Synapse's `redis` section, such as {host: 127.0.0.1, port: 6379}");
    bool has_modules = configuration->chain && chain_module_count(configuration->chain) > 0;
    if (purpose != CONFIGURATION_FOR_CLIENT && !configuration_find(reader, "modules", NULL) && !has_modules)
        check_required(reader, root, "modules", "a list of modules (`weir modules` shows them)");
    configuration_check_exclusive(reader, &(struct configuration_place){0, root->mark, ""}, root,
                                  "worker_replication_secret", "worker_replication_secret_path");
    if (purpose == CONFIGURATION_FOR_RUN || purpose == CONFIGURATION_FOR_CLIENT)
        configuration_check_admin(reader);
    if (purpose == CONFIGURATION_FOR_RUN) {
        configuration_check_catch_up(reader, root);
        configuration_check_http_api(reader);
        configuration_check_policy_whole(reader);
    }
}
