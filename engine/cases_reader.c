/* Cases are read by the layer that reads configurations, so that what is wrong in them is told in the same words. */
#include "engine/cases_reader.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define CASES_MAXIMUM 100000u
/* Beyond any window of a module, and far from the end of 64 bits. */
#define TIME_MAXIMUM_MS INT64_C(315360000000)
#define EVERY_DEFAULT_MS 1000

void case_error(struct case_reading *reading, const char *path, const char *format, ...)
{
    char *sentence;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&sentence, format, arguments);
    va_end(arguments);
    if (length < 0)
        return;
    struct buffer key = {0};
    buffer_append_format(&key, "%s%s%s", reading->key, *path ? "." : "", path);
    struct configuration_place place = {0, yaml_node_at(reading->item, path)->mark, buffer_string(&key)};
    configuration_error(reading->reader, &place, "%s", sentence);
    buffer_free(&key);
    free(sentence);
}

void case_unknown(struct case_reading *reading, const char *path, struct yaml_mark mark, const char *what,
                  const char *word, const char *const *names)
{
    struct buffer key = {0};
    buffer_append_format(&key, "%s%s%s", reading->key, *path ? "." : "", path);
    configuration_unknown(reading->reader, &(struct configuration_place){0, mark, buffer_string(&key)}, what, word,
                          names);
    buffer_free(&key);
}

const struct yaml_node *case_find(const struct case_reading *reading, const char *key)
{
    const struct yaml_pair *pair = yaml_map_find(reading->item, key);
    if (!pair)
        pair = yaml_map_find(reading->defaults, key);
    return pair && pair->value->kind != YAML_KIND_NULL ? pair->value : NULL;
}

const char *case_text(struct case_reading *reading, const char *key)
{
    const struct yaml_node *node = case_find(reading, key);
    if (!node)
        return NULL;
    if (node->kind == YAML_KIND_TEXT)
        return node->text;
    case_error(reading, key, "must be a text, but is %s", yaml_kind_text(node->kind));
    return NULL;
}

/* ---- the keys of a case */

static void take_name(struct case_reading *reading)
{
    const char *name = case_text(reading, "name");
    if (name && *name)
        reading->test->name = name;
    else
        case_error(reading, "", "has no `name`");
}

static bool take_argument(struct case_reading *reading, const struct yaml_pair *pair)
{
    const struct callback_definition *definition = &callback_definitions[reading->test->callback];
    const char *names[CALLBACK_ARGUMENTS_MAXIMUM + 1] = {NULL};
    for (uint32_t index = 0; index < definition->argument_count; index++) {
        names[index] = definition->arguments[index].name;
        if (strcmp(names[index], pair->key) == 0)
            return true;
    }
    struct buffer path = {0};
    buffer_append_format(&path, "arguments.%s", pair->key);
    case_unknown(reading, buffer_string(&path), pair->mark, "argument", pair->key, names);
    buffer_free(&path);
    return false;
}

static bool has_argument(const struct callback_definition *definition, enum argument_type type)
{
    for (uint32_t index = 0; index < definition->argument_count; index++)
        if (definition->arguments[index].type == type)
            return true;
    return false;
}

/* `state` stands beside the arguments, since it is long. */
static void take_state(struct case_reading *reading)
{
    const struct yaml_node *state = case_find(reading, "state");
    if (!state)
        return;
    enum callback callback = reading->test->callback;
    if (callback == CALLBACK_UNKNOWN)
        case_error(reading, "state", "needs a `callback`: events that are observed come without their room's state");
    else if (!has_argument(&callback_definitions[callback], ARGUMENT_STATE))
        case_error(reading, "state", "is no argument of %s", callback_definitions[callback].name);
    else if (state->kind != YAML_KIND_LIST)
        case_error(reading, "state", "must be a list of events");
    else
        json_object_set_new(reading->test->arguments, "state", yaml_node_to_json(state));
}

/* Reports arguments that are missing or of a wrong type. */
static void check_arguments(struct case_reading *reading)
{
    struct arena arena = {0};
    struct callback_arguments arguments = {0};
    const char *problem = NULL;
    if (!callback_read_arguments(reading->test->callback, reading->test->arguments, &arena, &arguments, &problem))
        case_error(reading, case_find(reading, "arguments") ? "arguments" : "", "%s", problem);
    arena_free(&arena);
}

static void take_arguments(struct case_reading *reading)
{
    const struct yaml_node *arguments = case_find(reading, "arguments");
    size_t errors = reading->reader->error_count;
    reading->test->arguments = json_object();
    if (arguments && arguments->kind != YAML_KIND_MAP) {
        case_error(reading, "arguments", "must be a map of the callback's arguments by name");
        return;
    }
    for (size_t index = 0; arguments && index < arguments->count; index++)
        if (take_argument(reading, &arguments->pairs[index]))
            json_object_set_new(reading->test->arguments, arguments->pairs[index].key,
                                yaml_node_to_json(arguments->pairs[index].value));
    take_state(reading);
    if (reading->reader->error_count == errors)
        check_arguments(reading);
}

