/* The ordered chain of modules, and how their answers combine: exactly as in Synapse (callbacks.md, section 2).
 *
 * A chain is built once from the configuration's list of modules and then judges events without allocating. It is used
 * by one thread at a time, or, if chain_concurrent says so, by several, each with a lane of its own (base/lane.h). */
#ifndef WEIR_FILTERS_CHAIN_H
#define WEIR_FILTERS_CHAIN_H

#include "base/buffer.h"
#include "filters/callback.h"
#include "filters/module.h"
#include "filters/selector.h"

struct chain;

enum outcome_kind {
    OUTCOME_PASSED,  /* every module passed, or the callback has no verdict (run all, unions) */
    OUTCOME_CHANGED, /* allowed, with a replacement (check_event_allowed) */
    OUTCOME_DENIED,  /* some module's answer ended the walk and is no pass */
    OUTCOME_FAILED,  /* the walk ended in an exception */
};

/* What a walk over the modules came to. */
struct outcome {
    enum outcome_kind kind;
    struct result result;   /* the chain's value, as Synapse's own would be; lives as long as the question's arena */
    enum callback callback; /* the callback that decided; the last one asked if all passed */
    const char *module;     /* name of the module that decided; NULL if none did */
    uint32_t module_index;  /* its place in the chain */
};

/* How a module stands in the chain, beside its `config` (design: section 7). */
struct module_options {
    bool dry_run;              /* asked and recorded, but the chain goes on as if it had passed */
    struct selector *selector; /* NULL: asked about everything. The chain takes it over */
    uint32_t actions;          /* what a bot is to do about what it decides: bits of ACTION_BIT (filters/action.h) */
    bool legacy;               /* from one of Synapse's old sections */
    /* What its refusals say, instead of its own words; NULL: those stand. The chain takes both over. */
    char *reason;         /* in the verdict's row */
    json_t *error_fields; /* {"error": TEXT}, for the client; where the callback lets a module tell it */
};

/* Frees what options own that no chain took over. */
void module_options_free(struct module_options *options);

struct chain_settings {
    enum semantics semantics;
    const char *server_name; /* copied */
    bool strict;             /* two auth checkers for one login type with different fields are refused */
};

struct chain *chain_create(const struct chain_settings *settings);
/* A chain that belongs to a module of the chain that `setup` is of, for a module that asks others: with the same
 * semantics and server, and with the fields of events and the tags of the outermost chain, which must outlive it. Its
 * walks do not go on into another callback; that the outer one's do. NULL: it would lie deeper than
 * CHAIN_DEPTH_MAXIMUM. */
struct chain *chain_create_inside(const struct module_setup *setup);
#define CHAIN_DEPTH_MAXIMUM 4
void chain_destroy(struct chain *chain);

/* Appends a module with its `config` (may be NULL). The order of calls is the order of the chain. False if the
 * configuration is bad; every reason has been reported to `host`. `options` may be NULL. */
bool chain_append(struct chain *chain, const struct module_definition *definition, const json_t *config,
                  const struct module_options *options, const struct module_host *host);

/* A clash between modules, or a registration that Synapse refuses. */
struct chain_conflict {
    bool fatal;            /* Synapse would refuse to start */
    uint32_t module_index; /* the later of the two */
    uint32_t other_index;  /* equal to module_index if there is only one */
    const char *text;      /* a sentence: what clashes, and what happens */
};
typedef void chain_conflict_function(void *context, const struct chain_conflict *conflict);

/* Ends the building; afterwards the chain can judge. Every conflict is told to `report` (may be NULL); false if one of
 * them is fatal. */
bool chain_seal(struct chain *chain, chain_conflict_function *report, void *context);

enum semantics chain_semantics(const struct chain *chain);
const char *chain_server_name(const struct chain *chain);
uint32_t chain_module_count(const struct chain *chain);
const struct module_definition *chain_module(const struct chain *chain, uint32_t index);
const struct module_options *chain_module_options(const struct chain *chain, uint32_t index);
/* Whether a module needs the event's body, and whether any does. */
bool chain_module_needs_body(const struct chain *chain, uint32_t index);
/* Whether it may look at the room's state. */
bool chain_module_reads_state(const struct chain *chain, uint32_t index);
/* The name of the tag number `bit`, from 0; NULL behind the last. Lives as long as the chain. */
const char *chain_tag_name(const struct chain *chain, unsigned bit);
/* What a module judges by, in words, as module_reads_text. */
const char *chain_module_reads_text(const struct chain *chain, uint32_t index);
bool chain_needs_body(const struct chain *chain);
/* Whether any module needs it, or reads it where one can be had. */
bool chain_uses_body(const struct chain *chain);
/* Whether any module that is asked about events reads `now_ms`. */
bool chain_reads_time(const struct chain *chain);
/* Whether several threads may ask it about events and presence at once; if not, `*module_index` says which module
 * forbids it. */
bool chain_concurrent(const struct chain *chain, uint32_t *module_index);
/* The keys of `content` that the modules read; for event_reader_create. */
const struct field_table *chain_fields(const struct chain *chain);
/* The modules that registered `callback`, in order: their indices in `indices` (room for `room`); returns how many
 * there are. */
uint32_t chain_callback_modules(const struct chain *chain, enum callback callback, uint32_t *indices, uint32_t room);

