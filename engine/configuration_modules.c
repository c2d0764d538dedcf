/* Builds the chain from `modules:`. What a module finds wrong with its parameters comes as a path into its `config`,
 * which is looked up in the YAML tree again, so that these errors have a line and a column too. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/configuration_include.h"
#include "engine/log.h"
#include "engine/pattern_folder.h"
#include "filters/action.h"

#define MODULE_FILE_MAXIMUM ((size_t)1 << 30)

/* Tells of an error, or a warning, at `path` of the item. */
static void report_at(struct module_reading *reading, const char *path, bool error, const char *message)
{
    struct buffer key = {0};
    struct configuration_place place = configuration_item_place(reading, path, &key);
    if (error)
        configuration_error(reading->reader, &place, "%s", message);
    else
        configuration_warning(reading->reader, &place, "%s", message);
    buffer_free(&key);
}

static void report_in_config(struct module_reading *reading, const char *path, bool error, const char *message)
{
    struct buffer whole = {0};
    buffer_append_format(&whole, "config%s%s", *path && *path != '[' ? "." : "", path);
    report_at(reading, buffer_string(&whole), error, message);
    buffer_free(&whole);
}

static void report_parameter(void *context, const char *path, const char *message)
{
    report_in_config(context, path, true, message);
}

static void warn_of_parameter(void *context, const char *path, const char *message)
{
    report_in_config(context, path, false, message);
}

/* What is wrong with what stands beside `config`. */
static void report_option(void *context, const char *path, const char *message)
{
    report_at(context, path, true, message);
}

static char *resolve_in_config(const struct module_reading *reading, const char *name)
{
    uint32_t file = configuration_item_file(reading, name);
    return configuration_resolve_path(reading->reader->files[file].path, name);
}

static bool read_module_file(void *context, const char *name, struct buffer *content, struct buffer *error)
{
    const struct module_reading *reading = context;
    struct buffer reason = {0};
    char *path = resolve_in_config(reading, name);
    bool read = reading->reader->read_files &&
                configuration_read_watched(reading->reader, path, MODULE_FILE_MAXIMUM, content, &reason);
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
    char *resolved = resolve_in_config(reading, name);
    if (reading->reader->files_read)
        files_read_add(reading->reader->files_read, resolved);
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
    struct configuration_place place = {reading->file, reading->item->mark, reading->key};
    if (!pair) {
        configuration_error(reader, &place, "has no `module: NAME`");
        return NULL;
    }
    struct buffer key = {0};
    buffer_append_format(&key, "%s.module", reading->key);
    place = (struct configuration_place){reading->file, pair->value->mark, buffer_string(&key)};
    const struct module_definition *definition = NULL;
    if (pair->value->kind != YAML_KIND_TEXT) {
        configuration_wrong_kind(reader, &place, "a text", pair->value);
    } else {
        definition = module_find(pair->value->text);
        if (!definition && strchr(pair->value->text, '.'))
            configuration_refuse_class(reader, &place, pair->value->text);
        else if (!definition)
            report_unknown_module(reading, &place, pair->value->text);
    }
    buffer_free(&key);
    return definition;
}

static void check_item_keys(struct module_reading *reading)
{
    static const char *const names[] = {"module", "name",  "config", "dry_run", "only",
                                        "except", "error", "reason", "actions", NULL};
    struct buffer key = {0};
    for (size_t index = 0; index < reading->item->count; index++) {
        const struct yaml_pair *pair = &reading->item->pairs[index];
        size_t name = 0;
        while (names[name] && strcmp(pair->key, names[name]) != 0)
            name++;
        if (names[name])
            continue;
        buffer_clear(&key);
        buffer_append_format(&key, "%s.%s", reading->key, pair->key);
        struct configuration_place place = {reading->file, pair->mark, buffer_string(&key)};
        configuration_unknown(reading->reader, &place, "key", pair->key, names);
    }
    buffer_free(&key);
}

static json_t *option_json(const struct module_reading *reading, const char *key)
{
    const struct yaml_node *node = configuration_item_find(reading, key);
    return node && node->kind != YAML_KIND_NULL ? yaml_node_to_json(node) : NULL;
}

/* A text into `*text`, which stays NULL without one; false, reported, if it is none. */
static bool take_text(struct module_reading *reading, const char *key, char **text)
{
    json_t *json = option_json(reading, key);
    bool good = !json || (json_string_length(json) && strlen(json_string_value(json)) == json_string_length(json));
    if (!good)
        report_option(reading, key, "must be a text that is not empty");
    else if (json)
        *text = memory_copy_text(json_string_value(json), json_string_length(json));
    json_decref(json);
    return good;
}