static bool find_callback(struct case_reading *reading)
{
    const char *name = case_text(reading, "callback");
    if (!name)
        return !case_find(reading, "callback");
    reading->test->callback = callback_find(slice_from_string(name));
    if (reading->test->callback != CALLBACK_UNKNOWN)
        return true;
    const char *names[CALLBACK_COUNT + 1] = {NULL};
    for (int callback = 0; callback < CALLBACK_COUNT; callback++)
        names[callback] = callback_definitions[callback].name;
    case_unknown(reading, "callback", case_find(reading, "callback")->mark, "callback", name, names);
    return false;
}

/* What is asked: a callback with its arguments, an event, or both. */
static void take_question(struct case_reading *reading)
{
    struct test_case *test = reading->test;
    if (!find_callback(reading))
        return;
    test->event = case_read_event(reading);
    bool callback = test->callback != CALLBACK_UNKNOWN;
    bool event = callback && has_argument(&callback_definitions[test->callback], ARGUMENT_EVENT);
    if (callback) {
        take_arguments(reading);
    } else {
        take_state(reading);
        if (case_find(reading, "arguments"))
            case_error(reading, "arguments", "belongs to a `callback`");
    }
    if (callback && !event && test->event)
        case_error(reading, "", "%s is not about an event: what it is asked stands in `arguments`",
                   callback_definitions[test->callback].name);
    if ((!callback || event) && !test->event)
        case_error(reading, "", "has no event: write `text`, `content`, `membership` or `event`");
}

static bool take_duration(struct case_reading *reading, const char *key, const char *text, int64_t *milliseconds)
{
    if (duration_read(text, milliseconds) && *milliseconds <= TIME_MAXIMUM_MS)
        return true;
    case_error(reading, key, "must be a duration such as \"5s\" or \"10m\"%s, of at most ten years",
               strcmp(key, "at") == 0 ? ", since the beginning, or with a `+` since the case before" : "");
    return false;
}

static void take_times(struct case_reading *reading)
{
    struct test_case *test = reading->test;
    const struct yaml_node *repeat = case_find(reading, "repeat"), *continues = case_find(reading, "continue");
    const char *every = case_text(reading, "every"), *at = case_text(reading, "at");
    if (repeat && (repeat->kind != YAML_KIND_INTEGER || repeat->integer < 1 || repeat->integer > CASES_REPEAT_MAXIMUM))
        case_error(reading, "repeat", "must be from 1 to %u", CASES_REPEAT_MAXIMUM);
    else if (repeat)
        test->repeat = (uint32_t)repeat->integer;
    if (continues && continues->kind != YAML_KIND_BOOLEAN)
        case_error(reading, "continue", "must be true or false");
    else if (continues)
        test->continues = continues->boolean;
    if (every)
        take_duration(reading, "every", every, &test->every_ms);
    if (at) {
        test->at_relative = *at == '+';
        test->at_given = take_duration(reading, "at", at + test->at_relative, &test->at_ms);
    }
}

static void take_service(struct case_reading *reading, const struct yaml_pair *pair)
{
    static const char *const names[] = {"status", "body", "error", NULL};
    struct buffer path = {0};
    buffer_append_format(&path, "services.%s", pair->key);
    const struct yaml_node *answer = pair->value;
    const struct yaml_pair *status = yaml_map_find(answer, "status"), *error = yaml_map_find(answer, "error");
    if (answer->kind != YAML_KIND_MAP)
        case_error(reading, buffer_string(&path), "must be a map with `status` and `body`, or with `error`");
    for (size_t index = 0; answer->kind == YAML_KIND_MAP && index < answer->count; index++) {
        const char *key = answer->pairs[index].key;
        if (strcmp(key, "status") != 0 && strcmp(key, "body") != 0 && strcmp(key, "error") != 0)
            case_unknown(reading, buffer_string(&path), answer->pairs[index].mark, "key", key, names);
    }
    if (status &&
        (status->value->kind != YAML_KIND_INTEGER || status->value->integer < 100 || status->value->integer > 599))
        case_error(reading, buffer_string(&path), "`status` must be from 100 to 599");
    if (error && error->value->kind != YAML_KIND_TEXT)
        case_error(reading, buffer_string(&path), "`error` must be a text: why there is no answer");
    buffer_free(&path);
}

static void take_services(struct case_reading *reading)
{
    const struct yaml_node *services = case_find(reading, "services");
    if (!services)
        return;
    if (services->kind != YAML_KIND_MAP) {
        case_error(reading, "services", "must be a map of answers by the service's URL");
        return;
    }
    for (size_t index = 0; index < services->count; index++)
        take_service(reading, &services->pairs[index]);
    reading->test->services = yaml_node_to_json(services);
}

/* ---- the file */

