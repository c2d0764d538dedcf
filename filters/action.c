/* The tables that actions.def makes. */
#include "filters/action.h"

const struct action_definition action_definitions[ACTION_COUNT] = {
#define ACTION(name, needs, text) [ACTION_##name] = {#name, ACTION_NEEDS_##needs, text},
#include "filters/actions.def"
#undef ACTION
};

const char *const action_names[ACTION_COUNT + 1] = {
#define ACTION(name, needs, text) [ACTION_##name] = #name,
#include "filters/actions.def"
#undef ACTION
};

enum action action_find(struct slice name)
{
    for (int action = 0; action < ACTION_COUNT; action++)
        if (slice_equal(name, slice_from_string(action_names[action])))
            return (enum action)action;
    return ACTION_UNKNOWN;
}