/* A list of names, or one name; false, reported, if one of them is no action. */
static bool take_actions(struct module_reading *reading, uint32_t *actions)
{
    json_t *list = option_json(reading, "actions");
    struct buffer path = {0}, message = {0};
    bool good = !list || json_is_array(list);
    if (!good)
        report_option(reading, "actions", "must be a list of actions: [redact, notify]");
    for (size_t index = 0; good && index < json_array_size(list); index++) {
        const char *name = json_string_value(json_array_get(list, index));
        enum action action = action_find(slice_from_string(name));
        if (action != ACTION_UNKNOWN) {
            *actions |= ACTION_BIT(action);
            continue;
        }
        const char *nearest = name ? nearest_word(name, action_names) : NULL;
        buffer_append_format(&path, "actions[%zu]", index);
        buffer_append_string(&message, "is no action");
        if (nearest)
            buffer_append_format(&message, "; did you mean `%s`?", nearest);
        else
            buffer_append_string(&message, "; there are: ");
        for (int known = 0; !nearest && known < ACTION_COUNT; known++)
            buffer_append_format(&message, "%s%s", known ? ", " : "", action_names[known]);
        report_option(reading, buffer_string(&path), buffer_string(&message));
        good = false;
    }
    buffer_free(&path);
    buffer_free(&message);
    json_decref(list);
    return good;
}

/* `dry_run`, `only`, `except`, `error`, `reason` and `actions`; false, reported, if one of them is wrong. */
static bool take_options(struct module_reading *reading, struct module_options *options)
{
    const struct module_host host = {
        .context = reading, .report = report_option, .patterns = reading->reader->patterns};
    json_t *only = option_json(reading, "only"), *except = configuration_item_except(reading);
    json_t *dry_run = option_json(reading, "dry_run");
    bool good = !dry_run || json_is_boolean(dry_run);
    if (!good)
        report_option(reading, "dry_run", "must be true or false");
    options->dry_run = json_is_true(dry_run);
    if (only || except) {
        options->selector = selector_create(only, except, &host);
        good = good && options->selector;
    }
    char *error = NULL;
    good = take_text(reading, "reason", &options->reason) && good;
    good = take_text(reading, "error", &error) && good;
    good = take_actions(reading, &options->actions) && good;
    if (error)
        options->error_fields = json_pack("{s:s}", "error", error);
    free(error);
    json_decref(only);
    json_decref(except);
    json_decref(dry_run);
    return good;
}

/* Whether `config`, if there is one, is a map; reported if not. */
static bool check_config(struct module_reading *reading)
{
    const struct yaml_pair *pair = yaml_map_find(reading->item, "config");
    if (!pair || pair->value->kind == YAML_KIND_NULL || pair->value->kind == YAML_KIND_MAP)
        return true;
    struct buffer key = {0};
    buffer_append_format(&key, "%s.config", reading->key);
    struct configuration_place place = {reading->file, pair->value->mark, buffer_string(&key)};
    configuration_wrong_kind(reading->reader, &place, "a map of parameters", pair->value);
    buffer_free(&key);
    return false;
}

/* The item, then what is said of it in the entries by which it came in, from the inner to the outer. */
static void find_layers(struct module_reading *reading)
{
    reading->layers[0] = (struct module_layer){.file = reading->file, .map = reading->item};
    reading->layer_count = 1;
    for (const struct module_inclusion *inclusion = reading->inclusion;
         inclusion && reading->layer_count <= INCLUDE_DEPTH_MAXIMUM; inclusion = inclusion->outer) {
        const struct yaml_pair *with = yaml_map_find(inclusion->item, "with");
        const struct yaml_pair *change = with && reading->label ? yaml_map_find(with->value, reading->label) : NULL;
        bool map = change && change->value->kind == YAML_KIND_MAP;
        reading->layers[reading->layer_count++] =
            (struct module_layer){inclusion->file, map ? change->value : NULL, inclusion};
    }
}

bool configuration_open_item(struct module_reading *reading)
{
    if (!reading->reader->files[reading->file].lenient)
        check_item_keys(reading);
    find_layers(reading);
    return check_config(reading);
}

