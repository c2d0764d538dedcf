/* The callback table as data, for everything that lists, looks up or asks callbacks. */
#include "filters/callback.h"

#include "filters/chain_rules.h"

#define ARGUMENTS(...) __VA_ARGS__
#define ARGUMENT_ROWS(...)                                                                                             \
    (sizeof((const struct argument_definition[]){__VA_ARGS__}) / sizeof(struct argument_definition))

/* `absent` in the table stands for no rule at all. */
extern const struct chain_rule chain_rule_absent;
enum {
#define RULE(name) RULE_IS_ABSENT_##name = 0,
#include "filters/chain_rules.def"
#undef RULE
    RULE_IS_ABSENT_absent = 1
};
#define RULE_OF(name) (RULE_IS_ABSENT_##name ? NULL : &chain_rule_##name)

/* `nothing` in the table stands for no callback that is asked next. */
#define CALLBACK_nothing CALLBACK_UNKNOWN

const struct callback_definition callback_definitions[CALLBACK_COUNT] = {
#define CALLBACK(name_, family_, introduced_, removed_, arguments_147_, least_, arguments_, rule_147_, rule_latest_,   \
                 raise_, then_, summary_)                                                                              \
    [CALLBACK_##name_] = {.name = #name_,                                                                              \
                          .family = FAMILY_##family_,                                                                  \
                          .arguments = {arguments_},                                                                   \
                          .argument_count = ARGUMENT_ROWS(arguments_),                                                 \
                          .arguments_147 = (arguments_147_),                                                           \
                          .arguments_least = (least_),                                                                 \
                          .introduced = (introduced_),                                                                 \
                          .removed = (removed_),                                                                       \
                          .rules = {[SEMANTICS_LATEST] = RULE_OF(rule_latest_), [SEMANTICS_147] = RULE_OF(rule_147_)}, \
                          .raise = RAISE_##raise_,                                                                     \
                          .then = CALLBACK_##then_,                                                                    \
                          .summary = (summary_)},
#include "filters/callbacks.def"
#undef CALLBACK
};

const char *const callback_family_texts[FAMILY_COUNT] = {
#define FAMILY(name, text) text,
#include "filters/families.def"
#undef FAMILY
};

const char *const semantics_texts[] = {[SEMANTICS_LATEST] = "latest", [SEMANTICS_147] = "1.47", NULL};

enum callback callback_find(struct slice name)
{
    for (int callback = 0; callback < CALLBACK_COUNT; callback++)
        if (slice_equal(name, slice_from_string(callback_definitions[callback].name)))
            return (enum callback)callback;
    return CALLBACK_UNKNOWN;
}

const char *callback_rule_text(enum callback callback, enum semantics semantics)
{
    const struct chain_rule *rule = callback_definitions[callback].rules[semantics];
    return rule ? rule->text : NULL;
}

struct value callback_pass_value(enum callback callback, enum semantics semantics)
{
    const struct chain_rule *rule = callback_definitions[callback].rules[semantics];
    return rule ? rule->initial : (struct value){.kind = VALUE_NONE};
}

const char *raise_class_text(enum raise_class raise)
{
    static const char *const texts[] = {
        [RAISE_PROPAGATES] = "the walk ends and the request fails with the module's error",
        [RAISE_IS_SKIPPED] = "a warning is logged and the next module is asked",
        [RAISE_IS_LOGGED] = "the error is logged and the next module is asked",
        [RAISE_IS_403] = "the walk ends: an error of Matrix stands, any other is 403 M_UNKNOWN",
        [RAISE_IS_500] = "the walk ends and the request fails with 500 M_UNKNOWN",
        [RAISE_FAILS_MODULE] = "the walk ends: an error of Matrix stands, any other is 500 M_UNKNOWN",
    };
    return texts[raise];
}

/* One argument being read from a request. */
struct argument_reading {
    struct arena *arena;
    const char **problem;
    const struct argument_definition *definition;
};

static bool wrong(const struct argument_reading *reading, const char *wanted)
{
    *reading->problem =
        arena_format(reading->arena, "the argument `%s` must be %s", reading->definition->name, wanted).data;
    return false;
}

static bool read_text(const struct argument_reading *reading, const json_t *json, struct value *value)
{
    if (!json_is_string(json))
        return wrong(reading, "a text");
    *value = value_text(arena_copy(reading->arena, slice_of(json_string_value(json), json_string_length(json))));
    return true;
}

static bool read_text_or_null(const struct argument_reading *reading, const json_t *json, struct value *value)
{
    if (!json || json_is_null(json))
        return true;
    return json_is_string(json) ? read_text(reading, json, value) : wrong(reading, "a text or null");
}

