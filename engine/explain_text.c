/* An explanation for people. Whatever comes from outside is written so that a terminal shows it and does nothing else.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "engine/explain_form.h"
#include "engine/tail_format.h"
#include "engine/verdict.h"
#include "filters/judge.h"

static void begin(struct buffer *output)
{
    (void)output;
}

static void append_line(struct buffer *output, const char *label, struct slice text)
{
    if (!slice_present(text))
        return;
    buffer_append_format(output, "%-10s", label);
    tail_append_visible(output, text);
    buffer_append_char(output, '\n');
}

static void append_event(const struct event *event, struct buffer *output)
{
    append_line(output, "event", slice_present(event->event_id) ? event->event_id : SLICE("(no event_id)"));
    append_line(output, "type", event->type);
    append_line(output, "state_key", event->state_key);
    append_line(output, "sender", event->sender);
    append_line(output, "room", event->room_id);
    if (event->has_body)
        buffer_append_format(output, "%-10s%zu bytes\n", "body", event->body.length);
}

static void append_asked(const struct explain_asked *asked, struct buffer *output)
{
    static const char *const sets[] = {
        [0] = "neither callback",
        [JUDGE_EVENT_ALLOWED] = "check_event_allowed",
        [JUDGE_EVENT_FOR_SPAM] = "check_event_for_spam",
        [JUDGE_BOTH] = "check_event_allowed, then check_event_for_spam",
    };
    buffer_append_format(output, "synapse   would ask %s: %s\n", sets[asked->synapse_asks], asked->reason);
    buffer_append_format(output, "weir      asks %s (observe.ask: %s)\n", sets[asked->weir_asks],
                         asked->as_synapse ? "as_synapse" : "both");
}

static void append_question(enum callback callback, enum semantics semantics, struct buffer *output)
{
    const char *rule = callback_rule_text(callback, semantics);
    buffer_append_format(output, "asked     %s\nrule      %s\nfailures  %s\n", callback_definitions[callback].summary,
                         rule ? rule : "the callback does not exist with these semantics",
                         raise_class_text(callback_definitions[callback].raise));
}

static void append_times(const struct explain_answer *answer, struct buffer *output)
{
    buffer_append_format(output, "  %" PRIu64 " ns", answer->nanoseconds);
    if (answer->waited_ns)
        buffer_append_format(output, ", then waited %.1f ms", (double)answer->waited_ns / 1e6);
    if (answer->repetitions)
        buffer_append_format(output, ", median %" PRIu64 " ns of %" PRIu32, answer->median_ns, answer->repetitions);
}

static void show_answer(void *context, const struct explain_answer *answer)
{
    struct buffer *output = context;
    buffer_append_format(output, "  %2" PRIu32 ". %-18s modules[%" PRIu32 "]  ", answer->place + 1, answer->module,
                         answer->module_index);
    if (slice_present(answer->why_not)) {
        buffer_append_string(output, "not asked: ");
        buffer_append_slice(output, answer->why_not);
        buffer_append_char(output, '\n');
        return;
    }
    tail_append_visible(output, answer->says);
    append_times(answer, output);
    buffer_append_char(output, '\n');
    buffer_append_slice(output, answer->because);
    if (answer->ends)
        buffer_append_string(output, "        this ends the walk\n");
    if (answer->dry_run)
        buffer_append_string(output, answer->would_have_ended
                                         ? "        dry_run: this would have ended the walk, which goes on\n"
                                         : "        dry_run\n");
}

static void count_answer(void *context, const struct explain_answer *answer)
{
    (void)answer;
    ++*(uint32_t *)context;
}

static void append_callback(const struct explain_trace *trace, const struct explain_callback *callback,
                            struct buffer *output)
{
    const struct callback_definition *definition = &callback_definitions[callback->callback];
    uint32_t count = 0;
    buffer_append_format(output, "\n%s (%s)\n", definition->name, callback_family_texts[definition->family]);
    if (!callback->arguments) {
        buffer_append_format(output, "  not asked: %s\n", callback->why_not);
        return;
    }
    explain_trace_each(trace, callback->callback, callback->arguments, callback->outcome, count_answer, &count);
    if (count == 0)
        buffer_append_string(output, "  no module\n");
    explain_trace_each(trace, callback->callback, callback->arguments, callback->outcome, show_answer, output);
}

static void append_outcome(const struct outcome *outcome, struct buffer *output)
{
    static const char *const texts[] = {
        [OUTCOME_PASSED] = "passed",
        [OUTCOME_CHANGED] = "allowed, with a replacement",
        [OUTCOME_DENIED] = "denied",
        [OUTCOME_FAILED] = "failed",
    };
    buffer_append_format(output, "\noutcome   %s", texts[outcome->kind]);
    if (outcome->module)
        buffer_append_format(output, " by %s (modules[%" PRIu32 "]) in %s", outcome->module, outcome->module_index,
                             callback_definitions[outcome->callback].name);
    buffer_append_string(output, "\nvalue     ");
    value_append_json(&outcome->result.value, output);
    buffer_append_char(output, '\n');
}

static void append_open(const char *reason, struct buffer *output)
{
    buffer_append_format(output, "\noutcome   open: %s\n", reason);
}

static void append_edited(const char *argument, const json_t *object, struct buffer *output)
{
    char *text = json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII);
    buffer_append_format(output, "%-10s%s = %s\n", "after", argument, text ? text : "?");
    free(text);
}

static void append_rows(struct slice dry_runs, struct slice verdict, struct buffer *output)
{
    struct slice row;
    while (verdict_next_row(&dry_runs, &row))
        buffer_append_format(output, "dry_run   %.*s\n", (int)row.length, row.data);
    buffer_append_format(output, "verdict   %.*s\n", (int)verdict.length, verdict.data);
}

static void end(uint64_t clock_ns, uint32_t repetitions, struct buffer *output)
{
    buffer_append_format(output, "\nReading the clock takes %" PRIu64 " ns of each time.", clock_ns);
    if (repetitions)
        buffer_append_format(
            output, " Modules were asked %" PRIu32 " times more for the median; those that count have counted.",
            repetitions);
    buffer_append_char(output, '\n');
}

const struct explain_form explain_form_text = {
    .begin = begin,
    .event = append_event,
    .asked = append_asked,
    .question = append_question,
    .callback = append_callback,
    .outcome = append_outcome,
    .open = append_open,
    .edited = append_edited,
    .rows = append_rows,
    .end = end,
};
