/* The chain around a nested module has no options and nothing before or behind it; its walk is the shortest there is.
 */
#include "filters/nested_modules.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/parts.h"
#include "filters/chain_followed.h"
#include "filters/chain_state.h"
#include "filters/chain_walk.h"
#include "filters/map_host.h"

/* ---- making */

static const struct module_definition *find(const struct module_host *host, const char *name)
{
    const struct module_definition *definition = module_find(name);
    if (definition)
        return definition;
    size_t count = 0;
    while (module_registry[count])
        count++;
    const char **names = memory_allocate_zeroed(count + 1, sizeof *names);
    for (size_t index = 0; index < count; index++)
        names[index] = module_registry[index]->name;
    const char *nearest = nearest_word(name, names);
    if (nearest)
        module_host_report(host, "module", "there is no module `%s`; did you mean `%s`?", name, nearest);
    else
        module_host_report(host, "module", "there is no module `%s`", name);
    free(names);
    return NULL;
}

/* Why no module of that kind may be nested, however it is configured; NULL: it may. */
static const char *why_not(const struct module_definition *definition)
{
    if (definition->decided)
        return "learns from what other modules decide, and must stand in the list of modules itself";
    if (definition->sets_tags)
        return "only tells other modules something, and must stand in the list of modules itself";
    if (definition->replaces)
        return "never refuses anything, it only replaces";
    return NULL;
}

static void report_conflict(void *context, const struct chain_conflict *conflict)
{
    const struct module_host *host = context;
    if (conflict->fatal)
        module_host_report(host, "config", "%s", conflict->text);
    else
        module_host_warn(host, "config", "%s", conflict->text);
}

static void note_callbacks(struct nested_module *module)
{
    for (int callback = 0; callback < CALLBACK_COUNT; callback++)
        module->callbacks[callback] = chain_callback_modules(module->chain, (enum callback)callback, NULL, 0) > 0;
}

static bool make(struct nested_module *module, const struct module_setup *setup, const struct module_host *host,
                 const json_t *config)
{
    struct map_host place;
    uint32_t ignored;
    const struct module_host *inner = map_host_open(&place, host, "config", MAP_HOST_ALONE);
    module->chain = chain_create_inside(setup);
    if (!module->chain) {
        module_host_report(host, "module", "modules may lie at most %d deep in each other", CHAIN_DEPTH_MAXIMUM);
        return false;
    }
    if (!chain_append(module->chain, module->definition, config, NULL, inner) ||
        !chain_seal(module->chain, report_conflict, (void *)(uintptr_t)host))
        return false;
    const char *problem = NULL;
    if (module->chain->modules[0].waits)
        problem = "waits for somebody outside, which a module inside of another cannot";
    else if (chain_resource_at(module->chain, 0, &ignored))
        problem = "serves pages, and must stand in the list of modules itself";
    if (problem)
        module_host_report(host, "module", "`%s` %s", module->definition->name, problem);
    note_callbacks(module);
    return !problem;
}

/* What holds for one of them holds for whoever asks it. Alone in its chain, the module is the first. */
static void take_needs(const struct chain *chain, const struct module_setup *setup)
{
    uint32_t ignored;
    *setup->needs_body = *setup->needs_body || chain_needs_body(chain);
    *setup->uses_body = *setup->uses_body || chain_uses_body(chain);
    *setup->reads_state = *setup->reads_state || chain_module_reads_state(chain, 0);
    *setup->reads_time = *setup->reads_time || chain_reads_time(chain);
    *setup->concurrent = *setup->concurrent && chain_concurrent(chain, &ignored);
    chain_reads_tags_of(setup, chain);
    /* Of two callbacks, what one of them does not ask is known in one answer only. */
    bool both = (chain->link_counts[CALLBACK_check_event_allowed] > 0) ==
                (chain->link_counts[CALLBACK_check_event_for_spam] > 0);
    *setup->answers_alike = *setup->answers_alike && both && chain->second->count == 0;
}

static bool keeps_state(const struct nested_module *module)
{
    return module->definition->save && module->definition->restore;
}