static bool read_boolean(const struct argument_reading *reading, const json_t *json, struct value *value)
{
    *value = value_boolean(json_is_true(json));
    return json_is_boolean(json) || wrong(reading, "true or false");
}

static bool read_integer(const struct argument_reading *reading, const json_t *json, struct value *value)
{
    *value = value_integer(json_integer_value(json));
    return json_is_integer(json) || wrong(reading, "a whole number");
}

static bool read_json(const struct argument_reading *reading, const json_t *json, struct value *value)
{
    *value = value_json(value_own_json(reading->arena, json ? json_incref((json_t *)(uintptr_t)json) : json_null()));
    return true;
}

static bool read_object(const struct argument_reading *reading, const json_t *json, struct value *value)
{
    return json_is_object(json) ? read_json(reading, json, value) : wrong(reading, "an object");
}

/* The state may be left out: most modules do not look at it. */
static bool read_state(const struct argument_reading *reading, const json_t *json, struct value *value)
{
    if (json && !json_is_array(json) && !json_is_null(json))
        return wrong(reading, "a list of events");
    return read_json(reading, json, value);
}

static bool read_states(const struct argument_reading *reading, const json_t *json, struct value *value)
{
    if (!json_is_array(json))
        return wrong(reading, "a list of presence states");
    size_t count = json_array_size(json);
    struct value *items = arena_allocate(reading->arena, count * sizeof *items);
    struct presence_state *states = arena_allocate(reading->arena, count * sizeof *states);
    for (size_t index = 0; index < count; index++) {
        const json_t *item = json_array_get(json, index);
        if (!json_is_object(item) || !presence_state_read_json(item, reading->arena, &states[index]))
            return wrong(reading, "a list of presence states, each with a user_id");
        items[index] = (struct value){.kind = VALUE_STATE, .state = &states[index]};
    }
    *value = value_container(VALUE_LIST, items, (uint32_t)count);
    return true;
}

static bool read_limit(const struct argument_reading *reading, const json_t *json, struct value *value)
{
    const json_t *bytes = json_is_array(json) ? json_array_get(json, 0) : json_object_get(json, "max_bytes");
    const json_t *period = json_is_array(json) ? json_array_get(json, 1) : json_object_get(json, "time_period_ms");
    if (!json_is_integer(bytes) || !json_is_integer(period))
        return wrong(reading, "an object with max_bytes and time_period_ms");
    *value = (struct value){.kind = VALUE_LIMIT};
    value->limit.max_bytes = json_integer_value(bytes);
    value->limit.time_period_ms = json_integer_value(period);
    return true;
}

static bool read_nothing(const struct argument_reading *reading, const json_t *json, struct value *value)
{
    (void)reading, (void)json, (void)value;
    return true;
}

typedef bool argument_reader(const struct argument_reading *reading, const json_t *json, struct value *value);

static argument_reader *const readers[] = {
    [ARGUMENT_TEXT] = read_text,       [ARGUMENT_TEXT_OR_NULL] = read_text_or_null,
    [ARGUMENT_BOOLEAN] = read_boolean, [ARGUMENT_INTEGER] = read_integer,
    [ARGUMENT_JSON] = read_json,       [ARGUMENT_SHARED] = read_object,
    [ARGUMENT_COPY] = read_object,     [ARGUMENT_EVENT] = read_nothing,
    [ARGUMENT_STATE] = read_state,     [ARGUMENT_STATES] = read_states,
    [ARGUMENT_LIMIT] = read_limit,     [ARGUMENT_REQUEST] = read_nothing,
};

bool callback_read_arguments(enum callback callback, const json_t *object, struct arena *arena,
                             struct callback_arguments *arguments, const char **problem)
{
    const struct callback_definition *definition = &callback_definitions[callback];
    struct value *values = arena_allocate(arena, CALLBACK_ARGUMENTS_MAXIMUM * sizeof *values);
    arguments->callback = callback;
    arguments->values = values;
    arguments->count = definition->argument_count;
    arguments->arena = arena;
    if (!json_is_object(object)) {
        *problem = "the arguments must be an object";
        return false;
    }
    for (uint32_t index = 0; index < definition->argument_count; index++) {
        const struct argument_definition *argument = &definition->arguments[index];
        struct argument_reading reading = {arena, problem, argument};
        if (!readers[argument->type](&reading, json_object_get(object, argument->name), &values[index]))
            return false;
    }
    return true;
}

struct slice callback_argument_text(const struct callback_arguments *arguments, const char *name)
{
    const struct callback_definition *definition = &callback_definitions[arguments->callback];
    for (uint32_t index = 0; arguments->values && index < definition->argument_count; index++)
        if (strcmp(definition->arguments[index].name, name) == 0)
            return arguments->values[index].kind == VALUE_TEXT ? arguments->values[index].text : SLICE_ABSENT;
    return SLICE_ABSENT;
}
