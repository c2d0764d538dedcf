/* Actions beyond a verdict: data for bots, which carry them out (filters/actions.def). The engine itself does nothing
 * of the kind.
 *
 * They come from the configuration (`actions:` of a module), or from a module that knows better (struct result). A set
 * is a number with a bit for each. */
#ifndef WEIR_FILTERS_ACTION_H
#define WEIR_FILTERS_ACTION_H

#include <stdint.h>

#include "base/slice.h"

enum action {
#define ACTION(name, needs, text) ACTION_##name,
#include "filters/actions.def"
#undef ACTION
    ACTION_COUNT,
    ACTION_UNKNOWN = ACTION_COUNT
};

#define ACTION_BIT(action) (1u << (action))

enum action_needs { ACTION_NEEDS_NOTHING, ACTION_NEEDS_EVENT, ACTION_NEEDS_MEMBER, ACTION_NEEDS_MEDIA };

struct action_definition {
    const char *name;
    enum action_needs needs;
    const char *text;
};

extern const struct action_definition action_definitions[ACTION_COUNT];
extern const char *const action_names[ACTION_COUNT + 1]; /* NULL-terminated */

/* ACTION_UNKNOWN if there is none of that name. */
enum action action_find(struct slice name);

#endif
