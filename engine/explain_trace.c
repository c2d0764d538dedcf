/* An answer is put into words while its texts live, that is within the trace. Which modules were not asked, and why, is
 * found afterwards by going over all that registered the callback. */
#include "engine/explain_trace.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/memory.h"
#include "engine/explain_evidence.h"
#include "engine/tail_format.h"

/* One answer. */
struct explained {
    enum callback callback;
    uint32_t module_index;
    bool pending;        /* waits for somebody outside */
    bool dry_run_counts; /* in dry_run, and would have ended the walk */
    uint64_t nanoseconds;
    uint64_t waited_ns;
    uint64_t *samples;
    uint32_t sample_count;
    struct buffer says;    /* "refuses with M_FORBIDDEN" */
    struct buffer because; /* a line each for rule, reason and place; empty without */
};

struct explain_trace {
    struct chain *chain;
    struct slice body;
    struct explained *answers;
    uint32_t count;
    bool measuring;
    uint32_t repetitions;
    uint32_t next; /* the answer whose time comes next in a repetition */
};

static void append_quoted(struct buffer *output, const char *label, struct slice text)
{
    if (!slice_present(text))
        return;
    buffer_append_format(output, "        %-9s ", label);
    tail_append_visible(output, text);
    buffer_append_char(output, '\n');
}

void explain_append_value(const struct value *value, struct buffer *output)
{
    switch (value->kind) {
    case VALUE_PASS:
        buffer_append_string(output, "passes");
        return;
    case VALUE_PENDING:
        buffer_append_string(output, "waits for somebody outside");
        return;
    case VALUE_RAISED:
        buffer_append_string(output, "fails: ");
        if (value->raised->kind == RAISED_SYNAPSE_ERROR) {
            buffer_append_format(output, "%d ", value->raised->status);
            tail_append_visible(output, value->raised->errcode);
            buffer_append_char(output, ' ');
        }
        if (slice_present(value->raised->text))
            tail_append_visible(output, value->raised->text);
        return;
    case VALUE_REFUSE:
        buffer_append_string(output, "refuses with ");
        tail_append_visible(output, slice_present(value->text) ? value->text : SLICE("M_FORBIDDEN"));
        if (value->object) {
            buffer_append_string(output, " and ");
            value_append_json(&(struct value){.kind = VALUE_JSON, .object = value->object}, output);
        }
        return;
    default:
        buffer_append_string(output, "answers ");
        value_append_json(value, output);
    }
}

static void append_reasons(const struct explain_trace *trace, const struct callback_arguments *arguments,
                           const struct result *result, struct buffer *output)
{
    append_quoted(output, "rule", result->rule);
    append_quoted(output, "reason", result->reason);
    struct evidence_place place;
    if (!arguments->event || !evidence_locate(arguments->event, chain_fields(trace->chain), result, &place))
        return;
    bool replaced = !slice_equal(arguments->event->body, trace->body);
    buffer_append_string(output, replaced ? "        where     in the replaced event, " : "        where     ");
    evidence_append(arguments->event, &place, output);
    buffer_append_char(output, '\n');
}

/* The answer that is being given: a new one, or one that was waited for. */
static struct explained *answer_of(struct explain_trace *trace, enum callback callback, uint32_t module_index)
{
    struct explained *last = trace->count ? &trace->answers[trace->count - 1] : NULL;
    if (last && last->pending && last->module_index == module_index && last->callback == callback)
        return last;
    trace->answers = memory_reallocate(trace->answers, (trace->count + 1) * sizeof *trace->answers);
    struct explained *answer = &trace->answers[trace->count++];
    *answer = (struct explained){.callback = callback, .module_index = module_index};
    return answer;
}

static void on_answer(void *context, uint32_t module_index, const struct callback_arguments *arguments,
                      const struct result *result, uint64_t nanoseconds)
{
    struct explain_trace *trace = context;
    if (trace->measuring) {
        struct explained *answer = trace->next < trace->count ? &trace->answers[trace->next++] : NULL;
        if (answer && answer->module_index == module_index && answer->callback == arguments->callback &&
            answer->sample_count < trace->repetitions)
            answer->samples[answer->sample_count++] = nanoseconds;
        return;
    }
    struct explained *answer = answer_of(trace, arguments->callback, module_index);
    answer->nanoseconds += nanoseconds;
    answer->pending = result->value.kind == VALUE_PENDING;
    buffer_clear(&answer->says);
    buffer_clear(&answer->because);
    explain_append_value(&result->value, &answer->says);
    append_reasons(trace, arguments, result, &answer->because);
}

static void on_dry_run(void *context, const struct callback_arguments *arguments, const struct outcome *outcome)
{
    struct explain_trace *trace = context;
    struct explained *last = trace->count ? &trace->answers[trace->count - 1] : NULL;
    if (!trace->measuring && last && last->module_index == outcome->module_index &&
        last->callback == arguments->callback)
        last->dry_run_counts = true;
}

struct explain_trace *explain_trace_create(struct chain *chain, struct slice body)
{
    struct explain_trace *trace = memory_allocate_zeroed(1, sizeof *trace);
    trace->chain = chain;
    trace->body = body;
    chain_trace(chain, on_answer, trace);
    chain_on_dry_run(chain, on_dry_run, trace);
    return trace;
}

void explain_trace_destroy(struct explain_trace *trace)
{
    if (!trace)
        return;
    chain_trace(trace->chain, NULL, NULL);
    chain_on_dry_run(trace->chain, NULL, NULL);
    for (uint32_t index = 0; index < trace->count; index++) {
        free(trace->answers[index].samples);
        buffer_free(&trace->answers[index].says);
        buffer_free(&trace->answers[index].because);
    }
    free(trace->answers);
    free(trace);
}

