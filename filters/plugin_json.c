/* JSON for plug-ins: jansson's trees behind an opaque handle, so that a plug-in needs no library of its own and no
 * particular version of ours. */
#include "filters/plugin_host.h"

static const json_t *tree(const struct weir_json *json)
{
    return (const json_t *)(const void *)json;
}

static const struct weir_json *handle(const json_t *json)
{
    return (const struct weir_json *)(const void *)json;
}

enum weir_kind plugin_json_kind(const struct weir_json *json)
{
    static const enum weir_kind kinds[] = {
        [JSON_OBJECT] = WEIR_KIND_OBJECT,   [JSON_ARRAY] = WEIR_KIND_ARRAY, [JSON_STRING] = WEIR_KIND_TEXT,
        [JSON_INTEGER] = WEIR_KIND_INTEGER, [JSON_REAL] = WEIR_KIND_NUMBER, [JSON_TRUE] = WEIR_KIND_BOOLEAN,
        [JSON_FALSE] = WEIR_KIND_BOOLEAN,   [JSON_NULL] = WEIR_KIND_NULL,
    };
    return json ? kinds[json_typeof(tree(json))] : WEIR_KIND_ABSENT;
}

struct weir_text plugin_json_text(const struct weir_json *json)
{
    if (!json_is_string(tree(json)))
        return plugin_text(SLICE_ABSENT);
    return plugin_text(slice_of(json_string_value(tree(json)), json_string_length(tree(json))));
}

bool plugin_json_boolean(const struct weir_json *json)
{
    return json_is_true(tree(json));
}

int64_t plugin_json_integer(const struct weir_json *json)
{
    return json_integer_value(tree(json));
}

double plugin_json_number(const struct weir_json *json)
{
    return json_number_value(tree(json));
}

size_t plugin_json_size(const struct weir_json *json)
{
    return json_is_array(tree(json)) ? json_array_size(tree(json)) : json_object_size(tree(json));
}

/* The iterator of an object's member by its place, or NULL. */
static void *member_at(const struct weir_json *json, size_t index)
{
    json_t *object = (json_t *)(uintptr_t)tree(json);
    void *member = json_object_iter(object);
    while (member && index-- > 0)
        member = json_object_iter_next(object, member);
    return member;
}

const struct weir_json *plugin_json_at(const struct weir_json *json, size_t index)
{
    if (json_is_array(tree(json)))
        return handle(json_array_get(tree(json), index));
    void *member = member_at(json, index);
    return member ? handle(json_object_iter_value(member)) : NULL;
}

struct weir_text plugin_json_key(const struct weir_json *json, size_t index)
{
    void *member = member_at(json, index);
    return plugin_text(slice_from_string(member ? json_object_iter_key(member) : NULL));
}

const struct weir_json *plugin_json_get(const struct weir_json *json, const char *key)
{
    return handle(json_object_get(tree(json), key));
}

static json_t *text_json(struct slice text)
{
    return text.data ? json_stringn(text.data, text.length) : json_null();
}

static json_t *items_json(const struct value *value)
{
    json_t *array = json_array();
    for (uint32_t index = 0; index < value->count; index++) {
        json_t *item = plugin_plain_json(&value->items[index]);
        json_array_append_new(array, item ? item : json_null());
    }
    return array;
}

/* Keys that are no text are left out: JSON has none. */
static json_t *members_json(const struct value *value)
{
    json_t *object = json_object();
    for (uint32_t index = 0; index < value->count; index++) {
        const struct value *key = &value->items[2 * (size_t)index];
        if (key->kind != VALUE_TEXT)
            continue;
        json_t *member = plugin_plain_json(key + 1);
        json_object_setn_new(object, key->text.data, key->text.length, member ? member : json_null());
    }
    return object;
}

static json_t *state_json(const struct presence_state *state)
{
    struct buffer text = {0};
    presence_state_append_json(state, &text);
    json_t *json = json_loadb(text.data, text.length, JSON_ALLOW_NUL, NULL);
    buffer_free(&text);
    return json;
}

json_t *plugin_plain_json(const struct value *value)
{
    switch (value->kind) {
    case VALUE_NONE:
        return json_null();
    case VALUE_BOOLEAN:
        return json_boolean(value->boolean);
    case VALUE_INTEGER:
        return json_integer(value->integer);
    case VALUE_FLOAT:
        return json_real(value->number);
    case VALUE_TEXT:
        return text_json(value->text);
    case VALUE_TUPLE:
    case VALUE_LIST:
    case VALUE_SET:
        return items_json(value);
    case VALUE_DICT:
        return members_json(value);
    case VALUE_JSON:
        return json_incref(value->object);
    case VALUE_STATE:
        return state_json(value->state);
    case VALUE_LIMIT:
        return json_pack("{s:I, s:I}", "max_bytes", (json_int_t)value->limit.max_bytes, "time_period_ms",
                         (json_int_t)value->limit.time_period_ms);
    default:
        return NULL;
    }
}
