/* The module is the bench's own and in no registry, so that nothing is measured but the chain. */
#include "bench/pass_chain.h"

#include <stdlib.h>

#include "base/memory.h"
#include "bench/figure.h"
#include "filters/module.h"

void pass_event(void *state, const struct callback_arguments *arguments, struct result *result)
{
    (void)state, (void)arguments;
    result->value.kind = VALUE_PASS;
}

static void *create(const struct module_setup *setup)
{
    (void)setup;
    return memory_allocate_zeroed(1, 1);
}

static void on_report(void *context, const char *path, const char *message)
{
    (void)context;
    bench_fail("%s: %s", path, message);
}

struct chain *pass_chain(unsigned modules, unsigned dry)
{
    static const struct module_callback callbacks[] = {
        {.callback = CALLBACK_check_event_for_spam, .function = pass_event}};
    static const struct module_definition definition = {
        .name = "pass", .callbacks = callbacks, .callback_count = 1, .create = create, .destroy = free};
    static const struct module_host host = {.report = on_report};
    struct chain *chain = chain_create(&(struct chain_settings){.server_name = "bench.example"});
    for (unsigned index = 0; index < modules; index++) {
        struct module_options options = {.dry_run = index < dry};
        if (!chain_append(chain, &definition, NULL, &options, &host))
            bench_fail("a module could not be appended");
    }
    if (!chain_seal(chain, NULL, NULL))
        bench_fail("the chain has a conflict");
    return chain;
}
