/* The callbacks of Synapse's module API that a chain can run, made from callbacks.def. */
#ifndef WEIR_FILTERS_CALLBACK_H
#define WEIR_FILTERS_CALLBACK_H

#include "base/slice.h"
#include "filters/event.h"
#include "filters/result.h"

enum callback {
#define CALLBACK(name, family, rule, pass, on_raise) CALLBACK_##name,
#include "filters/callbacks.def"
#undef CALLBACK
    CALLBACK_COUNT
};

enum callback_family {
    FAMILY_SPAM_CHECKER,
    FAMILY_THIRD_PARTY_RULES,
};

/* What a callback is asked about. Which members are set depends on the callback. */
struct callback_arguments {
    const struct event *event;
};

/* One module's answer to one callback. `state` is what the module's create made. `result` comes zeroed, that is as
 * RESULT_NONE, which for most callbacks does not pass: say RESULT_NOT_SPAM or RESULT_BOOLEAN. */
typedef void callback_function(void *state, const struct callback_arguments *arguments, struct result *result);

struct callback_definition {
    const char *name;
    enum callback_family family;
    enum result_kind pass;
    const char *rule;     /* how the modules' answers combine, in words */
    const char *on_raise; /* what a module's failure means, in words */
};

extern const struct callback_definition callback_definitions[CALLBACK_COUNT];

#endif
