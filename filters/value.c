/* Values are small and point into memory of the question or of the module, so that an answer costs no allocation; what
 * looks at them in Python's way (truth, equality) is here, and nothing else decides by kind. */
#include "filters/value.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

/* The members of Synapse's Codes enumeration (synapse/api/errors.py), in its order. A code outside of it cannot be
 * answered by a module in Synapse. */
static const char *const known_codes[] = {
#define CODE(text) text,
#include "filters/codes.def"
#undef CODE
};

bool value_code_known(struct slice code)
{
    for (size_t index = 0; index < sizeof known_codes / sizeof *known_codes; index++)
        if (slice_equal(code, slice_from_string(known_codes[index])))
            return true;
    return false;
}

struct value value_pair(struct arena *arena, bool allowed, json_t *replaced)
{
    static const struct value yes[] = {{.kind = VALUE_BOOLEAN, .boolean = true}, {.kind = VALUE_NONE}};
    static const struct value no[] = {{.kind = VALUE_BOOLEAN, .boolean = false}, {.kind = VALUE_NONE}};
    if (!replaced)
        return value_container(VALUE_TUPLE, allowed ? yes : no, 2);
    struct value *items = arena_allocate(arena, 2 * sizeof *items);
    items[0] = value_boolean(allowed);
    items[1] = (struct value){.kind = VALUE_EVENT, .object = replaced};
    return value_container(VALUE_TUPLE, items, 2);
}

struct value value_raise(struct arena *arena, enum raised_kind kind, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    struct raised *raised = arena_allocate(arena, sizeof *raised);
    raised->kind = kind;
    raised->text = arena_copy(arena, slice_from_string(text));
    return (struct value){.kind = VALUE_RAISED, .raised = raised};
}

struct value value_raise_error(struct arena *arena, int status, struct slice errcode, struct slice text)
{
    struct raised *raised = arena_allocate(arena, sizeof *raised);
    *raised = (struct raised){.kind = RAISED_SYNAPSE_ERROR,
                              .status = status,
                              .errcode = arena_copy(arena, errcode),
                              .text = arena_copy(arena, text)};
    return (struct value){.kind = VALUE_RAISED, .raised = raised};
}

static void release_json(void *object)
{
    json_decref(object);
}

json_t *value_own_json(struct arena *arena, json_t *object)
{
    if (object)
        arena_defer(arena, release_json, object);
    return object;
}

static bool json_truthy(const json_t *json)
{
    switch (json ? json_typeof(json) : JSON_NULL) {
    case JSON_OBJECT:
        return json_object_size(json) != 0;
    case JSON_ARRAY:
        return json_array_size(json) != 0;
    case JSON_STRING:
        return json_string_length(json) != 0;
    case JSON_INTEGER:
        return json_integer_value(json) != 0;
    case JSON_REAL:
        return json_real_value(json) != 0.0;
    case JSON_TRUE:
        return true;
    case JSON_FALSE:
    case JSON_NULL:
        break;
    }
    return false;
}

bool value_truthy(const struct value *value)
{
    switch (value->kind) {
    case VALUE_NONE:
        return false;
    case VALUE_BOOLEAN:
        return value->boolean;
    case VALUE_INTEGER:
        return value->integer != 0;
    case VALUE_FLOAT:
        return value->number != 0.0;
    case VALUE_TEXT:
        return value->text.length != 0;
    case VALUE_TUPLE:
    case VALUE_LIST:
    case VALUE_SET:
    case VALUE_DICT:
        return value->count != 0;
    case VALUE_JSON:
        return json_truthy(value->object);
    default:
        return true;
    }
}

bool value_is(const struct value *value, bool boolean)
{
    return value->kind == VALUE_BOOLEAN && value->boolean == boolean;
}

bool value_is_dict(const struct value *value)
{
    return value->kind == VALUE_DICT || value->kind == VALUE_EVENT ||
           (value->kind == VALUE_JSON && json_is_object(value->object));
}

const struct value *value_dict_find(const struct value *dict, struct slice key)
{
    for (uint32_t index = 0; index < dict->count; index++)
        if (dict->items[2 * index].kind == VALUE_TEXT && slice_equal(dict->items[2 * index].text, key))
            return &dict->items[2 * index + 1];
    return NULL;
}

static bool items_equal(const struct value *left, const struct value *right, uint32_t count)
{
    for (uint32_t index = 0; index < count; index++)
        if (!value_equal(&left[index], &right[index]))
            return false;
    return true;
}

static bool sets_equal(const struct value *left, const struct value *right)
{
    for (uint32_t index = 0; index < left->count; index++) {
        bool found = false;
        for (uint32_t other = 0; other < right->count && !found; other++)
            found = value_equal(&left->items[index], &right->items[other]);
        if (!found)
            return false;
    }
    return true;
}

/* An absent JSON object counts as an empty one. */
static bool objects_equal(const json_t *left, const json_t *right)
{
    if (!left || !right)
        return json_object_size(left) == 0 && json_object_size(right) == 0;
    return json_equal(left, right);
}

bool value_equal(const struct value *left, const struct value *right)
{
    if (left->kind != right->kind || left->count != right->count)
        return false;
    switch (left->kind) {
    case VALUE_BOOLEAN:
        return left->boolean == right->boolean;
    case VALUE_INTEGER:
        return left->integer == right->integer;
    case VALUE_FLOAT:
        return left->number == right->number;
    case VALUE_TEXT:
    case VALUE_BEHAVIOUR:
    case VALUE_OBJECT:
        return slice_equal(left->text, right->text);
    case VALUE_CODE:
    case VALUE_REFUSE:
        return slice_equal(left->text, right->text) && objects_equal(left->object, right->object);
    case VALUE_TUPLE:
    case VALUE_LIST:
        return items_equal(left->items, right->items, left->count);
    case VALUE_DICT:
        return items_equal(left->items, right->items, 2 * left->count);
    case VALUE_SET:
        return sets_equal(left, right);
    case VALUE_JSON:
    case VALUE_EVENT:
        return objects_equal(left->object, right->object);
    case VALUE_STATE:
        return presence_state_equal(left->state, right->state);
    case VALUE_LIMIT:
        return left->limit.max_bytes == right->limit.max_bytes &&
               left->limit.time_period_ms == right->limit.time_period_ms;
    case VALUE_OVERRIDE:
        return left->override.per_second == right->override.per_second &&
               left->override.burst_count == right->override.burst_count;
    case VALUE_RAISED:
        return left->raised->kind == right->raised->kind && left->raised->status == right->raised->status &&
               slice_equal(left->raised->errcode, right->raised->errcode);
    case VALUE_PENDING:
        return left->ticket == right->ticket;
    case VALUE_NONE:
    case VALUE_NOT_SPAM:
    case VALUE_CALLABLE:
    case VALUE_PASS:
        break;
    }
    return true;
}
