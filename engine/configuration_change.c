/* A module that came in by `include` has its keys from several maps: its own item, and what `with` says of it in each
 * entry around it. The outermost one wins, whose author knows what the others wrote and not the other way round. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/configuration_include.h"
#include "filters/selector.h"

static const char *const change_keys[] = {"config", "dry_run", "only", "except", "error", "reason", NULL};
static const char *const entry_keys[] = {"include", "dry_run", "except", "with", "without", NULL};

static bool is_among(const char *const *names, const char *name)
{
    for (; *names; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

static const struct yaml_node *value_of(const struct yaml_node *map, const char *key)
{
    const struct yaml_pair *pair = yaml_map_find(map, key);
    return pair ? pair->value : NULL;
}

/* ---- what the layers come to */

/* The layer whose key counts; the item if none has it. `*node` is its value. An entry's `dry_run` is for all modules
 * that come in by it, of which `with` may say otherwise. */
static const struct module_layer *find_layer(const struct module_reading *reading, const char *key,
                                             const struct yaml_node **node)
{
    for (size_t number = reading->layer_count; number > 0; number--) {
        const struct module_layer *layer = &reading->layers[number - 1];
        *node = value_of(layer->map, key);
        if (!*node && layer->inclusion && strcmp(key, "dry_run") == 0)
            *node = value_of(layer->inclusion->item, key);
        if (*node)
            return layer;
    }
    *node = NULL;
    return &reading->layers[0];
}

const struct yaml_node *configuration_item_find(const struct module_reading *reading, const char *key)
{
    const struct yaml_node *node;
    find_layer(reading, key, &node);
    return node;
}

json_t *configuration_item_config(const struct module_reading *reading)
{
    json_t *config = NULL;
    for (size_t number = 0; number < reading->layer_count; number++) {
        const struct yaml_node *node = value_of(reading->layers[number].map, "config");
        if (!node || node->kind != YAML_KIND_MAP)
            continue;
        json_t *values = yaml_node_to_json(node);
        if (config)
            json_object_update(config, values);
        else
            config = json_incref(values);
        json_decref(values);
    }
    return config;
}

/* Adds the lists of one `except` to those of another: an event is left out if any entry matches. */
static void add_lists(json_t *lists, const json_t *others)
{
    const char *key;
    json_t *value, *entry;
    size_t index;
    json_object_foreach((json_t *)(uintptr_t)others, key, value)
    {
        json_t *sum = json_array(), *old = json_object_get(lists, key);
        const json_t *const parts[] = {old, value};
        for (size_t part = 0; part < 2; part++) {
            if (json_is_array(parts[part]))
                json_array_foreach(parts[part], index, entry) json_array_append(sum, entry);
            else if (parts[part] && !json_is_null(parts[part]))
                json_array_append(sum, (json_t *)(uintptr_t)parts[part]);
        }
        json_object_set_new(lists, key, sum);
    }
}

json_t *configuration_item_except(const struct module_reading *reading)
{
    const struct yaml_node *node = configuration_item_find(reading, "except");
    json_t *except = node && node->kind != YAML_KIND_NULL ? yaml_node_to_json(node) : NULL;
    for (size_t number = 1; number < reading->layer_count; number++) {
        node = value_of(reading->layers[number].inclusion->item, "except");
        if (!node || node->kind != YAML_KIND_MAP || (except && !json_is_object(except)))
            continue;
        json_t *more = yaml_node_to_json(node);
        if (!except)
            except = json_object();
        add_lists(except, more);
        json_decref(more);
    }
    return except;
}

/* The layer that has `path` of the config, or of the item. */
static const struct module_layer *layer_of_path(const struct module_reading *reading, const char *path)
{
    const struct yaml_node *node;
    char key[128];
    size_t length = strcspn(path, ".[");
    snprintf(key, sizeof key, "%.*s", (int)length, path);
    if (strcmp(key, "config") != 0 || path[length] != '.')
        return find_layer(reading, key, &node);
    path += length + 1;
    snprintf(key, sizeof key, "%.*s", (int)strcspn(path, ".["), path);
    for (size_t number = reading->layer_count; number > 1; number--)
        if (yaml_map_find(value_of(reading->layers[number - 1].map, "config"), key))
            return &reading->layers[number - 1];
    return &reading->layers[0];
}

