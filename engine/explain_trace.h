/* What the modules of a chain answered to one question, written down while they were asked, and how long each took. */
#ifndef WEIR_ENGINE_EXPLAIN_TRACE_H
#define WEIR_ENGINE_EXPLAIN_TRACE_H

#include "base/buffer.h"
#include "filters/chain.h"

struct explain_trace;

/* Writes down every answer from now on; the chain must not be traced by anybody else. `body` is the text of the event
 * that is asked about (absent: none): places in another one are said to be in the replaced event. */
struct explain_trace *explain_trace_create(struct chain *chain, struct slice body);
void explain_trace_destroy(struct explain_trace *trace);

/* From now on the same question is put again, `repetitions` times, each announced by explain_trace_repeat: only times
 * are kept. */
void explain_trace_measure(struct explain_trace *trace, uint32_t repetitions);
void explain_trace_repeat(struct explain_trace *trace);

/* The answer that a module waits for took this long to come. */
void explain_trace_waited(struct explain_trace *trace, uint64_t nanoseconds);

/* Appends what was asked of `callback`: every module that registered it, with its answer or why it was not asked.
 * `arguments` are those of the question (NULL: the callback was not reached, for the reason `why_not`), `outcome` that
 * of all. */
void explain_trace_append(const struct explain_trace *trace, enum callback callback,
                          const struct callback_arguments *arguments, const char *why_not,
                          const struct outcome *outcome, struct buffer *output);

/* Appends a value in the words that the explanation uses. */
void explain_append_value(const struct value *value, struct buffer *output);

#endif
