/* What a plug-in says, as values. Every setter replaces what was said before, but not the rule, reason and evidence.
 * What makes no sense becomes a failure of the callback, with a sentence: never a pass that nobody meant. */
#include "filters/plugin_host.h"

#include <stdlib.h>

static struct arena *arena_of(const struct weir_answer *answer)
{
    return answer->arguments->arena;
}

static void set(struct weir_answer *answer, struct value value)
{
    answer->route_count = 0;
    answer->result->value = value;
}

static void set_kind(struct weir_answer *answer, enum value_kind kind)
{
    set(answer, (struct value){.kind = kind});
}

static void fail(struct weir_answer *answer, const char *message)
{
    set(answer, value_raise(arena_of(answer), RAISED_OTHER, "%s", message));
}

/* The text is kept until the answer has been used. */
static struct slice keep(const struct weir_answer *answer, struct weir_text text)
{
    return arena_copy(arena_of(answer), plugin_slice(text));
}

/* An object in the arena; false if the text is none. */
static bool read_object(struct weir_answer *answer, struct weir_text text, json_t **object)
{
    json_t *json = text.data ? json_loadb(text.data, text.length, JSON_ALLOW_NUL, NULL) : NULL;
    if (!json_is_object(json)) {
        json_decref(json);
        return false;
    }
    *object = value_own_json(arena_of(answer), json);
    return true;
}

void plugin_answer_pass(struct weir_answer *answer)
{
    set_kind(answer, VALUE_PASS);
}

static void set_code(struct weir_answer *answer, enum value_kind kind, struct weir_text code, struct weir_text fields)
{
    struct value value = {.kind = kind, .text = keep(answer, code)};
    if (code.data ? !value_code_known(value.text) : kind == VALUE_CODE)
        set(answer, value_raise(arena_of(answer), RAISED_OTHER, "`%.*s` is none of Synapse's error codes",
                                (int)value.text.length, value.text.data ? value.text.data : ""));
    else if (fields.data && !read_object(answer, fields, &value.object))
        fail(answer, "the fields beside a code are no JSON object");
    else
        set(answer, value);
}

void plugin_answer_refuse(struct weir_answer *answer, struct weir_text code, struct weir_text fields)
{
    set_code(answer, VALUE_REFUSE, code, fields);
}

void plugin_answer_code(struct weir_answer *answer, struct weir_text code, struct weir_text fields)
{
    set_code(answer, VALUE_CODE, code, fields);
}

void plugin_answer_none(struct weir_answer *answer)
{
    set_kind(answer, VALUE_NONE);
}

void plugin_answer_boolean(struct weir_answer *answer, bool value)
{
    set(answer, value_boolean(value));
}

void plugin_answer_integer(struct weir_answer *answer, int64_t value)
{
    set(answer, value_integer(value));
}

void plugin_answer_number(struct weir_answer *answer, double value)
{
    set(answer, (struct value){.kind = VALUE_FLOAT, .number = value});
}

void plugin_answer_text(struct weir_answer *answer, struct weir_text value)
{
    if (value.data)
        set(answer, value_text(keep(answer, value)));
    else
        set_kind(answer, VALUE_NONE);
}

void plugin_answer_not_spam(struct weir_answer *answer)
{
    set_kind(answer, VALUE_NOT_SPAM);
}

void plugin_answer_behaviour(struct weir_answer *answer, struct weir_text name)
{
    static const char *const names[] = {"ALLOW", "SHADOW_BAN", "DENY"};
    for (size_t index = 0; index < sizeof names / sizeof *names; index++) {
        struct slice known = slice_from_string(names[index]);
        if (slice_equal(plugin_slice(name), known)) {
            set(answer, (struct value){.kind = VALUE_BEHAVIOUR, .text = known});
            return;
        }
    }
    fail(answer, "a behaviour is none of ALLOW, SHADOW_BAN and DENY");
}

static int compare_slices(struct slice left, struct slice right)
{
    size_t shorter = left.length < right.length ? left.length : right.length;
    int order = shorter ? memcmp(left.data, right.data, shorter) : 0;
    return order ? order : (left.length > right.length) - (left.length < right.length);
}

static int compare_texts(const void *left, const void *right)
{
    return compare_slices(((const struct value *)left)->text, ((const struct value *)right)->text);
}

void plugin_answer_texts(struct weir_answer *answer, const struct weir_text *items, size_t count)
{
    if (count > UINT32_MAX / 2) {
        fail(answer, "a set has too many texts");
        return;
    }
    struct value *values = arena_allocate(arena_of(answer), (count + 1) * sizeof *values);
    uint32_t kept = 0, given = 0;
    for (size_t index = 0; index < count; index++)
        if (items[index].data)
            values[given++] = value_text(keep(answer, items[index]));
    qsort(values, given, sizeof *values, compare_texts);
    for (uint32_t index = 0; index < given; index++)
        if (kept == 0 || compare_texts(&values[kept - 1], &values[index]) != 0)
            values[kept++] = values[index];
    set(answer, value_container(VALUE_SET, values, kept));
}