void explain_trace_measure(struct explain_trace *trace, uint32_t repetitions)
{
    trace->measuring = true;
    trace->repetitions = repetitions;
    for (uint32_t index = 0; index < trace->count; index++)
        trace->answers[index].samples = memory_allocate_zeroed(repetitions, sizeof *trace->answers[index].samples);
}

void explain_trace_repeat(struct explain_trace *trace)
{
    trace->next = 0;
}

void explain_trace_waited(struct explain_trace *trace, uint64_t nanoseconds)
{
    if (trace->count)
        trace->answers[trace->count - 1].waited_ns += nanoseconds;
}

static int compare_times(const void *left, const void *right)
{
    uint64_t first = *(const uint64_t *)left, second = *(const uint64_t *)right;
    return (first > second) - (first < second);
}

static void append_times(const struct explained *answer, struct buffer *output)
{
    buffer_append_format(output, "  %" PRIu64 " ns", answer->nanoseconds);
    if (answer->waited_ns)
        buffer_append_format(output, ", then waited %.1f ms", (double)answer->waited_ns / 1e6);
    if (answer->sample_count == 0)
        return;
    qsort(answer->samples, answer->sample_count, sizeof *answer->samples, compare_times);
    buffer_append_format(output, ", median %" PRIu64 " ns of %" PRIu32, answer->samples[answer->sample_count / 2],
                         answer->sample_count);
}

static void append_answer(const struct explain_trace *trace, const struct explained *answer, bool ended,
                          struct buffer *output)
{
    bool dry_run = chain_module_options(trace->chain, answer->module_index)->dry_run;
    tail_append_visible(output, buffer_slice(&answer->says));
    append_times(answer, output);
    buffer_append_char(output, '\n');
    buffer_append_slice(output, buffer_slice(&answer->because));
    if (ended)
        buffer_append_string(output, "        this ends the walk\n");
    if (dry_run)
        buffer_append_string(output, answer->dry_run_counts
                                         ? "        dry_run: this would have ended the walk, which goes on\n"
                                         : "        dry_run\n");
}

/* Why a module was not asked that stands behind `last`, the last one that was (NULL: none). */
static void append_why_not(const struct explain_trace *trace, uint32_t module_index, enum callback callback,
                           const struct callback_arguments *arguments, const struct explained *last,
                           struct buffer *output)
{
    const struct module_options *options = chain_module_options(trace->chain, module_index);
    struct callback_arguments asked = *arguments;
    asked.callback = callback;
    buffer_append_string(output, "not asked: ");
    if (chain_module_needs_body(trace->chain, module_index) && arguments->event && !arguments->event->has_body) {
        buffer_append_string(output, "it needs the event's body");
    } else if (options->selector && !selector_selects(options->selector, &asked)) {
        buffer_append_string(output, "left out by ");
        selector_describe(options->selector, output);
    } else if (last) {
        buffer_append_format(output, "%s had ended the walk", chain_module(trace->chain, last->module_index)->name);
    } else {
        buffer_append_string(output, callback == CALLBACK_auth_checkers ? "it is for another login type"
                                                                        : "Synapse would not ask it either");
    }
    buffer_append_char(output, '\n');
}

/* The answer that a module gave to the callback from place `*next` on, and moves that behind it; NULL if none. */
static const struct explained *find_answer(const struct explain_trace *trace, enum callback callback,
                                           uint32_t module_index, uint32_t *next)
{
    for (uint32_t index = *next; index < trace->count; index++) {
        const struct explained *answer = &trace->answers[index];
        if (answer->callback != callback || answer->module_index != module_index)
            continue;
        *next = index + 1;
        return answer;
    }
    return NULL;
}

static const struct explained *last_answer(const struct explain_trace *trace, enum callback callback)
{
    for (uint32_t index = trace->count; index > 0; index--)
        if (trace->answers[index - 1].callback == callback)
            return &trace->answers[index - 1];
    return NULL;
}

void explain_trace_append(const struct explain_trace *trace, enum callback callback,
                          const struct callback_arguments *arguments, const char *why_not,
                          const struct outcome *outcome, struct buffer *output)
{
    const struct callback_definition *definition = &callback_definitions[callback];
    uint32_t count = chain_callback_modules(trace->chain, callback, NULL, 0), next = 0;
    uint32_t *indices = memory_allocate_zeroed(count + 1, sizeof *indices);
    chain_callback_modules(trace->chain, callback, indices, count);
    const struct explained *last = last_answer(trace, callback), *shown = NULL;
    buffer_append_format(output, "\n%s (%s)\n", definition->name, callback_family_texts[definition->family]);
    if (!arguments)
        buffer_append_format(output, "  not asked: %s\n", why_not);
    else if (count == 0)
        buffer_append_string(output, "  no module\n");
    for (uint32_t place = 0; place < count && arguments; place++) {
        uint32_t index = indices[place];
        buffer_append_format(output, "  %2" PRIu32 ". %-18s modules[%" PRIu32 "]  ", place + 1,
                             chain_module(trace->chain, index)->name, index);
        const struct explained *answer = find_answer(trace, callback, index, &next);
        if (answer) {
            shown = answer;
            bool decided = outcome->kind != OUTCOME_PASSED && outcome->callback == callback &&
                           outcome->module_index == index && answer == last;
            append_answer(trace, answer, decided, output);
        } else {
            append_why_not(trace, index, callback, arguments, shown == last ? last : NULL, output);
        }
    }
    free(indices);
}