struct configuration_place configuration_item_place(const struct module_reading *reading, const char *path,
                                                    struct buffer *key)
{
    const char *point = *path && *path != '[' ? "." : "";
    if (reading->layer_count == 0) {
        buffer_append_format(key, "%s%s%s", reading->key, point, path);
        return (struct configuration_place){reading->file, reading->item->mark, buffer_string(key)};
    }
    const struct module_layer *layer = layer_of_path(reading, path);
    if (!layer->inclusion)
        buffer_append_format(key, "%s%s%s", reading->key, point, path);
    else if (layer->map)
        buffer_append_format(key, "%s.with.%s%s%s", layer->inclusion->key, reading->label, point, path);
    else
        buffer_append_format(key, "%s%s%s", layer->inclusion->key, point, path);
    const struct yaml_node *node = layer->map || !layer->inclusion ? layer->map : layer->inclusion->item;
    return (struct configuration_place){layer->file, yaml_node_at(node, path)->mark, buffer_string(key)};
}

/* A path is told without its parameter, so its text is looked for; as deep as a document, which is bounded. */
static bool holds_text(const struct yaml_node *node, const char *text)
{
    for (size_t index = 0; node->kind == YAML_KIND_MAP && index < node->count; index++)
        if (holds_text(node->pairs[index].value, text))
            return true;
    for (size_t index = 0; node->kind == YAML_KIND_LIST && index < node->count; index++)
        if (holds_text(node->items[index], text))
            return true;
    return node->kind == YAML_KIND_TEXT && strcmp(node->text, text) == 0;
}

uint32_t configuration_item_file(const struct module_reading *reading, const char *text)
{
    for (size_t number = reading->layer_count; number > 1; number--) {
        const struct yaml_node *config = value_of(reading->layers[number - 1].map, "config");
        if (config && holds_text(config, text))
            return reading->layers[number - 1].file;
    }
    return reading->file;
}

/* ---- the entry itself */

/* What is wrong with an entry. */
struct entry_reading {
    struct configuration_reader *reader;
    const struct module_inclusion *inclusion;
};

static void report(void *context, const char *path, const char *message)
{
    const struct entry_reading *entry = context;
    struct buffer key = {0};
    buffer_append_format(&key, "%s.%s", entry->inclusion->key, path);
    struct configuration_place place = {entry->inclusion->file, yaml_node_at(entry->inclusion->item, path)->mark,
                                        buffer_string(&key)};
    configuration_error(entry->reader, &place, "%s", message);
    buffer_free(&key);
}

static void check_keys(struct entry_reading *entry, const struct yaml_node *map, const char *path,
                       const char *const *names)
{
    struct buffer key = {0};
    for (size_t index = 0; index < map->count; index++) {
        const struct yaml_pair *pair = &map->pairs[index];
        if (is_among(names, pair->key))
            continue;
        buffer_clear(&key);
        buffer_append_format(&key, "%s%s.%s", entry->inclusion->key, path, pair->key);
        struct configuration_place place = {entry->inclusion->file, pair->mark, buffer_string(&key)};
        configuration_unknown(entry->reader, &place, "key", pair->key, names);
    }
    buffer_free(&key);
}

static void check_with(struct entry_reading *entry, const struct yaml_node *with)
{
    if (with->kind != YAML_KIND_MAP) {
        report(entry, "with", "must be a map of modules, by their `name`, with what is to be said of each instead");
        return;
    }
    struct buffer path = {0};
    for (size_t index = 0; index < with->count; index++) {
        const struct yaml_node *change = with->pairs[index].value, *config = value_of(change, "config");
        buffer_clear(&path);
        buffer_append_format(&path, ".with.%s", with->pairs[index].key);
        if (change->kind != YAML_KIND_MAP)
            report(entry, buffer_string(&path) + 1, "must be a map with `config`, `dry_run`, `only` or `except`");
        else
            check_keys(entry, change, buffer_string(&path), change_keys);
        buffer_append_string(&path, ".config");
        if (config && config->kind != YAML_KIND_MAP)
            report(entry, buffer_string(&path) + 1, "must be a map of parameters");
    }
    buffer_free(&path);
}

