/* Modules inside of a module: what `combine` asks. Each is made as the chain makes its own, and is asked by itself, in
 * a chain of one (chain_create_inside), so that an answer means what it would mean there.
 *
 * A module may not be nested that waits for somebody, that learns from what others decide, that sets tags, that serves
 * pages, or that never refuses anything. */
#ifndef WEIR_FILTERS_NESTED_MODULES_H
#define WEIR_FILTERS_NESTED_MODULES_H

#include "filters/chain.h"

#define NESTED_MODULES_MAXIMUM 64u

struct nested_module {
    const struct module_definition *definition;
    struct chain *chain;
    bool remembers;                 /* its callbacks change something: it must be asked about everything */
    bool callbacks[CALLBACK_COUNT]; /* those that it registered */
};

struct nested_modules {
    struct nested_module *items;
    uint32_t count;
    const char **followed_rooms; /* of all of them; one may be there twice */
    uint32_t followed_count;
};

/* Appends a module with its `config`, a map or NULL. `host` reports where the two stand, the latter as `config`; the
 * rest is as in `setup`, through which the outer module's needs grow. At most NESTED_MODULES_MAXIMUM. False, reported,
 * if it may not be nested or its configuration is bad. */
bool nested_modules_add(struct nested_modules *modules, const struct module_setup *setup,
                        const struct module_host *host, const char *name, const json_t *config);
void nested_modules_free(struct nested_modules *modules);

enum nested_answer {
    NESTED_PASSED, /* also what would replace something */
    NESTED_REFUSED,
    NESTED_FAILED,  /* the answer is the failure */
    NESTED_UNASKED, /* the module has no such callback */
};

/* Asks the module at `index`. `walk->arguments` must be those of the question; the walk may be used for one module
 * after the other, and has the answer, and what made the module say so, in `walk->outcome.result`. */
enum nested_answer nested_modules_ask(const struct nested_modules *modules, uint32_t index, enum callback callback,
                                      struct walk *walk);

/* For the hooks of module_definition that hand on to all of them. */
void nested_modules_save(const struct nested_modules *modules, struct buffer *output);
/* All or nothing: if one cannot read its part, all are as they were made. */
bool nested_modules_restore(const struct nested_modules *modules, struct slice saved);
/* From those of a module with the same configuration. */
void nested_modules_take_over(const struct nested_modules *modules, const struct nested_modules *from);
void nested_modules_state_event(const struct nested_modules *modules, const struct event *event, int64_t ordering);

#endif
