/* The rules that ask every module and add up what they say. What is gathered lies in the arena of the question; members
 * are found by hash, since a presence batch may route ten thousand users. */
#include <stdlib.h>
#include <xxhash.h>

#include "filters/chain_rules.h"

/* Values in their order of insertion, each once. For a dict, `sets[i]` belongs to `items[i]`. */
struct union_set {
    struct arena *arena;
    struct value *items;
    struct union_set **sets;
    uint32_t count;
    uint32_t capacity;
    uint32_t *slots; /* index + 1 into items; 0: free. Made when there are more than LINEAR_MAXIMUM */
    uint32_t slot_mask;
};

#define LINEAR_MAXIMUM 8u

static uint64_t hash_value(const struct value *value)
{
    switch (value->kind) {
    case VALUE_TEXT:
        return XXH3_64bits(value->text.data, value->text.length);
    case VALUE_STATE:
        return presence_state_hash(value->state);
    case VALUE_INTEGER:
        return (uint64_t)value->integer;
    default:
        return value->kind;
    }
}

static void put_slot(struct union_set *set, uint32_t index)
{
    uint32_t slot = (uint32_t)hash_value(&set->items[index]) & set->slot_mask;
    while (set->slots[slot])
        slot = (slot + 1) & set->slot_mask;
    set->slots[slot] = index + 1;
}

static void grow(struct union_set *set)
{
    uint32_t capacity = set->capacity ? set->capacity * 4 : LINEAR_MAXIMUM;
    struct value *items = arena_allocate(set->arena, capacity * sizeof *items);
    struct union_set **sets = arena_allocate(set->arena, capacity * sizeof *sets);
    if (set->count) {
        memcpy(items, set->items, set->count * sizeof *items);
        memcpy(sets, set->sets, set->count * sizeof(struct union_set *));
    }
    set->items = items;
    set->sets = sets;
    set->capacity = capacity;
    if (capacity == LINEAR_MAXIMUM)
        return;
    set->slot_mask = capacity * 2 - 1;
    set->slots = arena_allocate(set->arena, (size_t)capacity * 2 * sizeof *set->slots);
    for (uint32_t index = 0; index < set->count; index++)
        put_slot(set, index);
}

static uint32_t find_item(const struct union_set *set, const struct value *item)
{
    if (!set->slots) {
        for (uint32_t index = 0; index < set->count; index++)
            if (value_equal(&set->items[index], item))
                return index;
        return set->count;
    }
    uint32_t slot = (uint32_t)hash_value(item) & set->slot_mask;
    for (; set->slots[slot]; slot = (slot + 1) & set->slot_mask)
        if (value_equal(&set->items[set->slots[slot] - 1], item))
            return set->slots[slot] - 1;
    return set->count;
}

/* The item's place, added at the end if it is new. */
static uint32_t add_item(struct union_set *set, const struct value *item)
{
    uint32_t index = find_item(set, item);
    if (index < set->count)
        return index;
    if (set->count == set->capacity)
        grow(set);
    index = set->count++;
    set->items[index] = *item;
    if (set->slots)
        put_slot(set, index);
    return index;
}

static struct union_set *new_set(struct arena *arena)
{
    struct union_set *set = arena_allocate(arena, sizeof *set);
    set->arena = arena;
    return set;
}

static struct union_set *gathered_set(struct walk *walk)
{
    if (!walk->memory)
        walk->memory = new_set(walk->arguments.arena);
    return walk->memory;
}

static void add_all(struct union_set *set, const struct value *items, uint32_t count)
{
    for (uint32_t index = 0; index < count; index++)
        add_item(set, &items[index]);
}

/* get_users_for_states (events/presence_router.py): a value that is no set ends the reading of that dict; what was read
 * before it stays. */
static enum step take_merged_sets(struct walk *walk, struct result *result)
{
    if (result->value.kind != VALUE_DICT)
        return STEP_ILLEGAL_NEXT;
    struct union_set *users = gathered_set(walk);
    for (uint32_t index = 0; index < result->value.count; index++) {
        const struct value *states = &result->value.items[2 * index + 1];
        if (states->kind != VALUE_SET)
            return STEP_ILLEGAL_NEXT;
        uint32_t place = add_item(users, &result->value.items[2 * index]);
        if (!users->sets[place])
            users->sets[place] = new_set(users->arena);
        add_all(users->sets[place], states->items, states->count);
    }
    return STEP_NEXT;
}

static void finish_merged_sets(struct walk *walk, struct result *result)
{
    struct union_set *users = walk->memory;
    if (!users) {
        result->value = value_container(VALUE_DICT, NULL, 0);
        return;
    }
    struct value *items = arena_allocate(users->arena, 2 * (size_t)users->count * sizeof *items);
    for (uint32_t index = 0; index < users->count; index++) {
        items[2 * index] = users->items[index];
        items[2 * index + 1] = value_container(VALUE_SET, users->sets[index]->items, users->sets[index]->count);
    }
    result->value = value_container(VALUE_DICT, items, users->count);
}