void plugin_answer_all_users(struct weir_answer *answer)
{
    set(answer, value_text(SLICE("ALL")));
}

/* The state at `index` of the argument that is a list of states, or NULL. */
static const struct presence_state *state_at(const struct callback_arguments *arguments, uint32_t index)
{
    const struct callback_definition *definition = &callback_definitions[arguments->callback];
    for (uint32_t place = 0; arguments->values && place < arguments->count; place++) {
        const struct value *value = &arguments->values[place];
        if (definition->arguments[place].type != ARGUMENT_STATES || value->kind != VALUE_LIST)
            continue;
        return index < value->count && value->items[index].kind == VALUE_STATE ? value->items[index].state : NULL;
    }
    return NULL;
}

void plugin_answer_route(struct weir_answer *answer, struct weir_text user_id, uint32_t index)
{
    const struct presence_state *state = state_at(answer->arguments, index);
    if (!state || !user_id.data) {
        fail(answer, "a route has no user id, or a state that was not asked about");
        return;
    }
    if (answer->route_count == answer->route_capacity) {
        uint32_t capacity = answer->route_capacity ? answer->route_capacity * 2 : 16;
        struct plugin_route *routes = arena_allocate(arena_of(answer), capacity * sizeof *routes);
        if (answer->route_count)
            memcpy(routes, answer->routes, answer->route_count * sizeof *routes);
        answer->routes = routes;
        answer->route_capacity = capacity;
    }
    answer->routes[answer->route_count++] = (struct plugin_route){keep(answer, user_id), state, index};
}

static int compare_routes(const void *left, const void *right)
{
    const struct plugin_route *first = left, *second = right;
    int order = compare_slices(first->user_id, second->user_id);
    return order ? order : (first->index > second->index) - (first->index < second->index);
}

/* Routes sorted by user are the runs of a dict of sets. */
void plugin_answer_finish(struct weir_answer *answer)
{
    if (answer->route_count == 0)
        return;
    uint32_t count = answer->route_count, users = 0;
    const struct plugin_route *routes = answer->routes;
    qsort(answer->routes, count, sizeof *routes, compare_routes);
    struct value *items = arena_allocate(arena_of(answer), 2 * (size_t)count * sizeof *items);
    struct value *states = arena_allocate(arena_of(answer), count * sizeof *states);
    for (uint32_t index = 0; index < count; index++) {
        struct value *set_of_user = users ? &items[2 * (size_t)users - 1] : NULL;
        bool same_user = users && slice_equal(routes[index].user_id, routes[index - 1].user_id);
        if (!same_user) {
            items[2 * (size_t)users] = value_text(routes[index].user_id);
            set_of_user = &items[2 * (size_t)users + 1];
            *set_of_user = value_container(VALUE_SET, &states[index], 0);
            users++;
        } else if (routes[index].index == routes[index - 1].index) {
            continue;
        }
        states[set_of_user->items - states + set_of_user->count++] =
            (struct value){.kind = VALUE_STATE, .state = routes[index].state};
    }
    answer->result->value = value_container(VALUE_DICT, items, users);
}

void plugin_answer_authenticated(struct weir_answer *answer, struct weir_text user_id)
{
    struct value *items = arena_allocate(arena_of(answer), 2 * sizeof *items);
    items[0] = user_id.data ? value_text(keep(answer, user_id)) : (struct value){.kind = VALUE_NONE};
    set(answer, value_container(VALUE_TUPLE, items, 2));
}

void plugin_answer_replace_event(struct weir_answer *answer, struct weir_text members)
{
    json_t *object;
    if (read_object(answer, members, &object))
        set(answer, value_pair(arena_of(answer), true, object));
    else
        fail(answer, "what replaces the event's members is no JSON object");
}

void plugin_answer_tagged(struct weir_answer *answer, struct weir_text text)
{
    const char *problem = "the answer is not valid JSON";
    json_t *json = text.data ? json_loadb(text.data, text.length, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL) : NULL;
    struct value value;
    if (json && value_read_json(json, arena_of(answer), &value, &problem))
        set(answer, value);
    else
        fail(answer, problem);
    json_decref(json);
}

void plugin_answer_raise(struct weir_answer *answer, struct weir_text message)
{
    struct slice text = message.data ? plugin_slice(message) : SLICE("the plug-in failed");
    set(answer, value_raise(arena_of(answer), RAISED_OTHER, "%.*s", (int)text.length, text.data));
}

void plugin_answer_raise_error(struct weir_answer *answer, int status, struct weir_text code, struct weir_text message)
{
    struct slice errcode = code.data ? keep(answer, code) : SLICE("M_UNKNOWN");
    set(answer, value_raise_error(arena_of(answer), status, errcode, keep(answer, message)));
}

void plugin_answer_rule(struct weir_answer *answer, struct weir_text rule)
{
    answer->result->rule = keep(answer, rule);
}

void plugin_answer_reason(struct weir_answer *answer, struct weir_text reason)
{
    answer->result->reason = keep(answer, reason);
}

void plugin_answer_evidence(struct weir_answer *answer, struct weir_text part)
{
    answer->result->evidence = plugin_slice(part);
}
