#include "filters/presence_batch.h"

struct presence_batch presence_batch_collect(const struct value *updates, struct arena *arena)
{
    struct presence_batch batch = {0};
    uint32_t mask = 1;
    while (mask < 2 * updates->count)
        mask *= 2;
    uint32_t *slots = arena_allocate(arena, mask * sizeof *slots); /* place + 1 */
    mask--;
    batch.states = arena_allocate(arena, updates->count * sizeof *batch.states);
    for (uint32_t index = 0; index < updates->count; index++) {
        const struct value *update = &updates->items[index];
        if (update->kind != VALUE_STATE)
            continue;
        uint32_t slot = (uint32_t)presence_state_hash(update->state) & mask;
        while (slots[slot] && !presence_state_equal(batch.states[slots[slot] - 1].state, update->state))
            slot = (slot + 1) & mask;
        if (slots[slot])
            continue;
        batch.states[batch.count] = *update;
        slots[slot] = ++batch.count;
    }
    return batch;
}

struct presence_routes presence_routes_open(uint32_t most, struct arena *arena)
{
    struct presence_routes routes = {0};
    routes.items = arena_allocate(arena, 2 * (size_t)most * sizeof *routes.items);
    return routes;
}

void presence_routes_add(struct presence_routes *routes, struct value user, struct value set)
{
    struct value *item = routes->items + 2 * (size_t)routes->users++;
    item[0] = user;
    item[1] = set;
}

struct value presence_routes_answer(const struct presence_routes *routes)
{
    return routes->users ? value_container(VALUE_DICT, routes->items, routes->users)
                         : (struct value){.kind = VALUE_PASS};
}
