/* One row for each callback that has forms of its own; all others take what value_read_json takes. An object with a tag
 * is never taken for a plain one. */
#include "filters/service_reply.h"

#include <stdlib.h>

struct reading {
    const struct callback_arguments *arguments;
    struct arena *arena;
    const char **problem;
};

typedef bool reply_reader(const struct reading *reading, const json_t *reply, struct value *value);

static bool wrong(const struct reading *reading, const char *sentence)
{
    *reading->problem = sentence;
    return false;
}

static struct slice text_of(const struct reading *reading, const json_t *json)
{
    return arena_copy(reading->arena, slice_of(json_string_value(json), json_string_length(json)));
}

static bool read_any(const struct reading *reading, const json_t *reply, struct value *value)
{
    return value_read_json(reply, reading->arena, value, reading->problem);
}

/* Whether it is an object whose only member is a tag that can stand for a whole answer. */
static bool is_tagged(const json_t *reply)
{
    static const char *const tags[] = {"none", "bool",  "str",  "not_spam", "tuple",     "list",      "set",    "dict",
                                       "json", "event", "pass", "raise",    "all_users", "behaviour", "object", NULL};
    if (json_is_string(json_object_get(reply, "code")) || json_is_string(json_object_get(reply, "refuse")))
        return true;
    for (const char *const *tag = tags; *tag && json_object_size(reply) == 1; tag++)
        if (json_object_get(reply, *tag))
            return true;
    return false;
}

static bool is_plain_object(const json_t *reply)
{
    return json_is_object(reply) && !is_tagged(reply);
}

static struct value own_object(const struct reading *reading, const json_t *object, enum value_kind kind)
{
    json_t *kept = value_own_json(reading->arena, json_incref((json_t *)(uintptr_t)object));
    return (struct value){.kind = kind, .object = kept};
}

static bool read_allowed(const struct reading *reading, const json_t *reply, struct value *value)
{
    const json_t *allowed = json_array_get(reply, 0), *replaced = json_array_get(reply, 1);
    if (json_is_boolean(reply)) {
        *value = value_pair(reading->arena, json_is_true(reply), NULL);
        return true;
    }
    if (json_array_size(reply) != 2 || !json_is_boolean(allowed) || !is_plain_object(replaced))
        return read_any(reading, reply, value);
    *value = value_pair(reading->arena, json_is_true(allowed), own_object(reading, replaced, VALUE_EVENT).object);
    return true;
}

static bool read_behaviour(const struct reading *reading, const json_t *reply, struct value *value)
{
    static const char *const behaviours[] = {"ALLOW", "SHADOW_BAN", "DENY"};
    for (size_t index = 0; json_is_string(reply) && index < sizeof behaviours / sizeof *behaviours; index++) {
        if (strcmp(json_string_value(reply), behaviours[index]) != 0)
            continue;
        *value = (struct value){.kind = VALUE_BEHAVIOUR, .text = slice_from_string(behaviours[index])};
        return true;
    }
    return read_any(reading, reply, value);
}

static bool read_users(const struct reading *reading, const json_t *reply, struct value *value)
{
    if (!json_is_array(reply))
        return read_any(reading, reply, value);
    size_t count = json_array_size(reply);
    struct value *users = arena_allocate(reading->arena, count * sizeof *users);
    for (size_t index = 0; index < count; index++) {
        const json_t *user = json_array_get(reply, index);
        if (!json_is_string(user))
            return wrong(reading, "the users must be texts");
        users[index] = value_text(text_of(reading, user));
    }
    *value = value_container(VALUE_SET, users, (uint32_t)count);
    return true;
}

/* The updates that were asked about, sorted by user: an answer may name thousands of them. */
struct updates {
    const struct presence_state **states;
    size_t count;
};

static int compare_texts(struct slice left, struct slice right)
{
    size_t shorter = left.length < right.length ? left.length : right.length;
    int order = shorter ? memcmp(left.data, right.data, shorter) : 0;
    return order ? order : (left.length > right.length) - (left.length < right.length);
}

static int compare_states(const void *left, const void *right)
{
    const struct presence_state *const *one = left, *const *other = right;
    return compare_texts((*one)->user_id, (*other)->user_id);
}

static struct updates sort_updates(const struct reading *reading)
{
    const struct value *asked = reading->arguments->values;
    struct updates updates = {0};
    if (!asked || asked->kind != VALUE_LIST || asked->count == 0)
        return updates;
    updates.states = arena_allocate(reading->arena, asked->count * sizeof *updates.states);
    for (uint32_t index = 0; index < asked->count; index++)
        if (asked->items[index].kind == VALUE_STATE)
            updates.states[updates.count++] = asked->items[index].state;
    qsort(updates.states, updates.count, sizeof *updates.states, compare_states);
    return updates;
}

