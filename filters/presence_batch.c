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
