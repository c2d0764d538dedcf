/* The interface of a built-in module, and the registry of all of them (modules.def).
 *
 * A module is one file in filters/modules/ that defines one `struct module_definition`. The chain owns the state that
 * `create` makes and ends it with `destroy`. A callback may be asked millions of times a second: it allocates nothing
 * but in the arena of the question, and keeps no pointer into the event. */
#ifndef WEIR_FILTERS_MODULE_H
#define WEIR_FILTERS_MODULE_H

#include "filters/callback.h"
#include "filters/parameter.h"
#include "filters/service.h"
#include "filters/tag_names.h"

struct registrar;
struct outcome;

/* A callback as a module registers it. Rows of the definition's table need only the first two members; `create` adds
 * others with module_register. */
struct module_callback {
    enum callback callback;
    callback_function *function;
    uint8_t parameter_count; /* how many arguments it takes; 0: as many as there are */
    bool synchronous;        /* a plain function where Synapse wants an async one */
    bool legacy;             /* registered by one of Synapse's old sections: its old answers are converted */
    bool where_known;        /* left out where the semantics have no such callback, instead of refused */
    bool companion;         /* left out where no other module registers the callback: what it has to say is for those */
    bool check_password;    /* auth_checkers, legacy: the old method `check_password`, which says yes or no */
    const char *login_type; /* auth_checkers only: the login type and its fields (NULL-terminated) */
    const char *const *login_fields;
};

/* A page that a module serves under an exact path, on Weir's own HTTP listener. */
struct web_request {
    struct slice method; /* "GET"; HEAD comes as GET */
    struct slice query;  /* what stands behind the `?`, as sent; empty without one */
    struct slice body;
};
struct web_response {
    int status;               /* 200 unless the function says otherwise */
    const char *content_type; /* "application/json" unless the function says otherwise */
    struct buffer *body;      /* empty before */
};
/* An error as Matrix's APIs shape it, for a page that cannot answer. `sentence` is for people. */
void web_response_refuse(struct web_response *response, int status, const char *errcode, const char *sentence);

struct web_resource {
    const char *path;    /* "/_synapse/client/…" */
    const char *methods; /* separated by a space: "GET" (then HEAD works too) or "GET POST" */
    bool closed;         /* only for those who send the secret of the HTTP API; for nobody where there is none */
    void (*serve)(void *state, const struct web_request *request, struct web_response *response);
};

/* What `create` gets beside the decoded configuration. */
struct module_setup {
    const struct module_host *host;
    struct field_table *fields; /* declare here the keys of `content` that the module reads */
    void *configuration;        /* the struct that the parameter table fills; freed by the chain after destroy, so the
                                   state may point into it */
    const char *server_name;    /* of the homeserver; never NULL */
    enum semantics semantics;
    bool *needs_body; /* as the definition has them; `create` may say otherwise, where its configuration decides */
    bool *uses_body;
    bool *reads_state;
    bool *concurrent;
    bool *answers_alike;
    bool *reads_time;
    bool *waits; /* whether it may answer VALUE_PENDING: true if the definition has an `answer` */
    struct registrar *registrar;
};

/* Registers a callback beside those of the definition's table. `row` is copied, its texts are not. Synapse counts each
 * call as one registration: presence routers must give both of theirs in one, which the chain checks for the module as
 * a whole. */
void module_register(const struct module_setup *setup, const struct module_callback *row);
/* The bit of the tag called `name`, by which one module tells those behind it something about what is asked (`trust`).
 * The same for all modules of the chain. 0, and reported to the setup's host under `key`, if the chain has TAGS_MAXIMUM
 * others. */
uint64_t module_tag(const struct module_setup *setup, const char *name, const char *key);
/* Whether a module that stands before this one in the chain, and is not in dry_run, may set any of these tags. */
bool module_tag_is_set(const struct module_setup *setup, uint64_t tags);

/* Registers a page; of two modules with the same path the first wins, with a warning. */
void module_register_resource(const struct module_setup *setup, const struct web_resource *resource);

/* Takes one figure: `name` as metrics are named ("waves"), `text` says what it is, with its unit. */
typedef void module_figure_function(void *context, const char *name, const char *text, double value);

