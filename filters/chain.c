/* Building a chain: modules with their parameters, and for each callback an array of links in the order of the
 * configuration. What Synapse finds at its start, and how it then behaves, is checked once all modules are there. */
#include "filters/chain.h"

#include <stdlib.h>
#include <xxhash.h>

#include "base/memory.h"
#include "filters/chain_conflicts.h"
#include "filters/chain_walk.h"

/* What a module's create registers beside its table. */
struct registrar {
    struct module_callback *callbacks;
    uint32_t callback_count;
    struct web_resource *resources;
    uint32_t resource_count;
    struct chain *chain;
    uint64_t tags; /* that it has asked for */
};

struct chain *chain_create(const struct chain_settings *settings)
{
    struct chain *chain = memory_allocate_zeroed(1, sizeof *chain);
    const char *name = settings->server_name ? settings->server_name : "";
    chain->settings = *settings;
    chain->server_name = memory_copy_text(name, strlen(name));
    chain->settings.server_name = chain->server_name;
    chain->fields = field_table_create();
    return chain;
}

struct chain *chain_create_inside(const struct module_setup *setup)
{
    struct chain *outer = setup->registrar->chain;
    unsigned depth = 1;
    for (const struct chain *around = outer; around->outer; around = around->outer)
        depth++;
    if (depth > CHAIN_DEPTH_MAXIMUM)
        return NULL;
    struct chain *chain = memory_allocate_zeroed(1, sizeof *chain);
    chain->outer = outer;
    chain->settings = outer->settings;
    chain->server_name = memory_copy_text(outer->server_name, strlen(outer->server_name));
    chain->settings.server_name = chain->server_name;
    chain->fields = outer->fields;
    return chain;
}

void module_options_free(struct module_options *options)
{
    selector_destroy(options->selector);
    json_decref(options->error_fields);
    free(options->reason);
    *options = (struct module_options){0};
}

static void free_module(struct chain_module *module)
{
    if (module->state)
        module->definition->destroy(module->state);
    parameters_free(module->definition->parameters, module->definition->parameter_count, module->configuration);
    module_options_free(&module->options);
    free(module->configuration);
    free(module->callbacks);
}

void chain_destroy(struct chain *chain)
{
    if (!chain)
        return;
    for (uint32_t index = 0; index < chain->module_count; index++)
        free_module(&chain->modules[index]);
    for (int callback = 0; callback < CALLBACK_COUNT; callback++)
        free(chain->links[callback]);
    while (chain->second_lists) {
        struct link_list *list = chain->second_lists;
        chain->second_lists = list->next;
        free(list);
    }
    free(chain->modules);
    free(chain->resources);
    free(chain->server_name);
    tag_names_free(&chain->tags);
    if (!chain->outer)
        field_table_destroy(chain->fields);
    free(chain);
}

void module_register(const struct module_setup *setup, const struct module_callback *row)
{
    struct registrar *registrar = setup->registrar;
    if (row->where_known && !callback_definitions[row->callback].rules[setup->semantics])
        return;
    registrar->callbacks =
        memory_reallocate(registrar->callbacks, (registrar->callback_count + 1) * sizeof *registrar->callbacks);
    registrar->callbacks[registrar->callback_count++] = *row;
}

uint64_t module_tag(const struct module_setup *setup, const char *name, const char *key)
{
    struct chain *chain = setup->registrar->chain;
    while (chain->outer)
        chain = chain->outer;
    uint64_t bit = tag_names_bit(&chain->tags, name);
    if (!bit)
        module_host_report(setup->host, key, "a chain has at most %u tags", TAGS_MAXIMUM);
    setup->registrar->tags |= bit;
    return bit;
}

void chain_reads_tags_of(const struct module_setup *setup, const struct chain *inner)
{
    for (uint32_t index = 0; index < inner->module_count; index++)
        setup->registrar->tags |= inner->modules[index].tags_read;
}

uint64_t chain_tags_so_far(const struct chain *chain)
{
    uint64_t tags = 0;
    for (; chain; chain = chain->outer)
        for (uint32_t index = 0; index < chain->module_count; index++)
            tags |= chain->modules[index].dry_run ? 0 : chain->modules[index].tags;
    return tags;
}

