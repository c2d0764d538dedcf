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

struct registrar;

/* A callback as a module registers it. Rows of the definition's table need only the first two members; `create` adds
 * others with module_register. */
struct module_callback {
    enum callback callback;
    callback_function *function;
    uint8_t parameter_count; /* how many arguments it takes; 0: as many as there are */
    bool synchronous;        /* a plain function where Synapse wants an async one */
    bool legacy;             /* registered by one of Synapse's old sections: its old answers are converted */
    bool where_known;        /* left out where the semantics have no such callback, instead of refused */
    bool check_password;     /* auth_checkers, legacy: the old method `check_password`, which says yes or no */
    const char *login_type;  /* auth_checkers only: the login type and its fields (NULL-terminated) */
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
    struct registrar *registrar;
};

/* Registers a callback beside those of the definition's table. `row` is copied, its texts are not. Synapse counts each
 * call as one registration: presence routers must give both of theirs in one, which the chain checks for the module as
 * a whole. */
void module_register(const struct module_setup *setup, const struct module_callback *row);
/* Registers a page; of two modules with the same path the first wins, with a warning. */
void module_register_resource(const struct module_setup *setup, const struct web_resource *resource);

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
    bool reads_time;  /* its answers depend on `now_ms`; never asked by several threads, whose events have no order */
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
