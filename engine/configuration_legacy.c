/* Synapse names a module by its Python class. A class that Weir has a module for, with the same configuration, is a row
 * of a table; for others the table knows what to write instead. Synapse's wrappers convert the answers of modules from
 * its old sections; those that stand for them here answer in the new style, so nothing is converted and the chain does
 * not count them as old. */
#include <stdio.h>
#include <string.h>

#include "engine/configuration_reader.h"

#define LDAP_ADVICE "leave LDAP to Synapse"

/* A class by its dotted name, or by the last part of it. */
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
    {"HTTPAntispam", NULL, "within Synapse it can ask Weir, with `requests: {http: true}` (docs/http.md)"},
    {"mjolnir.Module", NULL, "write `module: sender_list` with the banned users and servers, or leave it in Synapse"},
    {"mjolnir.AntiSpam", NULL, "write `module: sender_list` with the banned users and servers, or leave it in Synapse"},
    {"synapse_simple_antispam.AntiSpam", NULL,
     "write `module: sender_list` with its `blocked_homeservers` under `servers`"},
    {"LdapAuthProvider", NULL, LDAP_ADVICE},
    {"LdapAuthProviderModule", NULL, LDAP_ADVICE},
};

#define GENERAL_ADVICE                                                                                                 \
    "write `module: lua` with a script, `module: http_service` for a service of your own, or leave it in Synapse"

static const struct known_class *find_class(const char *dotted)
{
    const char *dot = strrchr(dotted, '.');
    const char *last = dot ? dot + 1 : dotted;
    for (size_t index = 0; index < sizeof known_classes / sizeof *known_classes; index++)
        if (strcmp(known_classes[index].name, dotted) == 0 || strcmp(known_classes[index].name, last) == 0)
            return &known_classes[index];
    return NULL;
}

static const char *advice_for(const struct known_class *known)
{
    return known && known->advice ? known->advice : GENERAL_ADVICE;
}

/* Nobody else runs what stands in our file, so that it is an error there. */
static void cannot_map(struct configuration_reader *reader, const struct configuration_place *place, const char *class,
                       const char *advice)
{
    if (!reader->files[place->file].lenient)
        configuration_error(reader, place, "the Python class %s cannot run in Weir: %s", class, advice);
    else
        configuration_warning(reader, place, "the Python class %s is left to Synapse, Weir cannot run it: %s", class,
                              advice);
}

void configuration_refuse_class(struct configuration_reader *reader, const struct configuration_place *place,
                                const char *class)
{
    const struct known_class *known = find_class(class);
    if (known && known->module)
        configuration_error(reader, place,
                            "the Python class %s cannot run in Weir: write `module: %s`, which takes the same `config`",
                            class, known->module);
    else
        cannot_map(reader, place, class, advice_for(known));
}

/* Synapse goes on running what is taken from its file: the administrator must know that both do. */
static void tell_of_both(struct configuration_reader *reader, const struct configuration_place *place,
                         const char *class, const char *module)
{
    if (place->file != 0)
        configuration_warning(
            reader, place,
            "the Python class %s is taken as `module: %s`, and Synapse runs it too: take it out there "
            "once Weir answers in its place, or write `take_modules: false` in Weir's configuration",
            class, module);
}

/* `item` should be a map with `module` and, perhaps, `config`. */
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
    const struct known_class *known = find_class(module->value->text);
    const struct module_definition *definition = known && known->module ? module_find(known->module) : NULL;
    if (!definition) {
        cannot_map(reader, &place, module->value->text, advice_for(known));
        return;
    }
    if (!configuration_open_item(&reading))
        return;
    tell_of_both(reader, &place, module->value->text, definition->name);
    configuration_append_module(&reading, definition);
}