/* An engine without bodies would pass every event by such a module without a word. */
static void check_bodies(struct module_reading *reading, const struct module_definition *definition, bool needs_body)
{
    const struct configuration_reader *reader = reading->reader;
    if (reader->purpose != CONFIGURATION_FOR_RUN || !needs_body || !reader->configuration->observe ||
        reader->configuration->body_source != BODY_SOURCE_NONE)
        return;
    struct configuration_place place = {reading->file, reading->item->mark, reading->key};
    configuration_error(reading->reader, &place,
                        "%s judges by the event's body, and there is no source of bodies: add `bodies: {postgres: "
                        "{...}}` or `bodies: {file: PATH}`; or, for an engine that only answers questions, `observe: "
                        "false`",
                        definition->name);
}

/* The chain's modules know their places in the files, for conflicts and for `weir check`. */
static void remember_module(struct module_reading *reading)
{
    struct configuration *configuration = reading->reader->configuration;
    size_t count = chain_module_count(configuration->chain);
    configuration->modules = memory_reallocate(configuration->modules, count * sizeof *configuration->modules);
    configuration->module_count = count;
    struct configuration_module *module = &configuration->modules[count - 1];
    *module = (struct configuration_module){
        .file = reading->file, .line = reading->item->mark.line, .column = reading->item->mark.column};
    snprintf(module->key, sizeof module->key, "%s", reading->key);
    if (reading->label)
        module->label = memory_copy_text(reading->label, strlen(reading->label));
}

/* What a module itself has to say: scripts. */
static void log_for_module(const char *level, const char *module, struct slice message)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};
    static const enum log_level levels[] = {LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR};
    for (size_t index = 0; index < sizeof levels / sizeof *levels; index++)
        if (strcmp(level, names[index]) == 0)
            LOG_AT(levels[index], "a module says", LOG_STRING("module", module), LOG_TEXT("text", message));
}

/* Whether it asks a web service: it then has the parameters of filters/asking.h. */
static bool asks_service(const struct module_definition *definition)
{
    for (size_t index = 0; index < definition->parameter_count; index++)
        if (strcmp(definition->parameters[index].name, "breaker_failures") == 0)
            return true;
    return false;
}

/* A backtest puts a million questions, about events that are long past. */
static bool left_out(struct module_reading *reading, const struct module_definition *definition)
{
    if (reading->reader->purpose != CONFIGURATION_FOR_BACKTEST || !asks_service(definition))
        return false;
    struct configuration_place place = {reading->file, reading->item->mark, reading->key};
    configuration_warning(reading->reader, &place, "%s asks a service, which a backtest does not do: it is left out",
                          definition->name);
    return true;
}

void configuration_append_module(struct module_reading *reading, const struct module_definition *definition)
{
    struct configuration_reader *reader = reading->reader;
    struct module_options options = {0};
    if (left_out(reading, definition))
        return;
    if ((reader->given_up && atomic_load(reader->given_up)) || !take_options(reading, &options)) {
        module_options_free(&options);
        return;
    }
    struct module_host host = {.context = reading,
                               .report = report_parameter,
                               .warn = warn_of_parameter,
                               .read_file = read_module_file,
                               .resolve_path = resolve_module_path,
                               .services = reader->services,
                               .patterns = reader->patterns,
                               .log = log_for_module};
    json_t *config = configuration_item_config(reading);
    size_t errors = reader->error_count;
    struct chain *chain = reader->configuration->chain;
    bool needs_body = definition->needs_body;
    if (chain_append(chain, definition, config, &options, &host)) {
        remember_module(reading);
        needs_body = chain_module_needs_body(chain, chain_module_count(chain) - 1);
    } else if (reader->error_count == errors) {
        report_parameter(reading, "", "the module cannot be made from this");
    }
    check_bodies(reading, definition, needs_body);
    json_decref(config);
}

/* What `with` and `without` of an `include` call the module. */
static void find_label(struct module_reading *reading)
{
    const struct yaml_pair *name = yaml_map_find(reading->item, "name");
    const struct yaml_pair *module = yaml_map_find(reading->item, "module");
    if (name && (name->value->kind != YAML_KIND_TEXT || !*name->value->text))
        report_option(reading, "name", "must be a text that is not empty");
    else if (name || (module && module->value->kind == YAML_KIND_TEXT))
        reading->label = name ? name->value->text : module->value->text;
}

static void take_module(struct module_reading *reading)
{
    if (yaml_map_find(reading->item, "include")) {
        configuration_include_modules(reading);
        return;
    }
    find_label(reading);
    if (configuration_module_left_out(reading))
        return;
    const struct module_definition *definition = find_module(reading);
    if (configuration_open_item(reading) && definition)
        configuration_append_module(reading, definition);
}

