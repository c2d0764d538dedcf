/* How a chain lies in memory: for chain.c, which builds it, chain_walk.c, which asks it, and nested_modules.c, which
 * looks into those that belong to a module. */
#ifndef WEIR_FILTERS_CHAIN_WALK_H
#define WEIR_FILTERS_CHAIN_WALK_H

#include "base/lane.h"
#include "filters/chain.h"

/* A module's place in the chain of one callback. */
struct link {
    callback_function *function;
    void *state;
    uint32_t module_index;
    bool plain; /* nothing but the function is to be called; false: look at `registered` and the module first */
    bool needs_body;
    uint8_t parameter_count; /* that the function is called with; 0 with `bad_arity` */
    bool bad_arity;          /* it takes another number: the call fails as Python's would */
    struct module_callback registered;
};

/* Links in their order; as long as the chain, since a walk that is parked goes on in it. */
struct link_list {
    struct link_list *next;
    uint32_t count;
    struct link links[];
};

struct chain_module {
    const struct module_definition *definition;
    void *configuration;
    void *state;
    struct module_options options;
    bool dry_run;    /* now; `options` has what it was made with */
    bool needs_body; /* as its create had the last word */
    bool uses_body;
    bool concurrent;
    bool answers_alike;
    bool reads_time;
    bool waits;
    bool reads_state;
    bool handed_over;                  /* it goes on where another of this process was */
    uint64_t tags;                     /* that its answers may set, unless it is in dry_run */
    uint64_t tags_read;                /* that its create asked for to read, or its selector names */
    uint64_t config_hash;              /* of its `config`, however its keys are ordered */
    struct module_callback *callbacks; /* all that it registered, in order */
    uint32_t callback_count;
    struct module_counts counts;
};

struct chain_resource {
    struct web_resource resource;
    uint32_t module_index;
    bool hidden; /* an earlier module has the path */
};

/* What the walks of a sample count (filters/chain_sample.h). */
struct chain_sample {
    uint32_t stands_for; /* so many walks; 0: none is sampled */
    uint32_t clock_ns;   /* what reading the clock takes */
};

struct chain {
    struct chain_settings settings;
    struct chain *outer; /* whose module asks this one; NULL: nobody's */
    char *server_name;
    struct chain_module *modules;
    uint32_t module_count;
    struct link *links[CALLBACK_COUNT];
    uint32_t link_counts[CALLBACK_COUNT];
    struct link_list *second;       /* of check_event_for_spam, for walk_start_second */
    struct link_list *second_lists; /* that one, and those that it was */
    struct chain_resource *resources;
    uint32_t resource_count;
    struct field_table *fields;
    struct tag_names tags;
    bool needs_body;
    bool uses_body;
    bool reads_time;
    bool has_learners; /* some module has `decided` */
    bool may_wait[CALLBACK_COUNT];
    bool watched; /* walks go the way on which `trace` and `sample` are looked at */
    chain_trace_function *trace;
    void *trace_context;
    struct chain_sample sample;
    struct chain_dry_run dry_runs[LANES_MAXIMUM];
};

/* The link of a module among those of a callback; NULL if it has none. */
const struct link *chain_find_link(const struct chain *chain, enum callback callback, uint32_t module_index);
/* The tags that the modules of the chain may set so far, and those before the module that it belongs to. */
uint64_t chain_tags_so_far(const struct chain *chain);
/* The module that is being made asks `inner`, and so goes by the tags that the modules in there go by. */
void chain_reads_tags_of(const struct module_setup *setup, const struct chain *inner);

/* chain_dry_run.c: makes `second` of what the modules are now. */
void chain_set_second(struct chain *chain);

#endif
