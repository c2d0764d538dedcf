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
