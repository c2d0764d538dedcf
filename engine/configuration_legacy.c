/* Synapse names a module by its Python class. A class that Weir has a module for, with the same configuration, is a row
 * of a table; for a few others the table knows what to write instead. Answers of old-style classes were converted by
 * Synapse's wrappers; the modules that stand for them answer in the new style, so nothing is converted here. */
#include <stdio.h>
#include <string.h>

#include "engine/configuration_reader.h"

/* A class by the last part of its dotted name. */
static const struct known_class {
    const char *name;
    const char *module; /* that stands for it; NULL: none */
    const char *advice; /* what to write where none does */
} known_classes[] = {
    {"ListSpamChecker", "list_spam_checker", NULL},
    {"EventCensorer", "event_censorer", NULL},
    {"ExamplePresenceRouter", "presence_router", NULL},
    {"MyAuthProvider", "my_auth_provider", NULL},
    {"CustomPresenceRouter", NULL,
     "its users stand in its code: write `module: presence_router` with them under `routes`"},
    {"HTTPAntispam", NULL, "write `module: http_service` with its `base_url` as `url` and the callbacks it asks"},
    {"AntiSpam", NULL, "write `module: sender_list` with the blocked servers under `servers`, or watch a policy list"},
    {"LdapAuthProvider", NULL, "leave it in Synapse: Weir does not speak LDAP"},
};

#define GENERAL_ADVICE                                                                                                 \
    "write `module: lua` with a script, `module: http_service` for a service of your own, or leave it in Synapse"

static const char *class_of(const char *dotted)
{
    const char *dot = strrchr(dotted, '.');
    return dot ? dot + 1 : dotted;
}

static const struct known_class *find_class(const char *name)
{
    for (size_t index = 0; index < sizeof known_classes / sizeof *known_classes; index++)
        if (strcmp(known_classes[index].name, name) == 0)
            return &known_classes[index];
    return NULL;
}

/* Ours is an error: nobody else runs it. */
static void cannot_map(struct configuration_reader *reader, const struct configuration_place *place, const char *class,
                       const char *advice)
{
    if (place->file == 0)
        configuration_error(reader, place, "the Python class %s cannot run in Weir: %s", class, advice);
    else
        configuration_warning(reader, place, "the Python class %s is left to Synapse. To have it judged by Weir: %s",
                              class, advice);
}

/* `item` is a map with `module` and, perhaps, `config`. */
static void take_class(struct configuration_reader *reader, uint32_t file, const struct yaml_node *item,
                       const char *key)
{
    struct module_reading reading = {.reader = reader, .file = file, .item = item};
    snprintf(reading.key, sizeof reading.key, "%s", key);
    struct configuration_place place = {file, item->mark, reading.key};
    const struct yaml_pair *module = yaml_map_find(item, "module");
    if (!module || module->value->kind != YAML_KIND_TEXT) {
        configuration_error(reader, &place, "must be a map with `module: package.Class`, as in Synapse");
        return;
    }
    const struct known_class *known = find_class(class_of(module->value->text));
    const struct module_definition *definition = known && known->module ? module_find(known->module) : NULL;
    if (!definition) {
        cannot_map(reader, &place, module->value->text, known && known->advice ? known->advice : GENERAL_ADVICE);
        return;
    }
    const struct yaml_pair *config = yaml_map_find(item, "config");
    if (config && config->value->kind == YAML_KIND_MAP)
        reading.config = config->value;
    configuration_append_module(&reading, definition);
}

/* A section that is one module or a list of them. */
static void take_section(struct configuration_reader *reader, uint32_t file, const struct yaml_node *node,
                         const char *name)
{
    if (node->kind == YAML_KIND_MAP) {
        if (node->count)
            take_class(reader, file, node, name);
        return;
    }
    if (node->kind != YAML_KIND_LIST && node->kind != YAML_KIND_NULL) {
        struct configuration_place place = {file, node->mark, name};
        configuration_wrong_kind(reader, &place, "a map with `module` and `config`, or a list of them", node);
        return;
    }
    for (size_t index = 0; index < node->count; index++) {
        char key[CONFIGURATION_MODULE_KEY];
        snprintf(key, sizeof key, "%s[%zu]", name, index);
        take_class(reader, file, node->items[index], key);
    }
}

/* The value of a top-level key: of our file, else of the last of Synapse's that has it. */
static const struct yaml_node *find_key(const struct configuration_reader *reader, const char *key, uint32_t *file)
{
    const struct yaml_pair *pair = yaml_map_find(yaml_document_root(reader->files[0].document), key);
    *file = 0;
    for (uint32_t number = reader->file_count - 1; !pair && number > 0; number--) {
        pair = yaml_map_find(yaml_document_root(reader->files[number].document), key);
        *file = number;
    }
    return pair ? pair->value : NULL;
}

void configuration_take_synapse_modules(struct configuration_reader *reader)
{
    uint32_t file;
    const struct yaml_node *list = find_key(reader, "modules", &file);
    if (list)
        take_section(reader, file, list, "modules");
}

static void take_presence(struct configuration_reader *reader)
{
    uint32_t file;
    const struct yaml_node *presence = find_key(reader, "presence", &file);
    if (!presence)
        return;
    const struct yaml_pair *router = yaml_map_find(presence, "presence_router");
    if (router)
        take_section(reader, file, router->value, "presence.presence_router");
}

void configuration_take_legacy_modules(struct configuration_reader *reader)
{
    /* In the order in which Synapse loads them (synapse/app/_base.py, start). */
    static const char *const sections[] = {"spam_checker", "third_party_event_rules", "presence", "password_providers"};
    for (size_t index = 0; index < sizeof sections / sizeof *sections; index++) {
        uint32_t file;
        const struct yaml_node *node = find_key(reader, sections[index], &file);
        if (strcmp(sections[index], "presence") == 0)
            take_presence(reader);
        else if (node)
            take_section(reader, file, node, sections[index]);
    }
}
