/* What a plug-in may ask about its instance and about a question, and the table that holds all of its functions.
 *
 * Nothing is prepared for a question that a plug-in does not look at: trees and texts of arguments are made when they
 * are asked for, in the arena. */
#include "filters/plugin_host.h"

#include <stddef.h>
#include <stdlib.h>

/* ---- the instance */

static const struct weir_json *settings(const struct weir_instance *instance)
{
    return (const struct weir_json *)(const void *)instance->settings;
}

static void report(struct weir_instance *instance, const char *path, const char *message)
{
    if (!instance->setup)
        return;
    struct buffer whole = {0};
    buffer_append_string(&whole, "settings");
    if (path && *path && *path != '[')
        buffer_append_char(&whole, '.');
    if (path)
        buffer_append_string(&whole, path);
    module_host_report(instance->setup->host, buffer_string(&whole), "%s", message ? message : "is wrong");
    buffer_free(&whole);
    instance->reported = true;
}

static uint32_t declare_content(struct weir_instance *instance, const char *key)
{
    if (!instance->setup || !key)
        return UINT32_MAX;
    uint32_t slot = field_table_declare(instance->setup->fields, slice_from_string(key));
    if (slot >= instance->slot_count)
        instance->slot_count = slot + 1;
    return slot;
}

static void take_rows(struct weir_instance *instance)
{
    instance->takes_rows = true;
}

static struct weir_text server_name(const struct weir_instance *instance)
{
    return plugin_text(slice_from_string(instance->server_name));
}

static void write_log(const struct weir_instance *instance, enum weir_level level, struct weir_text message)
{
    static const char *const levels[] = {
        [WEIR_DEBUG] = "debug", [WEIR_INFO] = "info", [WEIR_WARNING] = "warning", [WEIR_ERROR] = "error"};
    if (instance->log && message.data)
        instance->log(levels[(unsigned)level <= WEIR_ERROR ? level : WEIR_ERROR], instance->name,
                      plugin_slice(message));
}

/* ---- the event */

static struct weir_text event_text(const struct weir_question *question, enum weir_event_field field)
{
    static const size_t offsets[] = {
        [WEIR_EVENT_ID] = offsetof(struct event, event_id),
        [WEIR_EVENT_ROOM_ID] = offsetof(struct event, room_id),
        [WEIR_EVENT_TYPE] = offsetof(struct event, type),
        [WEIR_EVENT_SENDER] = offsetof(struct event, sender),
        [WEIR_EVENT_STATE_KEY] = offsetof(struct event, state_key),
        [WEIR_EVENT_REDACTS] = offsetof(struct event, redacts),
        [WEIR_EVENT_MEMBERSHIP] = offsetof(struct event, membership),
    };
    const struct event *event = question->arguments->event;
    if (!event || (unsigned)field >= sizeof offsets / sizeof *offsets)
        return plugin_text(SLICE_ABSENT);
    return plugin_text(*(const struct slice *)((const char *)event + offsets[field]));
}

static struct weir_text event_content(const struct weir_question *question, uint32_t slot)
{
    const struct event *event = question->arguments->event;
    if (!event || slot >= question->instance->slot_count)
        return plugin_text(SLICE_ABSENT);
    return plugin_text(event_content_string(event, slot));
}

static struct weir_text event_json(const struct weir_question *question)
{
    const struct event *event = question->arguments->event;
    return plugin_text(event && event->has_body ? event->body : SLICE_ABSENT);
}

static const struct weir_json *event_tree(struct weir_question *question)
{
    struct weir_text text = event_json(question);
    if (!question->event_tree && text.data)
        question->event_tree =
            value_own_json(question->arguments->arena, json_loadb(text.data, text.length, JSON_ALLOW_NUL, NULL));
    return (const struct weir_json *)(const void *)question->event_tree;
}

/* ---- the arguments */

static const struct callback_definition *definition_of(const struct weir_question *question)
{
    return &callback_definitions[question->arguments->callback];
}

static const char *callback_name(const struct weir_question *question)
{
    return definition_of(question)->name;
}

static uint32_t argument_count(const struct weir_question *question)
{
    uint32_t count = definition_of(question)->argument_count;
    const struct callback_arguments *arguments = question->arguments;
    return arguments->values && arguments->count < count ? arguments->count : count;
}

static const char *argument_name(const struct weir_question *question, uint32_t index)
{
    return index < argument_count(question) ? definition_of(question)->arguments[index].name : NULL;
}

static uint32_t argument_find(const struct weir_question *question, const char *name)
{
    uint32_t count = argument_count(question);
    for (uint32_t index = 0; index < count && name; index++)
        if (strcmp(definition_of(question)->arguments[index].name, name) == 0)
            return index;
    return count;
}

static bool is_event(const struct weir_question *question, uint32_t index)
{
    return index < argument_count(question) && definition_of(question)->arguments[index].type == ARGUMENT_EVENT;
}

/* The value of an argument that is no event; NULL if it is not told. */
static const struct value *argument_value(const struct weir_question *question, uint32_t index)
{
    if (!question->arguments->values || index >= argument_count(question) || is_event(question, index))
        return NULL;
    return &question->arguments->values[index];
}

static const struct weir_json *argument_tree(struct weir_question *question, uint32_t index)
{
    if (is_event(question, index))
        return event_tree(question);
    const struct value *value = argument_value(question, index);
    if (value && !question->argument_trees[index])
        question->argument_trees[index] = value_own_json(question->arguments->arena, value_to_json(value));
    return value ? (const struct weir_json *)(const void *)question->argument_trees[index] : NULL;
}