/* Whether the module at that place is among them. */
bool chain_module_answers(const struct chain *chain, uint32_t index, enum callback callback);

/* The login types after start-up, a dict of type → list of fields (Synapse's supported_login_types). */
struct value chain_login_types(const struct chain *chain, struct arena *arena);

/* Whether a walk of this callback may be parked: a module that registered it, or the callback that it goes on into, may
 * ask somebody. Of a sealed chain. */
bool chain_may_wait(const struct chain *chain, enum callback callback);

/* The page served under `path`, with the state to serve it; NULL if there is none. */
const struct web_resource *chain_resource(const struct chain *chain, struct slice path, void **state);
/* All of them, in order: `index` from 0 until NULL; `*module_index` says whose. */
const struct web_resource *chain_resource_at(const struct chain *chain, uint32_t index, uint32_t *module_index);

/* What a module did, counted since the chain was made. */
struct module_counts {
    uint64_t raised;           /* answers that were failures */
    uint64_t illegal;          /* answers of a type outside the contract */
    uint64_t dry_runs;         /* answers that would have ended a walk, of a module in dry_run */
    uint64_t denied_questions; /* refusals of what was asked from outside, by chain_count_denied_question */
    /* Worked out from samples (filters/chain_sample.h): how often it was asked, and what that took altogether. */
    uint64_t asked;
    uint64_t nanoseconds;
};
struct module_counts chain_module_counts(const struct chain *chain, uint32_t index);
/* For whoever asked the chain something that shall not count. */
void chain_set_module_counts(struct chain *chain, uint32_t index, const struct module_counts *counts);

/* A question from outside was refused by that module. */
void chain_count_denied_question(struct chain *chain, uint32_t index);

/* What a module says of itself for the metrics page; nothing if it has no figures. */
void chain_module_figures(const struct chain *chain, uint32_t index, module_figure_function *figure, void *context);

/* Whether a module is in dry_run now: as its options say, until chain_set_dry_run says otherwise. */
bool chain_module_in_dry_run(const struct chain *chain, uint32_t index);
/* Puts a module of a sealed chain into dry_run, or takes it out: for every answer from now on, also in walks that are
 * parked. Not from within a module. False, with a sentence in `problem`, and all is as it was, where other modules were
 * made by what it did before. */
bool chain_set_dry_run(struct chain *chain, uint32_t index, bool dry_run, struct buffer *problem);

/* Called for every answer of a module while it is set: for `weir explain`. NULL ends it. `nanoseconds` is what the
 * module took. */
typedef void chain_trace_function(void *context, uint32_t module_index, const struct callback_arguments *arguments,
                                  const struct result *result, uint64_t nanoseconds);
void chain_trace(struct chain *chain, chain_trace_function *trace, void *context);

/* Called when the answer of a module in dry_run would have ended the walk; `outcome` is what it would have been. Each
 * lane has its own: it is set for, and called in, the thread's lane. */
typedef void chain_dry_run_function(void *context, const struct callback_arguments *arguments,
                                    const struct outcome *outcome);
struct chain_dry_run {
    chain_dry_run_function *report; /* NULL: nobody */
    void *context;
};
/* Returns what was set before, for those who ask in between and put it back. */
struct chain_dry_run chain_on_dry_run(struct chain *chain, chain_dry_run_function *report, void *context);

enum walk_state {
    WALK_ENDED,
    WALK_PENDING, /* a module waits for somebody: park the walk under its ticket */
};

/* One callback being asked of the modules that registered it, in order. It lives on the stack of whoever asks; a walk
 * that is pending is moved to where it can wait (it is a plain struct; its arguments and arena must wait with it). */
struct walk {
    const struct chain *chain;
    const struct chain_rule *rule;
    struct callback_arguments arguments;
    uint32_t place;                 /* the link that is being asked */
    const struct link_list *second; /* see walk_start_second; NULL: every link of the callback */
    uint64_t ticket;                /* of a pending walk */
    struct result gathered;         /* by rules that add up */
    void *memory;                   /* of such a rule, in the arena */
    struct outcome outcome;         /* once it has ended */
};

/* Starts a walk. `arguments->arena` must be set unless no module registered for the callback needs it. A module that
 * needs the body is passed over when the event has none. Where `arguments->now_ms` is not set, the clock's time is. */
enum walk_state walk_begin(struct walk *walk, const struct chain *chain, enum callback callback,
                           const struct callback_arguments *arguments);
/* The same for a caller that has filled in `walk->arguments`: nothing is copied. */
enum walk_state walk_start(struct walk *walk, const struct chain *chain, enum callback callback);
/* check_event_for_spam about an event that a walk of check_event_allowed has just let pass as it is, every module at
 * once: those that answer both alike are passed over. Only with the event's id, by which they know it again. */
enum walk_state walk_start_second(struct walk *walk, const struct chain *chain);
/* The same within a module's callback, of a chain inside: the tags of the question stay. */
enum walk_state walk_start_inside(struct walk *walk, const struct chain *chain, enum callback callback);
/* Goes on with a pending walk: what the service said is handed to the module that waits. */
enum walk_state walk_resume(struct walk *walk, const struct service_answer *answer);

/* A walk from begin to end. A module that would wait counts as failed: for callers that cannot park a walk. */
void chain_run(const struct chain *chain, enum callback callback, const struct callback_arguments *arguments,
               struct outcome *outcome);

#endif