static const char *const case_keys[] = {
    "name",     "event",     "sender", "room",     "type",   "state_key", "text", "html",     "content", "membership",
    "callback", "arguments", "state",  "services", "repeat", "every",     "at",   "continue", "expect",  NULL};
static const char *const default_keys[] = {"sender", "room", "type", "every", "continue", "services", NULL};

static void check_keys(struct configuration_reader *reader, const struct yaml_node *map, const char *key,
                       const char *const *names)
{
    struct buffer whole = {0};
    for (size_t index = 0; index < map->count; index++) {
        const struct yaml_pair *pair = &map->pairs[index];
        size_t name = 0;
        while (names[name] && strcmp(pair->key, names[name]) != 0)
            name++;
        buffer_clear(&whole);
        buffer_append_format(&whole, "%s%s%s", key, *key ? "." : "", pair->key);
        struct configuration_place place = {0, pair->mark, buffer_string(&whole)};
        if (!names[name])
            configuration_unknown(reader, &place, "key", pair->key, names);
    }
    buffer_free(&whole);
}

static void read_case(struct case_reading *reading)
{
    *reading->test = (struct test_case){
        .mark = reading->item->mark, .callback = CALLBACK_UNKNOWN, .repeat = 1, .every_ms = EVERY_DEFAULT_MS};
    if (reading->item->kind != YAML_KIND_MAP) {
        case_error(reading, "", "must be a map with `name`, what is asked, and `expect`");
        return;
    }
    check_keys(reading->reader, reading->item, reading->key, case_keys);
    take_name(reading);
    take_times(reading);
    take_question(reading);
    take_services(reading);
    case_read_expectations(reading);
}

static void read_cases(struct configuration_reader *reader, const struct yaml_node *root, const char *server_name,
                       struct case_file *file)
{
    static const char *const names[] = {"defaults", "cases", NULL};
    check_keys(reader, root, "", names);
    const struct yaml_pair *defaults = yaml_map_find(root, "defaults"), *list = yaml_map_find(root, "cases");
    struct configuration_place place = {0, list ? list->value->mark : root->mark, "cases"};
    if (defaults && defaults->value->kind == YAML_KIND_MAP)
        check_keys(reader, defaults->value, "defaults", default_keys);
    else if (defaults)
        configuration_error(reader, &(struct configuration_place){0, defaults->mark, "defaults"}, "must be a map");
    if (!list || list->value->kind != YAML_KIND_LIST || list->value->count == 0) {
        configuration_error(reader, &place, "must be a list of cases");
        return;
    }
    if (list->value->count > CASES_MAXIMUM) {
        configuration_error(reader, &place, "has more than %u cases", CASES_MAXIMUM);
        return;
    }
    file->cases = memory_allocate_zeroed(list->value->count, sizeof *file->cases);
    for (; file->count < list->value->count; file->count++) {
        char key[32];
        snprintf(key, sizeof key, "cases[%zu]", file->count);
        struct case_reading reading = {.reader = reader,
                                       .item = list->value->items[file->count],
                                       .defaults = defaults ? defaults->value : NULL,
                                       .key = key,
                                       .server_name = server_name,
                                       .test = &file->cases[file->count]};
        read_case(&reading);
    }
}

struct case_file *case_file_read_text(const char *path, struct slice text, const char *server_name,
                                      struct buffer *errors)
{
    struct configuration_reader reader = {0};
    struct case_file *file = memory_allocate_zeroed(1, sizeof *file);
    if (configuration_add_text(&reader, path, text))
        read_cases(&reader, yaml_document_root(reader.files[0].document), server_name, file);
    configuration_report_finish(&reader, errors, NULL);
    file->path = reader.files[0].path;
    file->document = reader.files[0].document;
    free(reader.files);
    if (reader.error_count == 0)
        return file;
    case_file_destroy(file);
    return NULL;
}

struct case_file *case_file_read(const char *path, const char *server_name, struct buffer *errors)
{
    struct buffer text = {0}, reason = {0};
    struct case_file *file = NULL;
    if (configuration_read_file(path, YAML_SIZE_MAXIMUM, &text, &reason))
        file = case_file_read_text(path, buffer_slice(&text), server_name, errors);
    else
        buffer_append_format(errors, "%s: cannot be read: %s\n", path, buffer_string(&reason));
    buffer_free(&text);
    buffer_free(&reason);
    return file;
}

void case_file_destroy(struct case_file *file)
{
    if (!file)
        return;
    for (size_t index = 0; index < file->count; index++) {
        struct test_case *test = &file->cases[index];
        json_decref(test->event);
        json_decref(test->arguments);
        json_decref(test->services);
        for (size_t number = 0; number < test->expectation_count; number++) {
            json_decref(test->expectations[number].changed);
            json_decref(test->expectations[number].value);
        }
        free(test->expectations);
    }
    free(file->cases);
    yaml_document_destroy(file->document);
    free(file->path);
    free(file);
}