static void *state_of(const struct nested_module *module)
{
    return module->chain->modules[0].state;
}

static void take_followed_rooms(struct nested_modules *modules, const struct nested_module *module)
{
    uint32_t count = 0;
    if (!module->definition->followed_rooms)
        return;
    const char *const *rooms = module->definition->followed_rooms(state_of(module), &count);
    modules->followed_rooms = memory_reallocate(modules->followed_rooms, (modules->followed_count + count + 1) *
                                                                             sizeof *modules->followed_rooms);
    for (uint32_t index = 0; index < count; index++)
        modules->followed_rooms[modules->followed_count++] = rooms[index];
}

bool nested_modules_add(struct nested_modules *modules, const struct module_setup *setup,
                        const struct module_host *host, const char *name, const json_t *config)
{
    struct nested_module module = {.definition = find(host, name)};
    const char *problem = module.definition ? why_not(module.definition) : NULL;
    if (problem)
        module_host_report(host, "module", "`%s` %s", name, problem);
    if (!module.definition || problem)
        return false;
    if (!make(&module, setup, host, config)) {
        chain_destroy(module.chain);
        return false;
    }
    module.remembers = !module.chain->modules[0].concurrent;
    take_needs(module.chain, setup);
    take_followed_rooms(modules, &module);
    modules->items = memory_reallocate(modules->items, (modules->count + 1) * sizeof *modules->items);
    modules->items[modules->count++] = module;
    return true;
}

void nested_modules_free(struct nested_modules *modules)
{
    for (uint32_t index = 0; index < modules->count; index++)
        chain_destroy(modules->items[index].chain);
    free(modules->items);
    free(modules->followed_rooms);
    *modules = (struct nested_modules){0};
}

/* ---- asking */

enum nested_answer nested_modules_ask(const struct nested_modules *modules, uint32_t index, enum callback callback,
                                      struct walk *walk)
{
    const struct nested_module *module = &modules->items[index];
    if (!module->callbacks[callback])
        return NESTED_UNASKED;
    (void)walk_start_inside(walk, module->chain, callback);
    switch (walk->outcome.kind) {
    case OUTCOME_DENIED:
        return NESTED_REFUSED;
    case OUTCOME_FAILED:
        return NESTED_FAILED;
    case OUTCOME_PASSED:
    case OUTCOME_CHANGED:
        break;
    }
    return NESTED_PASSED;
}

/* ---- what the chain asks of a module that remembers or follows rooms */

void nested_modules_save(const struct nested_modules *modules, struct buffer *output)
{
    for (uint32_t index = 0; index < modules->count; index++) {
        const struct nested_module *module = &modules->items[index];
        if (!keeps_state(module))
            continue;
        size_t start = parts_begin(output);
        module->definition->save(state_of(module), output);
        parts_end(output, start);
    }
}

bool nested_modules_restore(const struct nested_modules *modules, struct slice saved)
{
    bool good = true;
    for (uint32_t index = 0; index < modules->count; index++) {
        const struct nested_module *module = &modules->items[index];
        if (!keeps_state(module))
            continue;
        struct slice part = parts_take(&saved);
        good = good && part.data && module->definition->restore(state_of(module), part);
    }
    if (good && saved.length == 0)
        return true;
    for (uint32_t index = 0; index < modules->count; index++) {
        const struct nested_module *module = &modules->items[index];
        if (keeps_state(module))
            (void)module->definition->restore(state_of(module), SLICE(""));
    }
    return false;
}

void nested_modules_take_over(const struct nested_modules *modules, const struct nested_modules *from)
{
    struct chain_state_counts counts;
    for (uint32_t index = 0; index < modules->count && index < from->count; index++)
        chain_state_hand_over(from->items[index].chain, modules->items[index].chain, &counts);
}

void nested_modules_state_event(const struct nested_modules *modules, const struct event *event, int64_t ordering)
{
    for (uint32_t index = 0; index < modules->count; index++)
        chain_state_event(modules->items[index].chain, event, ordering);
}