static enum weir_kind argument_kind(const struct weir_question *question, uint32_t index)
{
    static const enum weir_kind kinds[VALUE_KINDS] = {
        [VALUE_NONE] = WEIR_KIND_NULL,    [VALUE_BOOLEAN] = WEIR_KIND_BOOLEAN, [VALUE_INTEGER] = WEIR_KIND_INTEGER,
        [VALUE_FLOAT] = WEIR_KIND_NUMBER, [VALUE_TEXT] = WEIR_KIND_TEXT,       [VALUE_TUPLE] = WEIR_KIND_ARRAY,
        [VALUE_LIST] = WEIR_KIND_ARRAY,   [VALUE_SET] = WEIR_KIND_ARRAY,       [VALUE_DICT] = WEIR_KIND_OBJECT,
        [VALUE_STATE] = WEIR_KIND_OBJECT, [VALUE_LIMIT] = WEIR_KIND_OBJECT,
    };
    if (is_event(question, index))
        return question->arguments->event ? WEIR_KIND_EVENT : WEIR_KIND_ABSENT;
    const struct value *value = argument_value(question, index);
    if (value && value->kind == VALUE_JSON)
        return plugin_json_kind((const struct weir_json *)(const void *)value->object);
    return value ? kinds[value->kind] : WEIR_KIND_ABSENT;
}

static struct weir_text argument_text(const struct weir_question *question, uint32_t index)
{
    const struct value *value = argument_value(question, index);
    if (value && value->kind == VALUE_JSON)
        return plugin_json_text((const struct weir_json *)(const void *)value->object);
    return plugin_text(value && value->kind == VALUE_TEXT ? value->text : SLICE_ABSENT);
}

static bool argument_boolean(const struct weir_question *question, uint32_t index)
{
    const struct value *value = argument_value(question, index);
    return value && ((value->kind == VALUE_BOOLEAN && value->boolean) ||
                     (value->kind == VALUE_JSON && json_is_true(value->object)));
}

static int64_t argument_integer(const struct weir_question *question, uint32_t index)
{
    const struct value *value = argument_value(question, index);
    if (value && value->kind == VALUE_JSON)
        return json_integer_value(value->object);
    return value && value->kind == VALUE_INTEGER ? value->integer : 0;
}

static struct weir_text argument_json(struct weir_question *question, uint32_t index)
{
    if (is_event(question, index))
        return event_json(question);
    const json_t *tree = (const json_t *)(const void *)argument_tree(question, index);
    char *text = tree ? json_dumps(tree, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    struct slice copy = arena_copy(question->arguments->arena, slice_from_string(text));
    free(text);
    return plugin_text(copy);
}

static bool argument_edit(struct weir_question *question, uint32_t index, struct weir_text members)
{
    const struct value *value = argument_value(question, index);
    if (!value || definition_of(question)->arguments[index].type != ARGUMENT_SHARED || !json_is_object(value->object) ||
        !members.data)
        return false;
    json_t *edits = json_loadb(members.data, members.length, JSON_ALLOW_NUL, NULL);
    bool good = json_is_object(edits) && json_object_update(value->object, edits) == 0;
    json_decref(edits);
    return good;
}

void plugin_ask(const struct weir_instance *instance, weir_callback_function *function, void *state,
                const struct callback_arguments *arguments, struct result *result)
{
    struct weir_question question = {.instance = instance, .arguments = arguments};
    struct weir_answer answer = {.arguments = arguments, .result = result};
    result->value.kind = VALUE_PASS;
    function(state, &question, &answer);
    plugin_answer_finish(&answer);
}

const struct weir_host plugin_host = {
    .abi_version = WEIR_PLUGIN_ABI_VERSION,
    .size = sizeof(struct weir_host),
    .settings = settings,
    .report = report,
    .declare_content = declare_content,
    .take_rows = take_rows,
    .server_name = server_name,
    .log = write_log,
    .event_text = event_text,
    .event_content = event_content,
    .event_json = event_json,
    .event_tree = event_tree,
    .callback = callback_name,
    .argument_count = argument_count,
    .argument_name = argument_name,
    .argument_find = argument_find,
    .argument_kind = argument_kind,
    .argument_text = argument_text,
    .argument_boolean = argument_boolean,
    .argument_integer = argument_integer,
    .argument_json = argument_json,
    .argument_tree = argument_tree,
    .argument_edit = argument_edit,
    .json_kind = plugin_json_kind,
    .json_text = plugin_json_text,
    .json_boolean = plugin_json_boolean,
    .json_integer = plugin_json_integer,
    .json_number = plugin_json_number,
    .json_size = plugin_json_size,
    .json_at = plugin_json_at,
    .json_key = plugin_json_key,
    .json_get = plugin_json_get,
    .pass = plugin_answer_pass,
    .refuse = plugin_answer_refuse,
    .none = plugin_answer_none,
    .boolean = plugin_answer_boolean,
    .integer = plugin_answer_integer,
    .number = plugin_answer_number,
    .text = plugin_answer_text,
    .not_spam = plugin_answer_not_spam,
    .code = plugin_answer_code,
    .behaviour = plugin_answer_behaviour,
    .texts = plugin_answer_texts,
    .all_users = plugin_answer_all_users,
    .route = plugin_answer_route,
    .authenticated = plugin_answer_authenticated,
    .replace_event = plugin_answer_replace_event,
    .tagged = plugin_answer_tagged,
    .raise = plugin_answer_raise,
    .raise_error = plugin_answer_raise_error,
    .rule = plugin_answer_rule,
    .reason = plugin_answer_reason,
    .evidence = plugin_answer_evidence,
};
