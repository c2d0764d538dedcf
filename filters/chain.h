/* The ordered chain of modules, and how their answers combine: exactly as in Synapse (callbacks.md, section 2).
 *
 * A chain is built once from the configuration's list of modules and then judges events without allocating. It is used
 * by one thread at a time. */
#ifndef WEIR_FILTERS_CHAIN_H
#define WEIR_FILTERS_CHAIN_H

#include "filters/callback.h"
#include "filters/module.h"

struct chain;

/* What a walk over the modules came to. */
struct outcome {
    bool passed;            /* every module passed: `result` is the callback's pass value */
    struct result result;   /* the chain's value */
    enum callback callback; /* the callback that decided; the last one asked if all passed */
    const char *module;     /* name of the module that decided; NULL if all passed */
    uint32_t module_index;  /* its place in the chain */
};

struct chain *chain_create(void);
void chain_destroy(struct chain *chain);

/* Appends a module with its `config` (may be NULL). The order of calls is the order of the chain. False if the
 * configuration is bad; every reason has been reported to `host`. */
bool chain_append(struct chain *chain, const struct module_definition *definition, const json_t *config,
                  const struct module_host *host);

/* Ends the building; afterwards the chain can judge. */
void chain_seal(struct chain *chain);

uint32_t chain_module_count(const struct chain *chain);
const struct module_definition *chain_module(const struct chain *chain, uint32_t index);
/* Whether any module needs the event's body. */
bool chain_needs_body(const struct chain *chain);
/* The keys of `content` that the modules read; for event_reader_create. */
const struct field_table *chain_fields(const struct chain *chain);
/* The modules that registered `callback`, in order: their indices in `indices` (room for chain_module_count of them);
 * returns how many. */
uint32_t chain_callback_modules(const struct chain *chain, enum callback callback, uint32_t *indices);

/* One callback asked of every module that registered it, combined by its rule. A module that needs the body is passed
 * over when the event has none. */
void chain_run(const struct chain *chain, enum callback callback, const struct callback_arguments *arguments,
               struct outcome *outcome);

/* The whole judgement of an observed event: check_event_allowed, then, if that lets it pass, check_event_for_spam. */
void chain_judge(const struct chain *chain, const struct event *event, struct outcome *outcome);

#endif