bool module_tag_is_set(const struct module_setup *setup, uint64_t tags)
{
    return chain_tags_so_far(setup->registrar->chain) & tags;
}

void module_register_resource(const struct module_setup *setup, const struct web_resource *resource)
{
    struct registrar *registrar = setup->registrar;
    registrar->resources =
        memory_reallocate(registrar->resources, (registrar->resource_count + 1) * sizeof *registrar->resources);
    registrar->resources[registrar->resource_count++] = *resource;
}

static void keep_resources(struct chain *chain, struct registrar *registrar, uint32_t module_index)
{
    for (uint32_t index = 0; index < registrar->resource_count; index++) {
        chain->resources = memory_reallocate(chain->resources, (chain->resource_count + 1) * sizeof *chain->resources);
        chain->resources[chain->resource_count++] =
            (struct chain_resource){.resource = registrar->resources[index], .module_index = module_index};
    }
    free(registrar->resources);
}

/* Whether it is asked about what is observed and replayed, which are events and presence. */
static bool is_observed(const struct chain_module *module)
{
    bool observed = false;
    for (uint32_t index = 0; index < module->callback_count; index++) {
        const struct callback_definition *definition = &callback_definitions[module->callbacks[index].callback];
        observed =
            observed || definition->arguments[0].type == ARGUMENT_EVENT || definition->family == FAMILY_PRESENCE_ROUTER;
    }
    return observed;
}

