/* Two sorts of `include`. That of an entry in `modules:` puts the modules of a file there, so that own rules can stand
 * before and behind them. That at the top is for all other keys, each of which counts where one's own file lacks it, as
 * a whole, as Synapse does it with several files; modules are not lost in this way: those of included files come first.
 *
 * Depth and number are bounded, so that files which include each other are an error and no more. */
#include "engine/configuration_include.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/profile_folder.h"

#define INCLUDES_MAXIMUM 64u

/* A bare word is a profile; anything else is a path beside the file that has it. NULL, reported, if there are no
 * profiles. */
static char *include_path(struct configuration_reader *reader, const struct configuration_place *place,
                          const char *name)
{
    size_t length = strlen(name);
    bool yaml = (length > 5 && strcmp(name + length - 5, ".yaml") == 0) ||
                (length > 4 && strcmp(name + length - 4, ".yml") == 0);
    if (yaml || strchr(name, '/'))
        return configuration_resolve_path(reader->files[place->file].path, name);
    char *folder = profile_folder_find();
    if (!folder) {
        configuration_error(reader, place,
                            "\"%s\" would be a profile, and there is no folder of them (share/weir/profiles) beside "
                            "the program: write the path of a file, such as \"./%s.yaml\"",
                            name, name);
        return NULL;
    }
    struct buffer path = {0};
    buffer_append_format(&path, "%s/%s.yaml", folder, name);
    char *copy = memory_copy_text(path.data, path.length);
    buffer_free(&path);
    free(folder);
    return copy;
}

/* Whether one more file may be read from within `outer`; reported if not. */
static bool may_include(struct configuration_reader *reader, const struct configuration_place *place,
                        const struct include_step *outer, const char *path)
{
    unsigned depth = 0;
    for (const struct include_step *step = outer; step; step = step->outer, depth++) {
        if (strcmp(step->path, path) == 0) {
            configuration_error(reader, place, "\"%s\" includes itself", path);
            return false;
        }
    }
    if (depth > INCLUDE_DEPTH_MAXIMUM) {
        configuration_error(reader, place, "files include each other more than %u deep", INCLUDE_DEPTH_MAXIMUM);
        return false;
    }
    uint32_t included = 0;
    for (uint32_t file = 1; file < reader->file_count; file++)
        included += !reader->files[file].lenient;
    if (included < INCLUDES_MAXIMUM)
        return true;
    configuration_error(reader, place, "more than %u files are included", INCLUDES_MAXIMUM);
    return false;
}

/* Reads the file that `node` names; false, reported, if that cannot be. `*path` is what it is known by, to be freed. */
static bool include_file(struct configuration_reader *reader, const struct configuration_place *place,
                         const struct include_step *outer, const struct yaml_node *node, char **path)
{
    *path = NULL;
    if (node->kind != YAML_KIND_TEXT || !*node->text) {
        configuration_wrong_kind(reader, place, "the path of a file, or the name of a profile", node);
        return false;
    }
    *path = include_path(reader, place, node->text);
    return *path && may_include(reader, place, outer, *path) && configuration_add_file(reader, *path, false, place);
}

/* ---- at the top */

static void read_includes_of(struct configuration_reader *reader, const struct include_step *outer, uint32_t file);

static void read_include(struct configuration_reader *reader, const struct include_step *outer, uint32_t file,
                         const struct yaml_node *node, const char *key)
{
    struct configuration_place place = {file, node->mark, key};
    char *path;
    if (include_file(reader, &place, outer, node, &path)) {
        uint32_t added = reader->file_count - 1;
        reader->files[added].included = true;
        read_includes_of(reader, &(struct include_step){outer, path}, added);
    }
    free(path);
}

/* The last one first, since its keys win. */
static void read_includes_of(struct configuration_reader *reader, const struct include_step *outer, uint32_t file)
{
    const struct yaml_pair *pair = yaml_map_find(yaml_document_root(reader->files[file].document), "include");
    if (!pair || pair->value->kind == YAML_KIND_NULL)
        return;
    if (pair->value->kind != YAML_KIND_LIST) {
        read_include(reader, outer, file, pair->value, "include");
        return;
    }
    size_t count = pair->value->count < INCLUDES_MAXIMUM ? pair->value->count : INCLUDES_MAXIMUM + 1;
    for (size_t index = count; index > 0; index--) {
        char key[CONFIGURATION_MODULE_KEY];
        snprintf(key, sizeof key, "include[%zu]", index - 1);
        read_include(reader, outer, file, pair->value->items[index - 1], key);
    }
}