/* How many updates there are of `user`; the first in `*first`. */
static size_t find_updates(const struct updates *updates, struct slice user, size_t *first)
{
    size_t low = 0, high = updates->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (compare_texts(updates->states[middle]->user_id, user) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *first = low;
    while (high < updates->count && slice_equal(updates->states[high]->user_id, user))
        high++;
    return high - low;
}

/* Routes in one answer: the same user may be named again and again, each time for all its updates. */
#define ROUTES_MAXIMUM 200000u

/* The states that `item` stands for: how many, in `*states`; 0 with the problem told. */
static size_t read_states(const struct reading *reading, const struct updates *updates, const json_t *item,
                          const struct presence_state *const **states)
{
    size_t first;
    if (json_is_string(item)) {
        size_t count = find_updates(updates, slice_of(json_string_value(item), json_string_length(item)), &first);
        *states = updates->states + first;
        if (count == 0)
            wrong(reading, "a user id names nobody of those asked about");
        return count;
    }
    struct presence_state *state = arena_allocate(reading->arena, sizeof *state);
    const struct presence_state **single = arena_allocate(reading->arena, sizeof *single);
    *single = state;
    *states = single;
    if (json_is_object(item) && presence_state_read_json(item, reading->arena, state))
        return 1;
    wrong(reading, "a presence state must be an object with a user_id");
    return 0;
}

static bool read_route(const struct reading *reading, const struct updates *updates, const json_t *list,
                       struct value *route, size_t *routes)
{
    if (!json_is_array(list))
        return wrong(reading, "every user's value must be an array of presence states or user ids");
    size_t length = json_array_size(list), capacity = length, count = 0;
    struct value *items = arena_allocate(reading->arena, capacity * sizeof *items);
    for (size_t index = 0; index < length; index++) {
        const struct presence_state *const *states = NULL;
        size_t more = read_states(reading, updates, json_array_get(list, index), &states);
        if (more == 0)
            return false;
        if ((*routes += more) > ROUTES_MAXIMUM)
            return wrong(reading, "there are more than 200,000 routes in one answer");
        if (count + more > capacity) {
            struct value *larger = arena_allocate(reading->arena, (capacity = 2 * (count + more)) * sizeof *items);
            memcpy(larger, items, count * sizeof *items);
            items = larger;
        }
        for (size_t number = 0; number < more; number++)
            items[count++] = (struct value){.kind = VALUE_STATE, .state = states[number]};
    }
    *route = value_container(VALUE_SET, items, (uint32_t)count);
    return true;
}

static bool read_routes(const struct reading *reading, const json_t *reply, struct value *value)
{
    if (!is_plain_object(reply))
        return read_any(reading, reply, value);
    struct updates updates = sort_updates(reading);
    struct value *items = arena_allocate(reading->arena, 2 * json_object_size(reply) * sizeof *items);
    uint32_t count = 0;
    size_t routes = 0;
    const char *user;
    json_t *list;
    json_object_foreach((json_t *)(uintptr_t)reply, user, list)
    {
        items[2 * count] = value_text(arena_copy(reading->arena, slice_from_string(user)));
        if (!read_route(reading, &updates, list, &items[2 * count + 1], &routes))
            return false;
        count++;
    }
    *value = value_container(VALUE_DICT, items, count);
    return true;
}

/* (user id, what is to be called after the login: nothing can be). */
static bool read_login(const struct reading *reading, const json_t *reply, struct value *value)
{
    bool pair = json_array_size(reply) == 2 && json_is_null(json_array_get(reply, 1));
    const json_t *user = pair ? json_array_get(reply, 0) : reply;
    if (!json_is_string(user))
        return read_any(reading, reply, value);
    struct value *items = arena_allocate(reading->arena, 2 * sizeof *items);
    items[0] = value_text(text_of(reading, user));
    *value = value_container(VALUE_TUPLE, items, 2);
    return true;
}

static bool read_object(const struct reading *reading, const json_t *reply, struct value *value)
{
    if (!is_plain_object(reply))
        return read_any(reading, reply, value);
    *value = own_object(reading, reply, VALUE_JSON);
    return true;
}

/* Into the object that all modules share. */
static bool read_edits(const struct reading *reading, const json_t *reply, struct value *value)
{
    const struct callback_arguments *arguments = reading->arguments;
    const struct callback_definition *definition = &callback_definitions[arguments->callback];
    if (!is_plain_object(reply))
        return read_any(reading, reply, value);
    for (uint32_t index = 0; arguments->values && index < definition->argument_count; index++)
        if (definition->arguments[index].type == ARGUMENT_SHARED && json_is_object(arguments->values[index].object))
            json_object_update(arguments->values[index].object, (json_t *)(uintptr_t)reply);
    *value = (struct value){.kind = VALUE_NONE};
    return true;
}

bool service_reply_read(const struct callback_arguments *arguments, const json_t *reply, struct value *value,
                        const char **problem)
{
    static reply_reader *const readers[CALLBACK_COUNT] = {
        [CALLBACK_check_event_allowed] = read_allowed,  [CALLBACK_check_registration_for_spam] = read_behaviour,
        [CALLBACK_get_interested_users] = read_users,   [CALLBACK_get_users_for_states] = read_routes,
        [CALLBACK_auth_checkers] = read_login,          [CALLBACK_check_3pid_auth] = read_login,
        [CALLBACK_add_field_to_unsigned] = read_object, [CALLBACK_get_media_config_for_user] = read_object,
        [CALLBACK_on_create_room] = read_edits,
    };
    struct reading reading = {arguments, arguments->arena, problem};
    reply_reader *reader = readers[arguments->callback];
    return (reader ? reader : read_any)(&reading, reply, value);
}