static void report_conflict(void *context, const struct chain_conflict *conflict)
{
    struct configuration_reader *reader = context;
    const struct configuration_module *module = &reader->configuration->modules[conflict->module_index];
    const struct configuration_module *other = &reader->configuration->modules[conflict->other_index];
    struct buffer sentence = {0};
    buffer_append_string(&sentence, conflict->text);
    if (other != module && other->file != module->file)
        buffer_append_format(&sentence, " (the other is %s, %s:%u:%u)", other->key, reader->files[other->file].path,
                             other->line, other->column);
    else if (other != module)
        buffer_append_format(&sentence, " (the other is %s, line %u)", other->key, other->line);
    struct configuration_place place = {module->file, {module->line, module->column}, module->key};
    if (conflict->fatal)
        configuration_error(reader, &place, "%s", buffer_string(&sentence));
    else
        configuration_warning(reader, &place, "%s", buffer_string(&sentence));
    buffer_free(&sentence);
}

void configuration_take_list(struct configuration_reader *reader, const struct module_inclusion *inclusion,
                             uint32_t file, const struct yaml_pair *pair)
{
    const struct yaml_node *list = pair->value;
    struct configuration_place place = {file, list->kind == YAML_KIND_NULL ? pair->mark : list->mark, "modules"};
    if (list->kind != YAML_KIND_LIST && list->kind != YAML_KIND_NULL)
        configuration_wrong_kind(reader, &place, "a list of modules", list);
    else if (list->count > CONFIGURATION_MODULES_MAXIMUM)
        configuration_error(reader, &place, "has more than %u modules", CONFIGURATION_MODULES_MAXIMUM);
    else if (list->count == 0)
        configuration_warning(reader, &place, "there are no modules%s", inclusion ? "" : ": every event passes");
    if (list->kind != YAML_KIND_LIST || list->count > CONFIGURATION_MODULES_MAXIMUM)
        return;
    for (size_t index = 0; index < list->count; index++) {
        struct module_reading reading = {
            .reader = reader, .file = file, .item = list->items[index], .inclusion = inclusion};
        snprintf(reading.key, sizeof reading.key, "modules[%zu]", index);
        place = (struct configuration_place){file, reading.item->mark, reading.key};
        if (reading.item->kind == YAML_KIND_MAP)
            take_module(&reading);
        else
            configuration_wrong_kind(reader, &place, "a map with `module` and `config`", reading.item);
    }
}

/* The folder of compiled patterns, open while the modules are made. */
static void open_patterns(struct configuration_reader *reader, struct pattern_folder *folder)
{
    struct configuration *configuration = reader->configuration;
    if (!configuration->cache_dir && configuration->state_dir) {
        struct buffer path = {0};
        buffer_append_format(&path, "%s/patterns", configuration->state_dir);
        configuration->cache_dir = memory_copy_text(path.data, path.length);
        buffer_free(&path);
    }
    if (!reader->read_files || !configuration->cache_dir)
        return;
    pattern_folder_open(folder, configuration->cache_dir);
    reader->patterns = &folder->store;
}

/* The lists of files that are included at the top, then our own; false if there is none, so that Synapse's may be
 * looked at. */
static bool take_lists(struct configuration_reader *reader)
{
    bool any = false;
    uint32_t included = 0; /* they stand behind our own file, the one that wins first */
    while (included + 1 < reader->file_count && reader->files[included + 1].included)
        included++;
    for (uint32_t step = 0; step <= included; step++) {
        uint32_t file = step < included ? included - step : 0;
        const struct yaml_pair *pair = yaml_map_find(yaml_document_root(reader->files[file].document), "modules");
        any |= pair != NULL;
        if (pair)
            configuration_take_list(reader, NULL, file, pair);
    }
    return any;
}

void configuration_take_modules(struct configuration_reader *reader)
{
    struct configuration *configuration = reader->configuration;
    struct pattern_folder patterns = {0};
    open_patterns(reader, &patterns);
    struct chain_settings settings = {.semantics = configuration->semantics,
                                      .server_name = configuration->server_name,
                                      .strict = configuration->strict};
    configuration->chain = chain_create(&settings);
    if (!take_lists(reader))
        configuration_take_synapse_modules(reader);
    configuration_take_legacy_modules(reader);
    chain_seal(configuration->chain, report_conflict, reader);
    configuration->patterns_found = patterns.found;
    configuration->patterns_written = patterns.written;
    reader->patterns = NULL;
    pattern_folder_close(&patterns);
}
