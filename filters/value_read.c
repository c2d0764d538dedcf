/* Reading values from JSON, by a table with a row for each tag. The tags are those of the oracle vectors; beside them
 * stands plain JSON, so that a web service need not know them. */
#include "filters/value.h"

/* One value being read, somewhere in the tree. */
struct reading {
    struct arena *arena;
    const char **problem;
    unsigned depth;
    bool plain; /* no tags: every object is a dict, every text a text */
};

static bool read_value(struct reading *reading, const json_t *json, struct value *value);

static bool wrong(struct reading *reading, const char *sentence)
{
    *reading->problem = sentence;
    return false;
}

static struct slice text_of(struct reading *reading, const json_t *json)
{
    return arena_copy(reading->arena, slice_of(json_string_value(json), json_string_length(json)));
}

static bool read_none(struct reading *reading, const json_t *json, struct value *value)
{
    (void)reading, (void)json;
    *value = (struct value){.kind = VALUE_NONE};
    return true;
}

static bool read_boolean(struct reading *reading, const json_t *json, struct value *value)
{
    *value = value_boolean(json_is_true(json));
    return json_is_boolean(json) || wrong(reading, "`bool` must be true or false");
}

static bool read_integer(struct reading *reading, const json_t *json, struct value *value)
{
    *value = value_integer(json_integer_value(json));
    return json_is_integer(json) || wrong(reading, "`int` must be a whole number");
}

static bool read_float(struct reading *reading, const json_t *json, struct value *value)
{
    *value = (struct value){.kind = VALUE_FLOAT, .number = json_number_value(json)};
    return json_is_number(json) || wrong(reading, "`float` must be a number");
}

static bool read_text_as(struct reading *reading, const json_t *json, struct value *value, enum value_kind kind)
{
    if (!json_is_string(json))
        return wrong(reading, "`str`, `behaviour` and `object` must be texts");
    *value = (struct value){.kind = kind, .text = text_of(reading, json)};
    return true;
}

static bool read_text(struct reading *reading, const json_t *json, struct value *value)
{
    return read_text_as(reading, json, value, VALUE_TEXT);
}

static bool read_foreign(struct reading *reading, const json_t *json, struct value *value)
{
    return read_text_as(reading, json, value, VALUE_OBJECT);
}

static bool read_behaviour(struct reading *reading, const json_t *json, struct value *value)
{
    if (!read_text_as(reading, json, value, VALUE_BEHAVIOUR))
        return false;
    return slice_equal(value->text, SLICE("ALLOW")) || slice_equal(value->text, SLICE("DENY")) ||
           slice_equal(value->text, SLICE("SHADOW_BAN")) ||
           wrong(reading, "`behaviour` must be ALLOW, SHADOW_BAN or DENY");
}

static bool read_not_spam(struct reading *reading, const json_t *json, struct value *value)
{
    (void)reading, (void)json;
    *value = (struct value){.kind = VALUE_NOT_SPAM};
    return true;
}

static bool read_items(struct reading *reading, const json_t *json, struct value *value, enum value_kind kind)
{
    if (!json_is_array(json))
        return wrong(reading, "`tuple`, `list` and `set` must be arrays");
    size_t count = json_array_size(json);
    struct value *items = arena_allocate(reading->arena, count * sizeof *items);
    for (size_t index = 0; index < count; index++)
        if (!read_value(reading, json_array_get(json, index), &items[index]))
            return false;
    *value = value_container(kind, items, (uint32_t)count);
    return true;
}

static bool read_tuple(struct reading *reading, const json_t *json, struct value *value)
{
    return read_items(reading, json, value, VALUE_TUPLE);
}

static bool read_list(struct reading *reading, const json_t *json, struct value *value)
{
    return read_items(reading, json, value, VALUE_LIST);
}

static bool read_state(struct reading *reading, const json_t *json, struct value *value)
{
    struct presence_state *state = arena_allocate(reading->arena, sizeof *state);
    if (!json_is_object(json) || !presence_state_read_json(json, reading->arena, state))
        return wrong(reading, "a presence state must be an object with a user_id");
    *value = (struct value){.kind = VALUE_STATE, .state = state};
    return true;
}

