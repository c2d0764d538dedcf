/* An answer is put into words while its texts live, that is within the trace. Which modules were not asked, and why, is
 * found afterwards by going over all that registered the callback. */
#include "engine/explain_trace.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/memory.h"
#include "engine/explain_evidence.h"
#include "engine/tail_format.h"
#include "engine/verdict.h"

/* One answer. */
struct explained {
    enum callback callback;
    uint32_t module_index;
    bool pending;        /* waits for somebody outside */
    bool dry_run_counts; /* in dry_run, and would have ended the walk */
    uint64_t tags;       /* that it has set */
    uint64_t nanoseconds;
    uint64_t waited_ns;
    uint64_t *samples;
    uint32_t sample_count;
    struct buffer says;    /* "refuses with M_FORBIDDEN" */
    struct buffer because; /* a line each for rule, reason and place; empty without */
    struct buffer members; /* the same for the JSON form */
};

struct explain_trace {
    struct chain *chain;
    struct chain_dry_run dry_run_before; /* who heard of dry runs */
    struct slice body;
    const char *instance_name;
    struct buffer dry_run_rows;
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

/* `place` may be NULL. */
static void append_reasons(const struct callback_arguments *arguments, const struct result *result,
                           const struct evidence_place *place, bool replaced, struct buffer *output)
{
    append_quoted(output, "rule", result->rule);
    append_quoted(output, "reason", result->reason);
    if (!place)
        return;
    buffer_append_string(output, replaced ? "        where     in the replaced event, " : "        where     ");
    evidence_append(arguments->event, place, output);
    buffer_append_char(output, '\n');
}

/* The names of the tags, each behind `before` and a comma in between. */
static void append_tags(const struct chain *chain, uint64_t tags, bool json, struct buffer *output)
{
    bool first = true;
    for (unsigned bit = 0; bit < TAGS_MAXIMUM; bit++) {
        if (!(tags & 1ull << bit))
            continue;
        struct slice name = slice_from_string(chain_tag_name(chain, bit));
        if (!first)
            buffer_append_string(output, json ? "," : ", ");
        if (json)
            buffer_append_json_string(output, name);
        else
            tail_append_visible(output, name);
        first = false;
    }
}

static void append_tag_line(const struct chain *chain, uint64_t tags, struct buffer *output)
{
    if (!tags)
        return;
    buffer_append_format(output, "        %-9s ", "tags");
    append_tags(chain, tags, false, output);
    buffer_append_char(output, '\n');
}

static void append_member(struct buffer *output, const char *name, struct slice text)
{
    buffer_append_format(output, ",\"%s\":", name);
    buffer_append_json_string(output, text);
}

static void append_members(const struct callback_arguments *arguments, const struct result *result, struct slice says,
                           const struct evidence_place *place, bool replaced, struct buffer *output)
{
    append_member(output, "says", says);
    buffer_append_string(output, ",\"value\":");
    value_append_json(&result->value, output);
    append_member(output, "rule", result->rule);
    append_member(output, "reason", result->reason);
    buffer_append_string(output, ",\"where\":");
    if (!place) {
        buffer_append_string(output, "null");
        return;
    }
    struct evidence_excerpt excerpt = evidence_excerpt(arguments->event, place);
    buffer_append_format(output, "{\"start\":%zu,\"end\":%zu,\"replaced_event\":%s", place->start, place->end,
                         replaced ? "true" : "false");
    append_member(output, "parent", place->parent);
    append_member(output, "key", place->key);
    append_member(output, "before", excerpt.before);
    append_member(output, "text", excerpt.text);
    append_member(output, "after", excerpt.after);
    buffer_append_char(output, '}');
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
    buffer_clear(&answer->members);
    struct evidence_place found;
    bool located = arguments->event && evidence_locate(arguments->event, chain_fields(trace->chain), result, &found);
    const struct evidence_place *place = located ? &found : NULL;
    bool replaced = located && !slice_equal(arguments->event->body, trace->body);
    explain_append_value(&result->value, &answer->says);
    answer->tags = result->tags;
    append_reasons(arguments, result, place, replaced, &answer->because);
    append_tag_line(trace->chain, result->tags, &answer->because);
    append_members(arguments, result, buffer_slice(&answer->says), place, replaced, &answer->members);
    buffer_append_string(&answer->members, ",\"tags\":[");
    append_tags(trace->chain, result->tags, true, &answer->members);
    buffer_append_char(&answer->members, ']');
}

static void append_dry_run_row(struct explain_trace *trace, const struct event *event, const struct outcome *outcome)
{
    const struct verdict verdict = {.event = event,
                                    .outcome = outcome,
                                    .stream = SLICE("events"),
                                    .instance = slice_from_string(trace->instance_name),
                                    .dry_run = true};
    verdict_append_row(&verdict, &trace->dry_run_rows);
    buffer_append_char(&trace->dry_run_rows, '\n');
}

static void on_dry_run(void *context, const struct callback_arguments *arguments, const struct outcome *outcome)
{
    struct explain_trace *trace = context;
    struct explained *last = trace->count ? &trace->answers[trace->count - 1] : NULL;
    if (trace->measuring || !last || last->module_index != outcome->module_index ||
        last->callback != arguments->callback)
        return;
    last->dry_run_counts = true;
    if (arguments->event)
        append_dry_run_row(trace, arguments->event, outcome);
}

struct slice explain_trace_dry_run_rows(const struct explain_trace *trace)
{
    return buffer_slice(&trace->dry_run_rows);
}

struct explain_trace *explain_trace_create(struct chain *chain, struct slice body, const char *instance_name)
{
    struct explain_trace *trace = memory_allocate_zeroed(1, sizeof *trace);
    trace->chain = chain;
    trace->body = body;
    trace->instance_name = instance_name;
    chain_trace(chain, on_answer, trace);
    trace->dry_run_before = chain_on_dry_run(chain, on_dry_run, trace);
    return trace;
}

void explain_trace_destroy(struct explain_trace *trace)
{
    if (!trace)
        return;
    chain_trace(trace->chain, NULL, NULL);
    chain_on_dry_run(trace->chain, trace->dry_run_before.report, trace->dry_run_before.context);
    for (uint32_t index = 0; index < trace->count; index++) {
        free(trace->answers[index].samples);
        buffer_free(&trace->answers[index].says);
        buffer_free(&trace->answers[index].because);
        buffer_free(&trace->answers[index].members);
    }
    free(trace->answers);
    buffer_free(&trace->dry_run_rows);
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

/* The median of the repetitions; 0 without any. */
static uint64_t median_of(const struct explained *answer)
{
    if (answer->sample_count == 0)
        return 0;
    qsort(answer->samples, answer->sample_count, sizeof *answer->samples, compare_times);
    return answer->samples[answer->sample_count / 2];
}

/* The tags that the question had before the module: of those before it, and of the callback that went on into this one.
 */
static uint64_t tags_before(const struct explain_trace *trace, enum callback callback, uint32_t module_index)
{
    uint64_t tags = 0;
    for (uint32_t index = 0; index < trace->count; index++) {
        const struct explained *answer = &trace->answers[index];
        bool before = answer->callback == callback && answer->module_index < module_index;
        if ((before || callback_definitions[answer->callback].then == callback) &&
            !chain_module_options(trace->chain, answer->module_index)->dry_run)
            tags |= answer->tags;
    }
    return tags;
}

/* Why a module was not asked that stands behind `last`, the last one that was (NULL: none). */
static void append_why_not(const struct explain_trace *trace, uint32_t module_index, enum callback callback,
                           const struct callback_arguments *arguments, const struct explained *last,
                           struct buffer *output)
{
    const struct module_options *options = chain_module_options(trace->chain, module_index);
    struct callback_arguments asked = *arguments;
    asked.callback = callback;
    asked.tags = tags_before(trace, callback, module_index);
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

void explain_trace_each(const struct explain_trace *trace, enum callback callback,
                        const struct callback_arguments *arguments, const struct outcome *outcome,
                        explain_answer_function *show, void *context)
{
    uint32_t count = chain_callback_modules(trace->chain, callback, NULL, 0), next = 0;
    uint32_t *indices = memory_allocate_zeroed(count + 1, sizeof *indices);
    chain_callback_modules(trace->chain, callback, indices, count);
    const struct explained *last = last_answer(trace, callback), *shown = NULL;
    struct buffer why_not = {0};
    for (uint32_t place = 0; place < count; place++) {
        uint32_t index = indices[place];
        struct explain_answer answer = {
            .place = place, .module_index = index, .module = chain_module(trace->chain, index)->name};
        const struct explained *given = find_answer(trace, callback, index, &next);
        if (given) {
            shown = given;
            answer.says = buffer_slice(&given->says);
            answer.because = buffer_slice(&given->because);
            answer.members = buffer_slice(&given->members);
            answer.nanoseconds = given->nanoseconds;
            answer.waited_ns = given->waited_ns;
            answer.median_ns = median_of(given);
            answer.repetitions = given->sample_count;
            answer.ends = outcome->kind != OUTCOME_PASSED && outcome->callback == callback &&
                          outcome->module_index == index && given == last;
            answer.dry_run = chain_module_options(trace->chain, index)->dry_run;
            answer.would_have_ended = given->dry_run_counts;
        } else {
            buffer_clear(&why_not);
            append_why_not(trace, index, callback, arguments, shown == last ? last : NULL, &why_not);
            answer.why_not = buffer_slice(&why_not);
        }
        show(context, &answer);
    }
    buffer_free(&why_not);
    free(indices);
}