struct module_definition {
    const char *name;
    const char *summary; /* one line for people */
    const struct parameter *parameters;
    size_t parameter_count;
    size_t configuration_size;
    bool needs_body;  /* judges by what only the body has (sender, content); false: works from the stream row alone */
    bool uses_body;   /* works from the row alone, but reads the body where one can be had */
    bool reads_state; /* may look at the room's state, of a callback that has it: whoever asks then sends it along */
    bool concurrent;  /* its callbacks change nothing that they share, and no answer depends on those before it: several
                         threads, each with a lane of its own (base/lane.h), may ask it at once and in any order */
    bool answers_alike; /* check_event_allowed and check_event_for_spam have one function, which answers both alike
                           about one event: whom the first has let pass the second need not be asked about */
    bool replaces;      /* its answers let pass or replace, and never refuse */
    bool sets_tags;  /* its answers may set `tags` of the result, those that its create asked for, also when they pass
                      */
    bool reads_time; /* its answers depend on `now_ms`; never asked by several threads, whose events have no order */
    const struct module_callback *callbacks;
    size_t callback_count;
    /* Makes the state, or reports what is wrong through setup->host and returns NULL. */
    void *(*create)(const struct module_setup *setup);
    void (*destroy)(void *state);
    /* Modules that answer VALUE_PENDING: turns what the service said into the module's answer. `arguments` are those of
     * the question. It may answer VALUE_PENDING again (one more
     * question), but not when no answer arrived: that fails the module. */
    void (*answer)(void *state, const struct callback_arguments *arguments, const struct service_answer *answer,
                   struct result *result);
    /* Modules that remember, optional: what they know is appended to `output`, and given to a module of the same
     * configuration in `saved`, which lies at any address; whole, as the caller's checksum has found. `restore` is
     * called on a state that was never asked; false, and the state is as `create` made it, for what it cannot read. */
    void (*save)(const void *state, struct buffer *output);
    bool (*restore)(void *state, struct slice saved);
    /* The same from state to state within one process, optional: for tables that take longer to save and to restore
     * than events can wait (a million keys: half a second). `from` is a state of the same configuration; what it
     * remembers is exchanged for the memory of `state`, which was never asked. `from` is still asked by the walks that
     * wait in its chain: for memory whose loss lets them do harm (who is held, who is trusted), save and restore. */
    void (*take_over)(void *state, void *from);
    /* What it counts and how full its tables are, for the metrics page, optional: calls `figure` for each, the same
     * ones each time. */
    void (*figures)(const void *state, module_figure_function *figure, void *context);
    /* Modules that follow rooms, optional. `followed_rooms`: the ids of the rooms whose state they must know whole,
     * `*count` of them, which live as long as the state. `state_event`: one event of the room's current state, of its
     * members only with `follows_members`, with its body: once for each event of the state as it stands when the chain
     * begins, where somebody can be asked for it, and then for each that takes an earlier one's place, whatever `only`
     * and `except` say. One without a body has lost its content (it was redacted); without an event id, too, nothing
     * stands under its type and state key any more. `ordering` is its place in the stream of events (Synapse's
     * stream_ordering; 0: not known, older than all others): an older one may come behind a newer one, and the newest
     * counts; the same may come again. */
    const char *const *(*followed_rooms)(const void *state, uint32_t *count);
    void (*state_event)(void *state, const struct event *event, int64_t ordering);
    bool follows_members;
    /* Modules that learn from what others decide, optional: a walk that another module's answer (that one not in
     * dry_run) has ended in OUTCOME_DENIED. Told of what `only` and `except` let through, with the tags that were set
     * until then. Not called in a trial. */
    void (*decided)(void *state, const struct callback_arguments *arguments, const struct outcome *outcome);
};

/* All modules, in the order of modules.def; NULL-terminated. */
extern const struct module_definition *const module_registry[];

/* What it judges by, in words: "the event's body", … */
const char *module_reads_text(const struct module_definition *module);
const char *body_use_text(bool needs_body, bool uses_body);

/* The module called `name`, or NULL. */
const struct module_definition *module_find(const char *name);

/* Whether any of its callbacks is about an event, as far as its definition says; true if only its configuration does.
 */
bool module_judges_events(const struct module_definition *module);

#endif
