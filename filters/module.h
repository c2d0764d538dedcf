/* The interface of a built-in module, and the registry of all of them (modules.def).
 *
 * A module is one file in filters/modules/ that defines one `struct module_definition`. The chain owns the state that
 * `create` makes and ends it with `destroy`. A callback may be asked millions of times a second: it allocates nothing
 * and keeps no pointer into the event. */
#ifndef WEIR_FILTERS_MODULE_H
#define WEIR_FILTERS_MODULE_H

#include "filters/callback.h"
#include "filters/parameter.h"

/* What `create` gets beside the decoded configuration. */
struct module_setup {
    const struct module_host *host;
    struct field_table *fields; /* declare here the keys of `content` that the module reads */
    void *configuration;        /* the struct that the parameter table fills; freed by the chain after destroy, so the
                                   state may point into it */
};

struct module_callback {
    enum callback callback;
    callback_function *function;
};

struct module_definition {
    const char *name;
    const char *summary; /* one line for people */
    const struct parameter *parameters;
    size_t parameter_count;
    size_t configuration_size;
    bool needs_body; /* judges by what only the body has (sender, content); false: works from the stream row alone */
    const struct module_callback *callbacks;
    size_t callback_count;
    /* Makes the state, or reports what is wrong through setup->host and returns NULL. */
    void *(*create)(const struct module_setup *setup);
    void (*destroy)(void *state);
};

/* All modules, in the order of modules.def; NULL-terminated. */
extern const struct module_definition *const module_registry[];

/* The module called `name`, or NULL. */
const struct module_definition *module_find(const char *name);

#endif