/* In a set, a text is a text (no constant), and an object with a user_id is a presence state. */
static bool read_set(struct reading *reading, const json_t *json, struct value *value)
{
    if (!json_is_array(json))
        return wrong(reading, "`set` must be an array");
    size_t size = json_array_size(json);
    struct value *items = arena_allocate(reading->arena, size * sizeof *items);
    for (size_t index = 0; index < size; index++) {
        const json_t *item = json_array_get(json, index);
        bool read = json_is_string(item)               ? read_text(reading, item, &items[index])
                    : json_object_get(item, "user_id") ? read_state(reading, item, &items[index])
                                                       : read_value(reading, item, &items[index]);
        if (!read)
            return false;
    }
    *value = value_container(VALUE_SET, items, (uint32_t)size);
    return true;
}

static bool read_dict(struct reading *reading, const json_t *json, struct value *value)
{
    if (!json_is_object(json))
        return wrong(reading, "`dict` must be an object");
    struct value *items = arena_allocate(reading->arena, 2 * json_object_size(json) * sizeof *items);
    uint32_t count = 0;
    const char *key;
    json_t *member;
    json_object_foreach((json_t *)(uintptr_t)json, key, member)
    {
        items[2 * count] = value_text(arena_copy(reading->arena, slice_from_string(key)));
        if (!read_value(reading, member, &items[2 * count + 1]))
            return false;
        count++;
    }
    *value = value_container(VALUE_DICT, items, count);
    return true;
}

static bool read_json_as(struct reading *reading, const json_t *json, struct value *value, enum value_kind kind)
{
    *value =
        (struct value){.kind = kind, .object = value_own_json(reading->arena, json_incref((json_t *)(uintptr_t)json))};
    return true;
}

static bool read_json(struct reading *reading, const json_t *json, struct value *value)
{
    return read_json_as(reading, json, value, VALUE_JSON);
}

static bool read_event(struct reading *reading, const json_t *json, struct value *value)
{
    if (!json_is_object(json))
        return wrong(reading, "`event` must be an object: the members that are replaced");
    return read_json_as(reading, json, value, VALUE_EVENT);
}

static bool read_all_users(struct reading *reading, const json_t *json, struct value *value)
{
    (void)reading, (void)json;
    *value = value_text(SLICE("ALL"));
    return true;
}

static bool read_callable(struct reading *reading, const json_t *json, struct value *value)
{
    (void)reading, (void)json;
    *value = (struct value){.kind = VALUE_CALLABLE};
    return true;
}

static bool two_numbers(const json_t *json)
{
    return json_array_size(json) == 2 && json_is_number(json_array_get(json, 0)) &&
           json_is_integer(json_array_get(json, 1));
}

static bool read_limit(struct reading *reading, const json_t *json, struct value *value)
{
    if (!two_numbers(json) || !json_is_integer(json_array_get(json, 0)))
        return wrong(reading, "`limit` must be [max_bytes, time_period_ms]");
    *value = (struct value){.kind = VALUE_LIMIT};
    value->limit.max_bytes = json_integer_value(json_array_get(json, 0));
    value->limit.time_period_ms = json_integer_value(json_array_get(json, 1));
    return true;
}

static bool read_override(struct reading *reading, const json_t *json, struct value *value)
{
    if (!two_numbers(json))
        return wrong(reading, "`override` must be [per_second, burst_count]");
    *value = (struct value){.kind = VALUE_OVERRIDE};
    value->override.per_second = json_number_value(json_array_get(json, 0));
    value->override.burst_count = json_integer_value(json_array_get(json, 1));
    return true;
}

static bool read_pass(struct reading *reading, const json_t *json, struct value *value)
{
    (void)reading, (void)json;
    *value = (struct value){.kind = VALUE_PASS};
    return true;
}

static bool read_raised(struct reading *reading, const json_t *json, struct value *value)
{
    if (!json_is_object(json) && !json_is_null(json) && !json_is_string(json))
        return wrong(reading, "`raise` must be null, a text, or an object with type, code, errcode and msg");
    struct raised *raised = arena_allocate(reading->arena, sizeof *raised);
    const char *type =
        json_is_string(json) ? json_string_value(json) : json_string_value(json_object_get(json, "type"));
    for (int kind = 0; type && kind < RAISED_KINDS; kind++)
        if (strcmp(type, raised_kind_text((enum raised_kind)kind)) == 0)
            raised->kind = (enum raised_kind)kind;
    const json_t *code = json_object_get(json, "code");
    if ((type && strcmp(type, "AuthError") == 0) || (!type && json_is_integer(code)))
        raised->kind = RAISED_SYNAPSE_ERROR;
    const json_t *errcode = json_object_get(json, "errcode"), *text = json_object_get(json, "msg");
    raised->status = json_is_integer(code) ? (int)json_integer_value(code) : 500;
    raised->errcode = json_is_string(errcode) ? text_of(reading, errcode) : SLICE("M_UNKNOWN");
    raised->text = json_is_string(text) ? text_of(reading, text)
                   : type               ? arena_copy(reading->arena, slice_from_string(type))
                                        : SLICE("the module failed");
    json_t *fields = json_object_get(json, "fields");
    if (json_is_object(fields))
        raised->fields = value_own_json(reading->arena, json_incref(fields));
    *value = (struct value){.kind = VALUE_RAISED, .raised = raised};
    return true;
}

