/* The callbacks of Synapse's module API that a chain can run, made from callbacks.def. */
#ifndef WEIR_FILTERS_CALLBACK_H
#define WEIR_FILTERS_CALLBACK_H

#include <stdint.h>

#include "base/slice.h"
#include "filters/event.h"
#include "filters/value.h"

enum callback {
#define CALLBACK(name, ...) CALLBACK_##name,
#include "filters/callbacks.def"
#undef CALLBACK
    CALLBACK_COUNT,
    CALLBACK_UNKNOWN = CALLBACK_COUNT
};

enum callback_family {
#define FAMILY(name, text) FAMILY_##name,
#include "filters/families.def"
#undef FAMILY
    FAMILY_COUNT
};

/* Whose rules hold: those of Synapse v1.47, which introduced them, or those of the newest release. */
enum semantics { SEMANTICS_LATEST, SEMANTICS_147 };

enum argument_type {
    ARGUMENT_NONE, /* ends the list */
    ARGUMENT_TEXT,
    ARGUMENT_TEXT_OR_NULL,
    ARGUMENT_BOOLEAN,
    ARGUMENT_INTEGER,
    ARGUMENT_JSON,    /* any JSON value */
    ARGUMENT_SHARED,  /* an object which every module may edit, seen by the next and by Synapse */
    ARGUMENT_COPY,    /* an object of which each module gets a copy of its own */
    ARGUMENT_EVENT,   /* `event` of the arguments */
    ARGUMENT_STATE,   /* the room's state: a list of events */
    ARGUMENT_STATES,  /* a list of presence states */
    ARGUMENT_LIMIT,   /* a media upload limit */
    ARGUMENT_REQUEST, /* Synapse's own HTTP request, of which nothing is passed on */
};

struct argument_definition {
    const char *name; /* as a request carries it */
    enum argument_type type;
};

#define CALLBACK_ARGUMENTS_MAXIMUM 5

/* What a callback is asked about. */
struct callback_arguments {
    enum callback callback;     /* set by the chain */
    const struct event *event;  /* of callbacks that have one; NULL otherwise */
    const struct value *values; /* by place in the definition's list. NULL: nothing but the event is known (an observed
                                   event has no `state` with it) */
    uint32_t count;             /* of `values` that the module sees: how many its function takes */
    const struct value *fallback; /* what Synapse itself says when no module does: is_user_expired's built-in table.
                                     NULL: nothing but the rule's own */
    struct arena *arena;          /* for what the answer needs; it lives until the answer has been used */
    int64_t now_ms; /* milliseconds since 1970, always above 0: the clock when the question arrived, in a replay the
                       time of the recording or of its events (engine/event_time.h). Modules that remember use no other
                       time, and bear one that is older than the last */
    bool trial;     /* somebody only wants to know the answer (`weir explain`): nothing is to be remembered of it */
    uint64_t tags;  /* the bits of module_tag that modules before this one have set on what is asked about: in this
                       callback, and in one that goes on into it */
};

/* One module's answer to one callback. `state` is what the module's create made. `result` comes zeroed, that is as
 * None, which for most callbacks does not pass: say VALUE_PASS. */
typedef void callback_function(void *state, const struct callback_arguments *arguments, struct result *result);

/* What a module's failure means (callbacks.md, section 0, failure classes). */
enum raise_class {
    RAISE_PROPAGATES,   /* the walk ends in the exception */
    RAISE_IS_SKIPPED,   /* a warning, and the next module is asked */
    RAISE_IS_LOGGED,    /* the same with a traceback; also a cancellation is swallowed */
    RAISE_IS_403,       /* SynapseError stands; anything else becomes 403 M_UNKNOWN */
    RAISE_IS_500,       /* everything becomes 500 M_UNKNOWN */
    RAISE_FAILS_MODULE, /* SynapseError stands; anything else becomes ModuleFailedException */
};

struct chain_rule;

struct callback_definition {
    const char *name;
    enum callback_family family;
    struct argument_definition arguments[CALLBACK_ARGUMENTS_MAXIMUM + 1];
    uint32_t argument_count;
    uint32_t arguments_147;   /* how many of them there were in v1.47 */
    uint32_t arguments_least; /* a function may take only this many (told by its arity); equal to argument_count where
                                 there is no choice */
    int introduced;           /* the minor version of Synapse: 37 for v1.37 */
    int removed;              /* likewise; 0: still there */
    const struct chain_rule *rules[2]; /* by enum semantics; NULL: the callback does not exist there */
    enum raise_class raise;
    enum callback then;  /* asked next, about the same (subject_restate), if every module passed; CALLBACK_UNKNOWN:
                            none. That one has none itself */
    const char *summary; /* one sentence for people: when Synapse asks it */
};

extern const struct callback_definition callback_definitions[CALLBACK_COUNT];
extern const char *const callback_family_texts[FAMILY_COUNT]; /* "spam checker" */
extern const char *const semantics_texts[];                   /* "latest", "1.47", NULL */

/* CALLBACK_UNKNOWN if there is none of that name. */
enum callback callback_find(struct slice name);
/* How the modules' answers combine, in words; NULL if the callback does not exist with these semantics. */
const char *callback_rule_text(enum callback callback, enum semantics semantics);
/* The chain's value when every module passed; None if the callback does not exist with these semantics. */
struct value callback_pass_value(enum callback callback, enum semantics semantics);
/* What happens on an error, in words. */
const char *raise_class_text(enum raise_class raise);

/* Reads the arguments from a JSON object, as a request carries them: `values` (CALLBACK_ARGUMENTS_MAXIMUM of them) and
 * `count` of `arguments`, in `arena`. The event, if there is one, is left to the caller (member "event"). Absent
 * members are null where that is allowed. False with a sentence in `*problem` for a wrong type or a missing one. */
bool callback_read_arguments(enum callback callback, const json_t *object, struct arena *arena,
                             struct callback_arguments *arguments, const char **problem);

/* The text argument called `name`, or an absent slice: for modules and selectors that look at any callback. */
struct slice callback_argument_text(const struct callback_arguments *arguments, const char *name);

#endif
