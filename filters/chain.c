/* For each callback the chain holds an array of (function, state) in the order of the configuration. A walk is a loop
 * over that array with the callback's rule, and nothing else: a module that looks at nothing costs one indirect call.
 */
#include "filters/chain.h"

#include <stdlib.h>

#include "base/memory.h"
#include "filters/chain_rules.h"

struct link {
    callback_function *function;
    void *state;
    uint32_t module_index;
    bool needs_body;
};

struct chain_module {
    const struct module_definition *definition;
    void *configuration;
    void *state;
};

struct chain {
    struct chain_module *modules;
    uint32_t module_count;
    struct link *links[CALLBACK_COUNT];
    uint32_t link_counts[CALLBACK_COUNT];
    struct field_table *fields;
    bool needs_body;
};

static chain_rule *const rules[CALLBACK_COUNT] = {
#define CALLBACK(name, family, rule, pass, on_raise) [CALLBACK_##name] = chain_rule_##rule,
#include "filters/callbacks.def"
#undef CALLBACK
};

struct chain *chain_create(void)
{
    struct chain *chain = memory_allocate_zeroed(1, sizeof *chain);
    chain->fields = field_table_create();
    return chain;
}

static void free_module(struct chain_module *module)
{
    if (module->state)
        module->definition->destroy(module->state);
    parameters_free(module->definition->parameters, module->definition->parameter_count, module->configuration);
    free(module->configuration);
}

void chain_destroy(struct chain *chain)
{
    if (!chain)
        return;
    for (uint32_t index = 0; index < chain->module_count; index++)
        free_module(&chain->modules[index]);
    for (int callback = 0; callback < CALLBACK_COUNT; callback++)
        free(chain->links[callback]);
    free(chain->modules);
    field_table_destroy(chain->fields);
    free(chain);
}

bool chain_append(struct chain *chain, const struct module_definition *definition, const json_t *config,
                  const struct module_host *host)
{
    struct chain_module module = {.definition = definition};
    module.configuration = memory_allocate_zeroed(1, definition->configuration_size);
    const struct parameter *table = definition->parameters;
    bool names_known = parameters_check_names(table, definition->parameter_count, config, host);
    if (parameters_decode(table, definition->parameter_count, config, module.configuration, host)) {
        /* Also with unknown names: what create finds wrong should be said in the same run. */
        struct module_setup setup = {.host = host, .fields = chain->fields, .configuration = module.configuration};
        module.state = definition->create(&setup);
    }
    if (!names_known || !module.state) {
        free_module(&module);
        return false;
    }
    chain->modules = memory_reallocate(chain->modules, (chain->module_count + 1) * sizeof *chain->modules);
    chain->modules[chain->module_count++] = module;
    chain->needs_body = chain->needs_body || definition->needs_body;
    return true;
}

void chain_seal(struct chain *chain)
{
    for (uint32_t index = 0; index < chain->module_count; index++) {
        const struct chain_module *module = &chain->modules[index];
        for (size_t number = 0; number < module->definition->callback_count; number++) {
            const struct module_callback *registered = &module->definition->callbacks[number];
            enum callback callback = registered->callback;
            uint32_t count = chain->link_counts[callback]++;
            chain->links[callback] =
                memory_reallocate(chain->links[callback], (count + 1) * sizeof *chain->links[callback]);
            chain->links[callback][count] = (struct link){.function = registered->function,
                                                          .state = module->state,
                                                          .module_index = index,
                                                          .needs_body = module->definition->needs_body};
        }
    }
}

uint32_t chain_module_count(const struct chain *chain)
{
    return chain->module_count;
}

const struct module_definition *chain_module(const struct chain *chain, uint32_t index)
{
    return chain->modules[index].definition;
}

bool chain_needs_body(const struct chain *chain)
{
    return chain->needs_body;
}

const struct field_table *chain_fields(const struct chain *chain)
{
    return chain->fields;
}

uint32_t chain_callback_modules(const struct chain *chain, enum callback callback, uint32_t *indices)
{
    for (uint32_t number = 0; number < chain->link_counts[callback]; number++)
        indices[number] = chain->links[callback][number].module_index;
    return chain->link_counts[callback];
}

void chain_run(const struct chain *chain, enum callback callback, const struct callback_arguments *arguments,
               struct outcome *outcome)
{
    uint32_t count = chain->link_counts[callback];
    chain_rule *rule = rules[callback];
    bool has_body = !arguments->event || arguments->event->has_body;
    outcome->callback = callback;
    for (uint32_t place = 0; place < count; place++) {
        const struct link *link = &chain->links[callback][place];
        if (link->needs_body && !has_body)
            continue;
        outcome->result = (struct result){0};
        link->function(link->state, arguments, &outcome->result);
        if (rule(&outcome->result)) {
            outcome->passed = false;
            outcome->module = chain->modules[link->module_index].definition->name;
            outcome->module_index = link->module_index;
            return;
        }
    }
    outcome->passed = true;
    outcome->result = (struct result){.kind = callback_definitions[callback].pass, .boolean = true};
    outcome->module = NULL;
    outcome->module_index = 0;
}

void chain_judge(const struct chain *chain, const struct event *event, struct outcome *outcome)
{
    struct callback_arguments arguments = {.event = event};
    chain_run(chain, CALLBACK_check_event_allowed, &arguments, outcome);
    if (outcome->passed)
        chain_run(chain, CALLBACK_check_event_for_spam, &arguments, outcome);
}