/* `{"code": c}` and `{"code": c, "fields": {…}}`; likewise with `refuse`. */
static bool read_code(struct reading *reading, const json_t *json, struct value *value)
{
    const json_t *code = json_object_get(json, "code");
    bool refusal = !code;
    if (refusal)
        code = json_object_get(json, "refuse");
    json_t *fields = json_object_get(json, "fields");
    if (!json_is_string(code) || (fields && !json_is_object(fields)) || json_object_size(json) > (fields ? 2u : 1u))
        return wrong(reading, "a code must be {\"code\": TEXT} or {\"code\": TEXT, \"fields\": {…}}");
    *value = (struct value){.kind = refusal ? VALUE_REFUSE : VALUE_CODE, .text = text_of(reading, code)};
    if (!value_code_known(value->text))
        return wrong(reading, "the code is none of Synapse's error codes");
    if (fields)
        value->object = value_own_json(reading->arena, json_incref(fields));
    return true;
}

static const struct value_tag {
    const char *name;
    bool (*read)(struct reading *reading, const json_t *json, struct value *value);
} tags[] = {
    {"none", read_none},         {"bool", read_boolean},        {"int", read_integer},         {"float", read_float},
    {"str", read_text},          {"not_spam", read_not_spam},   {"tuple", read_tuple},         {"list", read_list},
    {"set", read_set},           {"dict", read_dict},           {"json", read_json},           {"event", read_event},
    {"state", read_state},       {"all_users", read_all_users}, {"callable", read_callable},   {"limit", read_limit},
    {"override", read_override}, {"object", read_foreign},      {"behaviour", read_behaviour}, {"pass", read_pass},
    {"raise", read_raised},
};

static bool read_tagged(struct reading *reading, const json_t *json, struct value *value)
{
    if (json_object_get(json, "code") || json_object_get(json, "refuse"))
        return read_code(reading, json, value);
    if (json_object_size(json) == 1) {
        for (size_t index = 0; index < sizeof tags / sizeof *tags; index++) {
            const json_t *member = json_object_get(json, tags[index].name);
            if (member)
                return tags[index].read(reading, member, value);
        }
    }
    return wrong(reading, "an object must have exactly one known tag, such as {\"dict\": {…}} or {\"code\": TEXT}");
}

static bool read_untagged(struct reading *reading, const json_t *json, struct value *value)
{
    switch (json_typeof(json)) {
    case JSON_NULL:
        return read_none(reading, json, value);
    case JSON_TRUE:
    case JSON_FALSE:
        return read_boolean(reading, json, value);
    case JSON_INTEGER:
        return read_integer(reading, json, value);
    case JSON_REAL:
        return read_float(reading, json, value);
    case JSON_STRING:
        return !reading->plain && strcmp(json_string_value(json), "NOT_SPAM") == 0 ? read_not_spam(reading, json, value)
                                                                                   : read_text(reading, json, value);
    case JSON_ARRAY:
        return read_list(reading, json, value);
    case JSON_OBJECT:
        break;
    }
    return reading->plain ? read_dict(reading, json, value) : read_tagged(reading, json, value);
}

static bool read_value(struct reading *reading, const json_t *json, struct value *value)
{
    if (reading->depth == VALUE_DEPTH_MAXIMUM)
        return wrong(reading, "values are nested too deeply");
    reading->depth++;
    bool read = read_untagged(reading, json, value);
    reading->depth--;
    return read;
}

bool value_read_json(const json_t *json, struct arena *arena, struct value *value, const char **problem)
{
    struct reading reading = {.arena = arena, .problem = problem};
    return read_value(&reading, json, value);
}

bool value_read_plain(const json_t *json, struct arena *arena, struct value *value)
{
    const char *problem;
    struct reading reading = {.arena = arena, .problem = &problem, .plain = true};
    return read_value(&reading, json, value);
}
