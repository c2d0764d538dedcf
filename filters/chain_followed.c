/* Few modules follow rooms, and state changes seldom: the rooms are compared one by one. */
#include "filters/chain_followed.h"

#include "filters/chain_walk.h"

static const char *const *rooms_of(const struct chain_module *module, uint32_t *count)
{
    *count = 0;
    return module->definition->followed_rooms ? module->definition->followed_rooms(module->state, count) : NULL;
}

bool chain_follows_rooms(const struct chain *chain)
{
    uint32_t count = 0;
    for (uint32_t index = 0; index < chain->module_count && !count; index++)
        (void)rooms_of(&chain->modules[index], &count);
    return count > 0;
}

void chain_followed_rooms(const struct chain *chain, chain_room_function *each, void *context)
{
    for (uint32_t index = 0; index < chain->module_count; index++) {
        uint32_t count;
        const char *const *rooms = rooms_of(&chain->modules[index], &count);
        for (uint32_t room = 0; room < count; room++)
            each(context, slice_from_string(rooms[room]), chain->modules[index].handed_over,
                 chain->modules[index].definition->follows_members);
    }
}

void chain_state_event(struct chain *chain, const struct event *event, int64_t ordering)
{
    bool member = slice_equal(event->type, SLICE("m.room.member"));
    for (uint32_t index = 0; index < chain->module_count; index++) {
        const struct chain_module *module = &chain->modules[index];
        uint32_t count, room = 0;
        const char *const *rooms = rooms_of(module, &count);
        while (room < count && !slice_equal(slice_from_string(rooms[room]), event->room_id))
            room++;
        if (room < count && (!member || module->definition->follows_members))
            module->definition->state_event(module->state, event, ordering);
    }
}