static uint64_t hash_of_config(const json_t *config)
{
    char *text = config ? json_dumps(config, JSON_SORT_KEYS | JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    uint64_t hash = XXH3_64bits(text ? text : "", text ? strlen(text) : 0);
    free(text);
    return hash;
}

bool chain_append(struct chain *chain, const struct module_definition *definition, const json_t *config,
                  const struct module_options *options, const struct module_host *host)
{
    struct chain_module module = {.definition = definition,
                                  .needs_body = definition->needs_body,
                                  .uses_body = definition->uses_body,
                                  .reads_state = definition->reads_state,
                                  .concurrent = definition->concurrent,
                                  .answers_alike = definition->answers_alike,
                                  .reads_time = definition->reads_time,
                                  .waits = definition->answer != NULL,
                                  .config_hash = definition->save ? hash_of_config(config) : 0};
    if (options)
        module.options = *options;
    module.dry_run = module.options.dry_run;
    module.configuration = memory_allocate_zeroed(1, definition->configuration_size);
    const struct parameter *table = definition->parameters;
    struct registrar registrar = {.chain = chain};
    bool names_known = parameters_check_names(table, definition->parameter_count, config, host);
    if (parameters_decode(table, definition->parameter_count, config, module.configuration, host)) {
        /* Also with unknown names: what create finds wrong should be said in the same run. */
        struct module_setup setup = {.host = host,
                                     .fields = chain->fields,
                                     .configuration = module.configuration,
                                     .server_name = chain->server_name,
                                     .semantics = chain->settings.semantics,
                                     .needs_body = &module.needs_body,
                                     .uses_body = &module.uses_body,
                                     .reads_state = &module.reads_state,
                                     .concurrent = &module.concurrent,
                                     .answers_alike = &module.answers_alike,
                                     .reads_time = &module.reads_time,
                                     .waits = &module.waits,
                                     .registrar = &registrar};
        for (size_t index = 0; index < definition->callback_count; index++)
            module_register(&setup, &definition->callbacks[index]);
        module.state = definition->create(&setup);
    }
    module.callbacks = registrar.callbacks;
    module.callback_count = registrar.callback_count;
    bool selects = !module.options.selector || selector_find_tags(module.options.selector, &chain->tags, host);
    if (!names_known || !module.state || !selects) {
        free(registrar.resources);
        free_module(&module);
        return false;
    }
    module.tags = definition->sets_tags ? registrar.tags : 0;
    module.tags_read = registrar.tags | (module.options.selector ? selector_tags(module.options.selector) : 0);
    keep_resources(chain, &registrar, chain->module_count);
    chain->modules = memory_reallocate(chain->modules, (chain->module_count + 1) * sizeof *chain->modules);
    chain->modules[chain->module_count++] = module;
    chain->reads_time = chain->reads_time || (module.reads_time && is_observed(&module));
    chain->has_learners = chain->has_learners || definition->decided;
    chain->needs_body = chain->needs_body || module.needs_body;
    chain->uses_body = chain->uses_body || module.needs_body || module.uses_body;
    return true;
}

/* How many arguments the function is called with: Synapse looks at its arity where it has a choice (callbacks.md,
 * section 2.1), and an old registration check of three parameters is wrapped (section 4). */
static void set_arity(const struct chain *chain, struct link *link)
{
    const struct callback_definition *definition = &callback_definitions[link->registered.callback];
    bool old = chain->settings.semantics == SEMANTICS_147;
    uint32_t passed = old ? definition->arguments_147 : definition->argument_count;
    uint32_t takes = link->registered.parameter_count;
    if (!old && definition->arguments_least < definition->argument_count && takes &&
        takes != definition->argument_count)
        passed = definition->arguments_least;
    if (link->registered.legacy && takes && takes < passed)
        passed = takes;
    link->parameter_count = (uint8_t)passed;
    link->bad_arity = takes && takes != passed;
}

/* Whether nothing stands between the chain and the function. (What dry_run does comes behind the answer.) */
static bool is_plain(const struct chain *chain, const struct link *link)
{
    const struct chain_module *module = &chain->modules[link->module_index];
    const struct callback_definition *definition = &callback_definitions[link->registered.callback];
    bool copies = false;
    for (uint32_t index = 0; index < definition->argument_count; index++)
        copies = copies || definition->arguments[index].type == ARGUMENT_COPY;
    return !copies && !module->definition->sets_tags && !link->registered.legacy && !link->registered.synchronous &&
           !link->bad_arity && link->parameter_count == definition->argument_count && !module->options.selector &&
           link->registered.callback != CALLBACK_auth_checkers &&
           !(chain->settings.semantics == SEMANTICS_147 && link->registered.callback == CALLBACK_on_logged_out);
}

static void add_link(struct chain *chain, uint32_t module_index, const struct module_callback *registered)
{
    const struct chain_module *module = &chain->modules[module_index];
    enum callback callback = registered->callback;
    uint32_t count = chain->link_counts[callback]++;
    chain->links[callback] = memory_reallocate(chain->links[callback], (count + 1) * sizeof *chain->links[callback]);
    struct link *link = &chain->links[callback][count];
    *link = (struct link){.function = registered->function,
                          .state = module->state,
                          .module_index = module_index,
                          .needs_body = module->needs_body,
                          .registered = *registered};
    if (module->options.legacy)
        link->registered.legacy = true;
    set_arity(chain, link);
    link->plain = is_plain(chain, link);
}

/* `then` chains are one step long, so that two passes see all. */
static void look_who_waits(struct chain *chain)
{
    for (int callback = 0; callback < CALLBACK_COUNT; callback++)
        for (uint32_t number = 0; number < chain->link_counts[callback]; number++)
            if (chain->modules[chain->links[callback][number].module_index].waits)
                chain->may_wait[callback] = true;
    for (int callback = 0; callback < CALLBACK_COUNT; callback++) {
        enum callback then = callback_definitions[callback].then;
        if (then != CALLBACK_UNKNOWN && chain->may_wait[then])
            chain->may_wait[callback] = true;
    }
}

const struct link *chain_find_link(const struct chain *chain, enum callback callback, uint32_t module_index)
{
    for (uint32_t number = 0; number < chain->link_counts[callback]; number++)
        if (chain->links[callback][number].module_index == module_index)
            return &chain->links[callback][number];
    return NULL;
}

bool chain_seal(struct chain *chain, chain_conflict_function *report, void *context)
{
    bool good = chain_find_conflicts(chain, report, context);
    for (uint32_t index = 0; index < chain->module_count; index++) {
        const struct chain_module *module = &chain->modules[index];
        for (uint32_t number = 0; number < module->callback_count; number++) {
            const struct module_callback *registered = &module->callbacks[number];
            if (callback_definitions[registered->callback].rules[chain->settings.semantics] &&
                chain_registration_counts(chain, index, registered))
                add_link(chain, index, registered);
        }
    }
    look_who_waits(chain);
    chain_set_second(chain);
    return good;
}

bool chain_module_answers(const struct chain *chain, uint32_t index, enum callback callback)
{
    return chain_find_link(chain, callback, index) != NULL;
}

enum semantics chain_semantics(const struct chain *chain)
{
    return chain->settings.semantics;
}

const char *chain_server_name(const struct chain *chain)
{
    return chain->server_name;
}

uint32_t chain_module_count(const struct chain *chain)
{
    return chain->module_count;
}

const struct module_definition *chain_module(const struct chain *chain, uint32_t index)
{
    return chain->modules[index].definition;
}

const struct module_options *chain_module_options(const struct chain *chain, uint32_t index)
{
    return &chain->modules[index].options;
}

bool chain_module_needs_body(const struct chain *chain, uint32_t index)
{
    return chain->modules[index].needs_body;
}

bool chain_module_reads_state(const struct chain *chain, uint32_t index)
{
    return chain->modules[index].reads_state;
}

const char *chain_tag_name(const struct chain *chain, unsigned bit)
{
    return tag_names_at(&chain->tags, bit);
}

const char *chain_module_reads_text(const struct chain *chain, uint32_t index)
{
    return body_use_text(chain->modules[index].needs_body, chain->modules[index].uses_body);
}

bool chain_needs_body(const struct chain *chain)
{
    return chain->needs_body;
}

bool chain_concurrent(const struct chain *chain, uint32_t *module_index)
{
    for (uint32_t index = 0; index < chain->module_count; index++) {
        const struct chain_module *module = &chain->modules[index];
        if ((module->concurrent && !module->reads_time) || !is_observed(module))
            continue;
        *module_index = index;
        return false;
    }
    return true;
}

bool chain_reads_time(const struct chain *chain)
{
    return chain->reads_time;
}

bool chain_uses_body(const struct chain *chain)
{
    return chain->uses_body;
}

const struct field_table *chain_fields(const struct chain *chain)
{
    return chain->fields;
}

uint32_t chain_callback_modules(const struct chain *chain, enum callback callback, uint32_t *indices, uint32_t room)
{
    for (uint32_t number = 0; number < chain->link_counts[callback] && number < room; number++)
        indices[number] = chain->links[callback][number].module_index;
    return chain->link_counts[callback];
}

bool chain_may_wait(const struct chain *chain, enum callback callback)
{
    return chain->may_wait[callback];
}

const struct web_resource *chain_resource(const struct chain *chain, struct slice path, void **state)
{
    for (uint32_t index = 0; index < chain->resource_count; index++) {
        const struct chain_resource *resource = &chain->resources[index];
        if (resource->hidden || !slice_equal(path, slice_from_string(resource->resource.path)))
            continue;
        *state = chain->modules[resource->module_index].state;
        return &resource->resource;
    }
    return NULL;
}

const struct web_resource *chain_resource_at(const struct chain *chain, uint32_t index, uint32_t *module_index)
{
    if (index >= chain->resource_count)
        return NULL;
    *module_index = chain->resources[index].module_index;
    return &chain->resources[index].resource;
}

struct module_counts chain_module_counts(const struct chain *chain, uint32_t index)
{
    return chain->modules[index].counts;
}

void chain_set_module_counts(struct chain *chain, uint32_t index, const struct module_counts *counts)
{
    chain->modules[index].counts = *counts;
}

void chain_count_denied_question(struct chain *chain, uint32_t index)
{
    chain->modules[index].counts.denied_questions++;
}

void chain_module_figures(const struct chain *chain, uint32_t index, module_figure_function *figure, void *context)
{
    const struct chain_module *module = &chain->modules[index];
    if (module->definition->figures)
        module->definition->figures(module->state, figure, context);
}

void chain_trace(struct chain *chain, chain_trace_function *trace, void *context)
{
    chain->trace = trace;
    chain->trace_context = context;
    chain->watched = trace || chain->sample.stands_for;
}

struct chain_dry_run chain_on_dry_run(struct chain *chain, chain_dry_run_function *report, void *context)
{
    struct chain_dry_run before = chain->dry_runs[lane_number];
    chain->dry_runs[lane_number] = (struct chain_dry_run){report, context};
    return before;
}
