/* Builds the chain from `modules:`. What a module finds wrong with its parameters comes as a path into its `config`,
 * which is looked up in the YAML tree again, so that these errors have a line and a column too. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/configuration_reader.h"

#define MODULE_FILE_MAXIMUM ((size_t)1 << 30)
#define MODULES_MAXIMUM 1000u

/* One module while its configuration is read. */
struct module_reading {
    struct configuration_reader *reader;
    const struct yaml_node *item;   /* the list's item */
    const struct yaml_node *config; /* NULL without one */
    char key[32];                   /* "modules[2]" */
};

static void report_parameter(void *context, const char *path, const char *message)
{
    const struct module_reading *reading = context;
    const struct yaml_node *node = reading->config ? yaml_node_at(reading->config, path) : reading->item;
    struct buffer key = {0};
    buffer_append_format(&key, "%s.config%s%s", reading->key, *path && *path != '[' ? "." : "", path);
    struct configuration_place place = {0, node->mark, buffer_string(&key)};
    configuration_error(reading->reader, &place, "%s", message);
    buffer_free(&key);
}

static bool read_module_file(void *context, const char *name, struct buffer *content, struct buffer *error)
{
    const struct module_reading *reading = context;
    struct buffer reason = {0};
    char *path = configuration_resolve_path(reading->reader->files[0].path, name);
    bool read = reading->reader->read_files && configuration_read_file(path, MODULE_FILE_MAXIMUM, content, &reason);
    if (!read)
        buffer_append_format(error, "\"%s\" cannot be read: %s", path,
                             reading->reader->read_files ? buffer_string(&reason) : "files are left out");
    buffer_free(&reason);
    free(path);
    return read;
}

static bool resolve_module_path(void *context, const char *name, struct buffer *path, struct buffer *error)
{
    const struct module_reading *reading = context;
    if (!reading->reader->read_files) {
        buffer_append_string(error, "files are left out");
        return false;
    }
    char *resolved = configuration_resolve_path(reading->reader->files[0].path, name);
    if (!strchr(resolved, '/'))
        buffer_append_string(path, "./");
    buffer_append_string(path, resolved);
    free(resolved);
    return true;
}

static void report_unknown_module(struct module_reading *reading, const struct configuration_place *place,
                                  const char *name)
{
    size_t count = 0;
    while (module_registry[count])
        count++;
    const char **names = memory_allocate_zeroed(count + 1, sizeof *names);
    for (size_t index = 0; index < count; index++)
        names[index] = module_registry[index]->name;
    configuration_unknown(reading->reader, place, "module", name, names);
    free(names);
}

/* The definition that `module:` names, or NULL with the error reported. */
static const struct module_definition *find_module(struct module_reading *reading)
{
    struct configuration_reader *reader = reading->reader;
    const struct yaml_pair *pair = yaml_map_find(reading->item, "module");
    struct configuration_place place = {0, reading->item->mark, reading->key};
    if (!pair) {
        configuration_error(reader, &place, "has no `module: NAME`");
        return NULL;
    }
    struct buffer key = {0};
    buffer_append_format(&key, "%s.module", reading->key);
    place = (struct configuration_place){0, pair->value->mark, buffer_string(&key)};
    const struct module_definition *definition = NULL;
    if (pair->value->kind != YAML_KIND_TEXT) {
        configuration_wrong_kind(reader, &place, "a text", pair->value);
    } else {
        definition = module_find(pair->value->text);
        if (!definition)
            report_unknown_module(reading, &place, pair->value->text);
    }
    buffer_free(&key);
    return definition;
}

static void check_item_keys(struct module_reading *reading)
{
    static const char *const names[] = {"module", "config", NULL};
    struct buffer key = {0};
    for (size_t index = 0; index < reading->item->count; index++) {
        const struct yaml_pair *pair = &reading->item->pairs[index];
        if (strcmp(pair->key, names[0]) == 0 || strcmp(pair->key, names[1]) == 0)
            continue;
        buffer_clear(&key);
        buffer_append_format(&key, "%s.%s", reading->key, pair->key);
        struct configuration_place place = {0, pair->mark, buffer_string(&key)};
        configuration_unknown(reading->reader, &place, "key", pair->key, names);
    }
    buffer_free(&key);
}

