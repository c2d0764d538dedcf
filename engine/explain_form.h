/* The two forms of an explanation: for people, and as JSON. */
#ifndef WEIR_ENGINE_EXPLAIN_FORM_H
#define WEIR_ENGINE_EXPLAIN_FORM_H

#include "engine/explain_trace.h"

/* What an observed event is asked. The sets are those of judge.h. */
struct explain_asked {
    unsigned synapse_asks;
    const char *reason; /* why Synapse would ask this */
    unsigned weir_asks;
    bool as_synapse; /* as configured */
};

/* One of the callbacks that were asked, or would have been. */
struct explain_callback {
    enum callback callback;
    const struct callback_arguments *arguments; /* NULL: it was not reached, for the reason `why_not` */
    const char *why_not;
    const struct outcome *outcome; /* of all */
    bool first, last;              /* of those that are told of */
};

/* Each function appends its part. They are called in the order of the table, some not at all, `callback` once or more.
 */
struct explain_form {
    void (*begin)(struct buffer *output);
    void (*event)(const struct event *event, struct buffer *output);
    void (*asked)(const struct explain_asked *asked, struct buffer *output);
    void (*question)(enum callback callback, enum semantics semantics, struct buffer *output);
    void (*callback)(const struct explain_trace *trace, const struct explain_callback *callback, struct buffer *output);
    void (*outcome)(const struct outcome *outcome, struct buffer *output);
    void (*open)(const char *reason, struct buffer *output); /* instead: there is no outcome */
    void (*edited)(const char *argument, const json_t *object, struct buffer *output);
    void (*rows)(struct slice dry_runs, struct slice verdict, struct buffer *output);
    void (*end)(uint64_t clock_ns, uint32_t repetitions, struct buffer *output);
};

extern const struct explain_form explain_form_text, explain_form_json;

#endif
