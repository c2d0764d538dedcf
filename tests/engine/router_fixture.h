/* A presence router made for tests: every state goes to the users in `to`, and everybody is interested in them. Of the
 * users in `slow` it has to ask somebody first, under tickets that count up from 1; of those in `broken` it fails. */
#ifndef WEIR_TESTS_ROUTER_FIXTURE_H
#define WEIR_TESTS_ROUTER_FIXTURE_H

#include <criterion/criterion.h>
#include <stddef.h>

#include "filters/chain.h"

struct router_configuration {
    struct text_list to;
    struct text_list slow;
    struct text_list broken;
};

static uint64_t router_fixture_tickets;
static unsigned router_fixture_asked;

static inline bool router_fixture_lists(const struct text_list *list, struct slice user_id)
{
    for (size_t index = 0; index < list->count; index++)
        if (slice_equal(slice_from_string(list->items[index]), user_id))
            return true;
    return false;
}

static inline void router_fixture_route(void *state, const struct callback_arguments *arguments, struct result *result)
{
    const struct router_configuration *configuration = state;
    const struct value *updates = &arguments->values[0];
    router_fixture_asked++;
    for (uint32_t index = 0; index < updates->count; index++) {
        if (router_fixture_lists(&configuration->broken, updates->items[index].state->user_id)) {
            result->value = value_raise(arguments->arena, RAISED_OTHER, "broken");
            return;
        }
    }
    struct value *pairs = arena_allocate(arguments->arena, 2 * configuration->to.count * sizeof *pairs);
    for (size_t index = 0; index < configuration->to.count; index++) {
        pairs[2 * index] = value_text(slice_from_string(configuration->to.items[index]));
        pairs[2 * index + 1] = value_container(VALUE_SET, updates->items, updates->count);
    }
    result->value = value_container(VALUE_DICT, pairs, (uint32_t)configuration->to.count);
}

static inline struct value router_fixture_users(const struct router_configuration *configuration, struct arena *arena)
{
    struct value *users = arena_allocate(arena, configuration->to.count * sizeof *users);
    for (size_t index = 0; index < configuration->to.count; index++)
        users[index] = value_text(slice_from_string(configuration->to.items[index]));
    return value_container(VALUE_SET, users, (uint32_t)configuration->to.count);
}

static inline void router_fixture_interested(void *state, const struct callback_arguments *arguments,
                                             struct result *result)
{
    const struct router_configuration *configuration = state;
    router_fixture_asked++;
    if (router_fixture_lists(&configuration->broken, arguments->values[0].text))
        result->value = value_raise(arguments->arena, RAISED_OTHER, "broken");
    else if (router_fixture_lists(&configuration->slow, arguments->values[0].text))
        result->value = (struct value){.kind = VALUE_PENDING, .ticket = ++router_fixture_tickets};
    else
        result->value = router_fixture_users(configuration, arguments->arena);
}

static inline void router_fixture_answer(void *state, const struct callback_arguments *arguments,
                                         const struct service_answer *answer, struct result *result)
{
    if (answer->arrived)
        result->value = router_fixture_users(state, arguments->arena);
    else
        result->value = value_raise(arguments->arena, RAISED_OTHER, "nobody answered");
}

static inline void *router_fixture_create(const struct module_setup *setup)
{
    return setup->configuration;
}

static inline void router_fixture_destroy(void *state)
{
    (void)state;
}

static const struct parameter router_fixture_parameters[] = {
    {.name = "to", .type = PARAMETER_TEXT_LIST, .offset = offsetof(struct router_configuration, to)},
    {.name = "slow", .type = PARAMETER_TEXT_LIST, .offset = offsetof(struct router_configuration, slow)},
    {.name = "broken", .type = PARAMETER_TEXT_LIST, .offset = offsetof(struct router_configuration, broken)},
};
static const struct module_callback router_fixture_callbacks[] = {
    {.callback = CALLBACK_get_users_for_states, .function = router_fixture_route},
    {.callback = CALLBACK_get_interested_users, .function = router_fixture_interested},
};
static const struct module_definition router_fixture_module = {.name = "router",
                                                               .parameters = router_fixture_parameters,
                                                               .parameter_count = 3,
                                                               .configuration_size =
                                                                   sizeof(struct router_configuration),
                                                               .callbacks = router_fixture_callbacks,
                                                               .callback_count = 2,
                                                               .create = router_fixture_create,
                                                               .destroy = router_fixture_destroy,
                                                               .answer = router_fixture_answer};

static inline void router_fixture_report(void *context, const char *path, const char *message)
{
    (void)context;
    cr_assert_fail("%s: %s", path, message);
}

static const struct module_host router_fixture_host = {.report = router_fixture_report};

/* A chain with that router, configured by JSON, unless `config` is NULL; and a module of the registry behind it. */
static inline struct chain *router_fixture_chain(const char *config, const char *module, const char *module_config)
{
    struct chain *chain = chain_create(&(struct chain_settings){.server_name = "lab.test"});
    const struct {
        const struct module_definition *definition;
        const char *config;
    } modules[] = {{&router_fixture_module, config}, {module ? module_find(module) : NULL, module_config}};
    for (size_t index = 0; index < 2; index++) {
        json_t *object = modules[index].config ? json_loads(modules[index].config, 0, NULL) : NULL;
        if (object)
            cr_assert(chain_append(chain, modules[index].definition, object, NULL, &router_fixture_host));
        json_decref(object);
    }
    cr_assert(chain_seal(chain, NULL, NULL));
    return chain;
}

#endif