/* Synapse's short form of a password provider: no class is named. */
static void take_ldap(struct configuration_reader *reader, uint32_t file, const struct yaml_node *item, const char *key)
{
    const struct yaml_pair *enabled = yaml_map_find(item, "enabled");
    struct configuration_place place = {file, item->mark, key};
    if (enabled && enabled->value->kind == YAML_KIND_BOOLEAN && enabled->value->boolean)
        cannot_map(reader, &place, "ldap_auth_provider.LdapAuthProvider", LDAP_ADVICE);
}

/* Where Synapse's modules stand, in the order in which Synapse loads them (synapse/app/_base.py, start). */
static const struct section {
    const char *key;    /* at the top of the file */
    const char *member; /* of its map; NULL: the key's own value */
    const char *name;   /* both, for people */
    /* Takes a section that is one map; NULL: it may not be one. */
    void (*take)(struct configuration_reader *reader, uint32_t file, const struct yaml_node *item, const char *key);
    bool many; /* may be a list of maps, each a class */
} list_section = {"modules", NULL, "modules", NULL, true},
  old_sections[] = {
      {"spam_checker", NULL, "spam_checker", take_class, true},
      {"third_party_event_rules", NULL, "third_party_event_rules", take_class, false},
      {"presence", "presence_router", "presence.presence_router", take_class, false},
      {"ldap_config", NULL, "ldap_config", take_ldap, false},
      {"password_providers", NULL, "password_providers", NULL, true},
};

/* A section's value: of our file, else of the last of Synapse's that has the key, which stands as a whole. NULL if
 * there is none. */
static const struct yaml_node *find_section(const struct configuration_reader *reader, const struct section *section,
                                            uint32_t *file)
{
    uint32_t files = reader->configuration->take_modules ? reader->file_count : 1;
    for (uint32_t step = 0; step < files; step++) {
        *file = step == 0 ? 0 : reader->file_count - step;
        if (*file != 0 && !reader->files[*file].lenient)
            continue;
        const struct yaml_pair *pair = yaml_map_find(yaml_document_root(reader->files[*file].document), section->key);
        const struct yaml_pair *inner = pair && section->member ? yaml_map_find(pair->value, section->member) : pair;
        if (inner)
            return inner->value;
        /* `presence` of our file has keys of our own, beside which Synapse's may stand. */
        if (pair && *file != 0)
            return NULL;
    }
    return NULL;
}

static void take_list(struct configuration_reader *reader, const struct section *section, uint32_t file,
                      const struct yaml_node *list)
{
    if (list->count > CONFIGURATION_MODULES_MAXIMUM) {
        struct configuration_place place = {file, list->mark, section->name};
        configuration_error(reader, &place, "has more than %u modules", CONFIGURATION_MODULES_MAXIMUM);
        return;
    }
    for (size_t index = 0; index < list->count; index++) {
        char key[CONFIGURATION_MODULE_KEY];
        snprintf(key, sizeof key, "%s[%zu]", section->name, index);
        take_class(reader, file, list->items[index], key);
    }
}

static const char *wanted_kind(const struct section *section)
{
    if (!section->many)
        return "a map with `module` and `config`";
    return section->take ? "a map with `module` and `config`, or a list of them"
                         : "a list of maps with `module` and `config`";
}

static void take_section(struct configuration_reader *reader, const struct section *section)
{
    uint32_t file;
    const struct yaml_node *node = find_section(reader, section, &file);
    if (!node || node->kind == YAML_KIND_NULL)
        return;
    struct configuration_place place = {file, node->mark, section->name};
    if (section->many && node->kind == YAML_KIND_LIST)
        take_list(reader, section, file, node);
    else if (!section->take || node->kind != YAML_KIND_MAP)
        configuration_wrong_kind(reader, &place, wanted_kind(section), node);
    else if (node->count)
        section->take(reader, file, node, section->name);
}

void configuration_take_synapse_modules(struct configuration_reader *reader)
{
    take_section(reader, &list_section);
}

void configuration_take_legacy_modules(struct configuration_reader *reader)
{
    for (size_t index = 0; index < sizeof old_sections / sizeof *old_sections; index++)
        take_section(reader, &old_sections[index]);
}