void configuration_read_includes(struct configuration_reader *reader)
{
    read_includes_of(reader, &(struct include_step){NULL, reader->files[0].path}, 0);
}

const struct yaml_pair *configuration_find(const struct configuration_reader *reader, const char *key, uint32_t *file)
{
    for (uint32_t index = 0; index < reader->file_count; index++) {
        if (index && !reader->files[index].included)
            continue;
        const struct yaml_pair *pair = yaml_map_find(yaml_document_root(reader->files[index].document), key);
        if (pair && file)
            *file = index;
        if (pair)
            return pair;
    }
    return NULL;
}

/* What tells of Synapse's files is looked for in ours alone. */
static bool only_ours(const char *key)
{
    static const char *const keys[] = {"synapse_config",          "take_modules", "spam_checker",
                                       "third_party_event_rules", "ldap_config",  "password_providers"};
    for (size_t index = 0; index < sizeof keys / sizeof *keys; index++)
        if (strcmp(keys[index], key) == 0)
            return true;
    return false;
}

static void take_key(struct configuration_reader *reader, uint32_t file, struct yaml_pair *pair)
{
    uint32_t whose;
    struct configuration_place place = {file, pair->mark, pair->key};
    if (only_ours(pair->key)) {
        configuration_error(reader, &place, "cannot stand in a file that is included");
    } else if (configuration_find(reader, pair->key, &whose) && whose == file) {
        const struct yaml_node one = {.kind = YAML_KIND_MAP, .pairs = pair, .count = 1};
        place.key = "";
        configuration_take_map(reader, configuration_settings, false, &place, &one);
    }
}

void configuration_take_included(struct configuration_reader *reader)
{
    for (uint32_t file = 1; file < reader->file_count && reader->files[file].included; file++) {
        const struct yaml_node *root = yaml_document_root(reader->files[file].document);
        for (size_t index = 0; index < root->count; index++)
            take_key(reader, file, &root->pairs[index]);
    }
}

/* ---- in a list of modules */

/* Other keys would be lost in silence. */
static const struct yaml_pair *modules_of(struct configuration_reader *reader, uint32_t file)
{
    const struct yaml_node *root = yaml_document_root(reader->files[file].document);
    const struct yaml_pair *modules = NULL;
    for (size_t index = 0; index < root->count; index++) {
        const struct yaml_pair *pair = &root->pairs[index];
        struct configuration_place place = {file, pair->mark, pair->key};
        if (strcmp(pair->key, "modules") == 0)
            modules = pair;
        else
            configuration_error(reader, &place,
                                "is not read from a file that a list of modules includes, only `modules` is: write "
                                "`include` at the top of the configuration for other keys");
    }
    struct configuration_place place = {file, root->mark, "modules"};
    if (!modules)
        configuration_error(reader, &place, "is missing: the file is included for its modules");
    return modules;
}

static bool include_entry(const struct module_reading *reading, const struct include_step *outer, char **path)
{
    struct buffer key = {0};
    const struct yaml_node *node = yaml_map_find(reading->item, "include")->value;
    buffer_append_format(&key, "%s.include", reading->key);
    struct configuration_place place = {reading->file, node->mark, buffer_string(&key)};
    bool included = include_file(reading->reader, &place, outer, node, path);
    buffer_free(&key);
    return included;
}

void configuration_include_modules(const struct module_reading *reading)
{
    struct configuration_reader *reader = reading->reader;
    const struct include_step own = {NULL, reader->files[reading->file].path};
    const struct include_step *outer = reading->inclusion ? &reading->inclusion->step : &own;
    struct label_list labels = {0};
    char *path;
    bool included = include_entry(reading, outer, &path);
    const struct module_inclusion inclusion = {.step = {outer, path},
                                               .outer = reading->inclusion,
                                               .file = reading->file,
                                               .item = reading->item,
                                               .key = reading->key,
                                               .labels = &labels};
    configuration_check_inclusion(reader, &inclusion);
    uint32_t file = reader->file_count - 1;
    const struct yaml_pair *modules = included ? modules_of(reader, file) : NULL;
    if (modules) {
        configuration_take_list(reader, &inclusion, file, modules);
        configuration_check_labels(reader, &inclusion);
    }
    free(labels.items);
    free(path);
}
