/* What the modules of a chain answered to one question, written down while they were asked, and how long each took. */
#ifndef WEIR_ENGINE_EXPLAIN_TRACE_H
#define WEIR_ENGINE_EXPLAIN_TRACE_H

#include "base/buffer.h"
#include "filters/chain.h"

struct explain_trace;

/* Writes down every answer from now on, until it is destroyed; the chain must not be traced by anybody else meanwhile.
 * Who hears of dry runs does not hear of these. `body` is the text of the event
 * that is asked about (absent: none): places in another one are said to be in the replaced event. `instance_name` is
 * ours, for the rows of modules in dry_run. */
struct explain_trace *explain_trace_create(struct chain *chain, struct slice body, const char *instance_name);
void explain_trace_destroy(struct explain_trace *trace);

/* The verdict rows of modules in dry_run, each followed by a line break; lives as long as the trace. */
struct slice explain_trace_dry_run_rows(const struct explain_trace *trace);

/* From now on the same question is put again, `repetitions` times, each announced by explain_trace_repeat: only times
 * are kept. */
void explain_trace_measure(struct explain_trace *trace, uint32_t repetitions);
void explain_trace_repeat(struct explain_trace *trace);

/* The answer that a module waits for took this long to come. */
void explain_trace_waited(struct explain_trace *trace, uint64_t nanoseconds);

/* A module that registered a callback, and what it said. All slices live until the call that shows it returns. */
struct explain_answer {
    uint32_t place; /* among those that registered the callback, from 0 */
    uint32_t module_index;
    const char *module;
    struct slice why_not; /* why it was not asked; absent if it was, and then the rest is set */
    struct slice says;    /* in words */
    struct slice because; /* rule, reason and place, for people: a line each, or empty */
    struct slice members; /* all of that as members of a JSON object, each behind a comma */
    uint64_t nanoseconds;
    uint64_t waited_ns;
    uint64_t median_ns;    /* of the repetitions, */
    uint32_t repetitions;  /* if there were any */
    bool ends;             /* it ended the walk */
    bool dry_run;          /* the module is */
    bool would_have_ended; /* the walk, but for its dry_run */
};
typedef void explain_answer_function(void *context, const struct explain_answer *answer);

/* Shows every module that registered `callback`, with its answer or why it was not asked. `arguments` are those of the
 * question, `outcome` that of all. */
void explain_trace_each(const struct explain_trace *trace, enum callback callback,
                        const struct callback_arguments *arguments, const struct outcome *outcome,
                        explain_answer_function *show, void *context);

/* Appends a value in the words that the explanation uses. */
void explain_append_value(const struct value *value, struct buffer *output);

#endif