static void check_without(struct entry_reading *entry, const struct yaml_node *without)
{
    bool good = without->kind == YAML_KIND_LIST;
    for (size_t index = 0; good && index < without->count; index++)
        good = without->items[index]->kind == YAML_KIND_TEXT;
    if (!good)
        report(entry, "without", "must be a list of modules, by their `name`");
}

void configuration_check_inclusion(struct configuration_reader *reader, const struct module_inclusion *inclusion)
{
    struct entry_reading entry = {reader, inclusion};
    const struct module_host host = {.context = &entry, .report = report};
    const struct yaml_node *dry_run = value_of(inclusion->item, "dry_run");
    const struct yaml_node *except = value_of(inclusion->item, "except");
    const struct yaml_node *with = value_of(inclusion->item, "with"), *without = value_of(inclusion->item, "without");
    check_keys(&entry, inclusion->item, "", entry_keys);
    if (dry_run && dry_run->kind != YAML_KIND_BOOLEAN)
        report(&entry, "dry_run", "must be true or false");
    if (except) {
        json_t *lists = yaml_node_to_json(except);
        selector_destroy(selector_create(NULL, lists, &host));
        json_decref(lists);
    }
    if (with)
        check_with(&entry, with);
    if (without)
        check_without(&entry, without);
}

static void check_label(struct configuration_reader *reader, const struct module_inclusion *inclusion, const char *list,
                        const char *label, struct yaml_mark mark)
{
    if (is_among(inclusion->labels->items, label))
        return;
    struct buffer key = {0};
    buffer_append_format(&key, "%s.%s", inclusion->key, list);
    struct configuration_place place = {inclusion->file, mark, buffer_string(&key)};
    const char *nearest = nearest_word(label, inclusion->labels->items);
    configuration_error(reader, &place, "\"%s\" has no module `%s`%s%s%s", inclusion->step.path, label,
                        nearest ? "; did you mean `" : "", nearest ? nearest : "", nearest ? "`?" : "");
    buffer_free(&key);
}

void configuration_check_labels(struct configuration_reader *reader, const struct module_inclusion *inclusion)
{
    struct label_list *labels = inclusion->labels;
    labels->items = memory_reallocate(labels->items, (labels->count + 1) * sizeof *labels->items);
    labels->items[labels->count] = NULL;
    const struct yaml_node *with = value_of(inclusion->item, "with"), *without = value_of(inclusion->item, "without");
    for (size_t index = 0; with && with->kind == YAML_KIND_MAP && index < with->count; index++)
        check_label(reader, inclusion, "with", with->pairs[index].key, with->pairs[index].mark);
    for (size_t index = 0; without && without->kind == YAML_KIND_LIST && index < without->count; index++)
        if (without->items[index]->kind == YAML_KIND_TEXT)
            check_label(reader, inclusion, "without", without->items[index]->text, without->items[index]->mark);
}

/* Every entry around the module learns its label. */
bool configuration_module_left_out(const struct module_reading *reading)
{
    bool out = false;
    for (const struct module_inclusion *inclusion = reading->inclusion; inclusion && reading->label;
         inclusion = inclusion->outer) {
        struct label_list *labels = inclusion->labels;
        labels->items = memory_reallocate(labels->items, (labels->count + 1) * sizeof *labels->items);
        labels->items[labels->count++] = reading->label;
        const struct yaml_node *without = value_of(inclusion->item, "without");
        for (size_t index = 0; without && without->kind == YAML_KIND_LIST && index < without->count; index++)
            out |= without->items[index]->kind == YAML_KIND_TEXT &&
                   strcmp(without->items[index]->text, reading->label) == 0;
    }
    return out;
}
