/* What a chain does with one question, told in full: which modules were asked and which were not, what each said and
 * why, on which bytes of the event, and in how many nanoseconds. */
#ifndef WEIR_ENGINE_EXPLAIN_H
#define WEIR_ENGINE_EXPLAIN_H

#include "base/buffer.h"
#include "filters/judge.h"

/* Waits for the answer to a module's ticket, which lives until the next call. */
typedef const struct service_answer *explain_wait_function(void *context, uint64_t ticket);

struct explain_settings {
    struct chain *chain;         /* sealed; traced while it is explained */
    const char *instance_name;   /* for the verdict row */
    uint32_t repetitions;        /* how often the question is put again, for the median of its times; 0: never */
    bool as_synapse;             /* observed events are asked only of the callbacks that Synapse would ask */
    explain_wait_function *wait; /* NULL: nobody can be waited for, and a module that would wait is told of */
    void *wait_context;
    bool json; /* as a JSON object (explain_json.c) instead of for people */
};

#define EXPLAIN_REPETITIONS_MAXIMUM 100000

/* Explains an observed event: `body` is its JSON text, `event_id` its id where the text has none (or absent). Appends
 * the explanation, with the row that `weir replay` would write for it. False with a sentence in `error` if the text is
 * no event. */
bool explain_event(const struct explain_settings *settings, struct slice body, struct slice event_id,
                   struct buffer *output, struct buffer *error);

/* Explains one callback, asked with the arguments of `object` by name (as in a request; NULL: none), and with the event
 * in `body` (absent: none, or the member `event` of the arguments). */
bool explain_callback(const struct explain_settings *settings, enum callback callback, const json_t *object,
                      struct slice body, struct buffer *output, struct buffer *error);

#endif