/* get_interested_users (same file): "ALL" ends the walk and drops what was gathered. */
static enum step take_interested_users(struct walk *walk, struct result *result)
{
    if (result->value.kind == VALUE_TEXT && slice_equal(result->value.text, SLICE("ALL")))
        return STEP_STOP;
    if (result->value.kind != VALUE_SET)
        return STEP_ILLEGAL_NEXT;
    add_all(gathered_set(walk), result->value.items, result->value.count);
    return STEP_NEXT;
}

static void finish_interested_users(struct walk *walk, struct result *result)
{
    struct union_set *users = walk->memory;
    result->value = value_container(VALUE_SET, users ? users->items : NULL, users ? users->count : 0);
}

/* Python's sort is stable; so is this one, for the handful of limits there are. */
static void sort_longest_first(struct value *limits, uint32_t count)
{
    for (uint32_t index = 1; index < count; index++) {
        struct value moving = limits[index];
        uint32_t place = index;
        for (; place && limits[place - 1].limit.time_period_ms < moving.limit.time_period_ms; place--)
            limits[place] = limits[place - 1];
        limits[place] = moving;
    }
}

/* get_media_upload_limits_for_user (module_api/callbacks/media_repository_callbacks.py): the first answer but None is
 * sorted by its time period; what cannot be sorted fails. */
static enum step take_upload_limits(struct walk *walk, struct result *result)
{
    const struct value *value = &result->value;
    if (value->kind == VALUE_NONE)
        return STEP_NEXT;
    bool sortable = value->kind == VALUE_LIST;
    for (uint32_t index = 0; sortable && index < value->count; index++)
        sortable = value->items[index].kind == VALUE_LIMIT;
    if (!sortable) {
        result->value =
            value_raise(walk->arguments.arena, RAISED_OTHER, "the module did not answer with a list of upload limits");
        return STEP_ILLEGAL_STOP;
    }
    uint32_t count = value->count;
    struct value *limits = arena_allocate(walk->arguments.arena, count * sizeof *limits);
    if (count)
        memcpy(limits, value->items, count * sizeof *limits);
    sort_longest_first(limits, count);
    result->value = value_container(VALUE_LIST, limits, count);
    return STEP_STOP;
}

/* add_field_to_unsigned (events/utils.py): one shallow merge, in which the last module wins. */
static enum step take_merged_members(struct walk *walk, struct result *result)
{
    const struct value *value = &result->value;
    if (!value_is_dict(value) || value->kind == VALUE_EVENT) {
        result->value = value_raise(walk->arguments.arena, RAISED_OTHER, "the module did not answer with a dict");
        return STEP_ILLEGAL_STOP;
    }
    struct union_set *members = gathered_set(walk);
    if (value->kind == VALUE_JSON) {
        const char *key;
        json_t *member;
        json_object_foreach(value->object, key, member)
        {
            struct value name = value_text(arena_copy(members->arena, slice_from_string(key)));
            uint32_t place = add_item(members, &name);
            members->sets[place] = new_set(members->arena);
            struct value kept = value_json(value_own_json(members->arena, json_incref(member)));
            add_item(members->sets[place], &kept);
        }
        return STEP_NEXT;
    }
    for (uint32_t index = 0; index < value->count; index++) {
        uint32_t place = add_item(members, &value->items[2 * index]);
        members->sets[place] = new_set(members->arena);
        add_item(members->sets[place], &value->items[2 * index + 1]);
    }
    return STEP_NEXT;
}

static void finish_merged_members(struct walk *walk, struct result *result)
{
    struct union_set *members = walk->memory;
    uint32_t count = members ? members->count : 0;
    struct value *items = arena_allocate(walk->arguments.arena, 2 * (size_t)count * sizeof *items);
    for (uint32_t index = 0; index < count; index++) {
        items[2 * index] = members->items[index];
        items[2 * index + 1] = members->sets[index]->items[0];
    }
    result->value = value_container(VALUE_DICT, items, count);
}

const struct chain_rule chain_rule_merged_sets = {
    .text =
        "every module is asked; their dicts are merged, the sets of one user united; a value that is no set ends the "
        "reading of its dict",
    .take = take_merged_sets,
    .finish = finish_merged_sets,
    .initial = {.kind = VALUE_DICT},
    .gathers = true,
    .stop_means = OUTCOME_PASSED};
const struct chain_rule chain_rule_interested_users = {
    .text = "every module is asked and their sets are united; \"ALL\" ends the walk and stands alone",
    .take = take_interested_users,
    .finish = finish_interested_users,
    .initial = {.kind = VALUE_SET},
    .gathers = true,
    .stop_means = OUTCOME_PASSED};
const struct chain_rule chain_rule_upload_limits = {
    .text = "the first answer but None ends the walk: a list of limits, sorted by their period, longest first",
    .take = take_upload_limits,
    .initial = {.kind = VALUE_NONE},
    .stop_means = OUTCOME_PASSED};
const struct chain_rule chain_rule_merged_members = {
    .text = "every module is asked; their dicts are merged, and of equal keys the last module's stands",
    .take = take_merged_members,
    .finish = finish_merged_members,
    .initial = {.kind = VALUE_DICT},
    .gathers = true,
    .stop_means = OUTCOME_PASSED};
