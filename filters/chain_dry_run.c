/* Putting a module of a chain that works into dry_run.
 *
 * Nearly all of it is one flag, which is looked at when a module has answered. But which modules are passed over when
 * an event is asked about for the second time depends on it, and a walk may be parked in the midst of those: so the
 * list of them is never changed, another one takes its place. There are as many lists as there are different ones. */
#include <stdlib.h>

#include "base/memory.h"
#include "filters/chain_walk.h"

bool chain_module_in_dry_run(const struct chain *chain, uint32_t index)
{
    return chain->modules[index].dry_run;
}

static bool same_links(const struct link_list *one, const struct link_list *other)
{
    if (one->count != other->count)
        return false;
    for (uint32_t number = 0; number < one->count; number++)
        if (one->links[number].module_index != other->links[number].module_index ||
            one->links[number].function != other->links[number].function)
            return false;
    return true;
}

/* Takes over `list`. */
static struct link_list *keep_list(struct chain *chain, struct link_list *list)
{
    for (struct link_list *known = chain->second_lists; known; known = known->next) {
        if (!same_links(known, list))
            continue;
        free(list);
        return known;
    }
    list->next = chain->second_lists;
    return chain->second_lists = list;
}

/* Of an event that check_event_allowed let pass. In dry_run what a module says to either is told; and who looks at tags
 * may find others there. */
void chain_set_second(struct chain *chain)
{
    uint64_t tags = chain_tags_so_far(chain);
    uint32_t count = chain->link_counts[CALLBACK_check_event_for_spam];
    const struct link *links = chain->links[CALLBACK_check_event_for_spam];
    struct link_list *list = memory_allocate_zeroed(1, sizeof *list + count * sizeof *links);
    for (uint32_t number = 0; number < count; number++) {
        const struct chain_module *module = &chain->modules[links[number].module_index];
        const struct link *first = chain_find_link(chain, CALLBACK_check_event_allowed, links[number].module_index);
        if (!module->answers_alike || module->dry_run || module->tags_read & tags || !first ||
            first->function != links[number].function)
            list->links[list->count++] = links[number];
    }
    chain->second = keep_list(chain, list);
}

/* Whether a module behind it knows one of its tags. Some leave out what cannot happen when they are made. */
static bool tags_are_read(const struct chain *chain, uint32_t index)
{
    for (uint32_t behind = index + 1; behind < chain->module_count; behind++)
        if (chain->modules[behind].tags_read & chain->modules[index].tags)
            return true;
    return false;
}

bool chain_set_dry_run(struct chain *chain, uint32_t index, bool dry_run, struct buffer *problem)
{
    struct chain_module *module = &chain->modules[index];
    if (!dry_run && module->options.dry_run && tags_are_read(chain, index)) {
        buffer_append_string(problem,
                             "it was in dry_run when the modules behind it were made, which go by the tags that "
                             "it sets: take `dry_run` out of the configuration and reload");
        return false;
    }
    module->dry_run = dry_run;
    chain_set_second(chain);
    return true;
}