/* The `config` map, NULL if there is none; false if it is no map. */
static bool find_config(struct module_reading *reading)
{
    const struct yaml_pair *pair = yaml_map_find(reading->item, "config");
    if (!pair || pair->value->kind == YAML_KIND_NULL)
        return true;
    if (pair->value->kind == YAML_KIND_MAP) {
        reading->config = pair->value;
        return true;
    }
    struct buffer key = {0};
    buffer_append_format(&key, "%s.config", reading->key);
    struct configuration_place place = {0, pair->value->mark, buffer_string(&key)};
    configuration_wrong_kind(reading->reader, &place, "a map of parameters", pair->value);
    buffer_free(&key);
    return false;
}

/* An engine without bodies would pass every event by such a module without a word. */
static void check_bodies(struct module_reading *reading, const struct module_definition *definition, bool needs_body)
{
    const struct configuration_reader *reader = reading->reader;
    if (reader->purpose != CONFIGURATION_FOR_RUN || !needs_body ||
        reader->configuration->body_source != BODY_SOURCE_NONE)
        return;
    struct configuration_place place = {0, reading->item->mark, reading->key};
    configuration_error(reading->reader, &place,
                        "%s judges by the event's body, and there is no source of bodies: add `bodies: {postgres: "
                        "{...}}` or `bodies: {file: PATH}`",
                        definition->name);
}

static void take_module(struct configuration_reader *reader, const struct yaml_node *item, size_t index)
{
    struct module_reading reading = {.reader = reader, .item = item};
    snprintf(reading.key, sizeof reading.key, "modules[%zu]", index);
    if (item->kind != YAML_KIND_MAP) {
        struct configuration_place place = {0, item->mark, reading.key};
        configuration_wrong_kind(reader, &place, "a map with `module` and `config`", item);
        return;
    }
    check_item_keys(&reading);
    const struct module_definition *definition = find_module(&reading);
    if (!find_config(&reading) || !definition)
        return;
    struct module_host host = {.context = &reading,
                               .report = report_parameter,
                               .read_file = read_module_file,
                               .resolve_path = resolve_module_path};
    json_t *config = reading.config ? yaml_node_to_json(reading.config) : NULL;
    size_t errors = reader->error_count;
    struct chain *chain = reader->configuration->chain;
    bool good = chain_append(chain, definition, config, NULL, &host);
    if (!good && reader->error_count == errors)
        report_parameter(&reading, "", "the module cannot be made from this");
    check_bodies(&reading, definition,
                 good ? chain_module_needs_body(chain, chain_module_count(chain) - 1) : definition->needs_body);
    json_decref(config);
}

void configuration_take_modules(struct configuration_reader *reader, const struct yaml_node *root)
{
    struct chain_settings settings = {.server_name = reader->configuration->server_name};
    reader->configuration->chain = chain_create(&settings);
    const struct yaml_pair *pair = yaml_map_find(root, "modules");
    if (pair) {
        const struct yaml_node *list = pair->value;
        struct configuration_place place = {0, list->kind == YAML_KIND_NULL ? pair->mark : list->mark, "modules"};
        if (list->kind != YAML_KIND_LIST && list->kind != YAML_KIND_NULL)
            configuration_wrong_kind(reader, &place, "a list of modules", list);
        else if (list->count > MODULES_MAXIMUM)
            configuration_error(reader, &place, "has more than 1000 modules");
        else if (list->count == 0)
            configuration_warning(reader, &place, "there are no modules: every event passes");
        else
            for (size_t index = 0; index < list->count; index++)
                take_module(reader, list->items[index], index);
    }
    chain_seal(reader->configuration->chain, NULL, NULL);
}
