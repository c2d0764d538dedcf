/* An explanation as a JSON object, for programs that show it: the same parts under the names of the wire. */
#include <inttypes.h>
#include <stdlib.h>

#include "engine/explain_form.h"
#include "engine/verdict.h"
#include "filters/judge.h"

/* Every part begins with a comma, so that the object begins with a member of its own. */
static void begin(struct buffer *output)
{
    buffer_append_string(output, "{\"version\":1");
}

static void append_text(const char *opening, struct slice text, struct buffer *output)
{
    buffer_append_string(output, opening);
    buffer_append_json_string(output, text);
}

static const char *boolean_text(bool boolean)
{
    return boolean ? "true" : "false";
}

static void append_event(const struct event *event, struct buffer *output)
{
    append_text(",\"event\":{\"event_id\":", event->event_id, output);
    append_text(",\"type\":", event->type, output);
    append_text(",\"state_key\":", event->state_key, output);
    append_text(",\"sender\":", event->sender, output);
    append_text(",\"room_id\":", event->room_id, output);
    buffer_append_format(output, ",\"bytes\":%zu}", event->has_body ? event->body.length : 0);
}

static void append_asked(const struct explain_asked *asked, struct buffer *output)
{
    static const char *const sets[] = {
        [0] = "[]",
        [JUDGE_EVENT_ALLOWED] = "[\"check_event_allowed\"]",
        [JUDGE_EVENT_FOR_SPAM] = "[\"check_event_for_spam\"]",
        [JUDGE_BOTH] = "[\"check_event_allowed\",\"check_event_for_spam\"]",
    };
    buffer_append_format(output, ",\"synapse_asks\":%s,\"weir_asks\":%s,\"observe_ask\":\"%s\"",
                         sets[asked->synapse_asks], sets[asked->weir_asks], asked->as_synapse ? "as_synapse" : "both");
    append_text(",\"reason\":", slice_from_string(asked->reason), output);
}

static void append_question(enum callback callback, enum semantics semantics, struct buffer *output)
{
    append_text(",\"asked\":", slice_from_string(callback_definitions[callback].summary), output);
    append_text(",\"rule\":", slice_from_string(callback_rule_text(callback, semantics)), output);
    append_text(",\"failures\":", slice_from_string(raise_class_text(callback_definitions[callback].raise)), output);
}

static void show_answer(void *context, const struct explain_answer *answer)
{
    struct buffer *output = context;
    buffer_append_format(output, "%s{\"place\":%" PRIu32 ",\"index\":%" PRIu32, answer->place ? "," : "", answer->place,
                         answer->module_index);
    append_text(",\"module\":", slice_from_string(answer->module), output);
    append_text(",\"not_asked\":", answer->why_not, output);
    if (!slice_present(answer->why_not)) {
        buffer_append_slice(output, answer->members);
        buffer_append_format(
            output, ",\"ns\":%" PRIu64 ",\"waited_ns\":%" PRIu64 ",\"ends\":%s,\"dry_run\":%s,\"would_have_ended\":%s",
            answer->nanoseconds, answer->waited_ns, boolean_text(answer->ends), boolean_text(answer->dry_run),
            boolean_text(answer->would_have_ended));
        if (answer->repetitions)
            buffer_append_format(output, ",\"median_ns\":%" PRIu64, answer->median_ns);
    }
    buffer_append_char(output, '}');
}

static void append_callback(const struct explain_trace *trace, const struct explain_callback *callback,
                            struct buffer *output)
{
    const struct callback_definition *definition = &callback_definitions[callback->callback];
    buffer_append_string(output, callback->first ? ",\"callbacks\":[" : ",");
    append_text("{\"name\":", slice_from_string(definition->name), output);
    append_text(",\"family\":", slice_from_string(callback_family_texts[definition->family]), output);
    append_text(",\"not_asked\":", slice_from_string(callback->arguments ? NULL : callback->why_not), output);
    buffer_append_string(output, ",\"modules\":[");
    if (callback->arguments)
        explain_trace_each(trace, callback->callback, callback->arguments, callback->outcome, show_answer, output);
    buffer_append_string(output, callback->last ? "]}]" : "]}");
}

static void append_outcome(const struct outcome *outcome, struct buffer *output)
{
    static const char *const names[] = {
        [OUTCOME_PASSED] = "passed",
        [OUTCOME_CHANGED] = "changed",
        [OUTCOME_DENIED] = "denied",
        [OUTCOME_FAILED] = "failed",
    };
    buffer_append_format(output, ",\"outcome\":{\"kind\":\"%s\",\"callback\":\"%s\"", names[outcome->kind],
                         callback_definitions[outcome->callback].name);
    append_text(",\"module\":", slice_from_string(outcome->module), output);
    if (outcome->module)
        buffer_append_format(output, ",\"index\":%" PRIu32, outcome->module_index);
    buffer_append_string(output, ",\"value\":");
    value_append_json(&outcome->result.value, output);
    buffer_append_char(output, '}');
}

static void append_open(const char *reason, struct buffer *output)
{
    append_text(",\"outcome\":{\"kind\":\"open\",\"reason\":", slice_from_string(reason), output);
    buffer_append_char(output, '}');
}

static void append_edited(const char *argument, const json_t *object, struct buffer *output)
{
    char *text = json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII);
    buffer_append_format(output, ",\"after\":{\"%s\":", argument);
    buffer_append_string(output, text ? text : "null");
    buffer_append_char(output, '}');
    free(text);
}

static void append_rows(struct slice dry_runs, struct slice verdict, struct buffer *output)
{
    struct slice row;
    const char *between = "";
    buffer_append_string(output, ",\"dry_runs\":[");
    while (verdict_next_row(&dry_runs, &row)) {
        buffer_append_string(output, between);
        buffer_append_slice(output, row);
        between = ",";
    }
    buffer_append_string(output, "],\"verdict\":");
    buffer_append_slice(output, verdict);
}

static void end(uint64_t clock_ns, uint32_t repetitions, struct buffer *output)
{
    buffer_append_format(output, ",\"clock_ns\":%" PRIu64 ",\"repetitions\":%" PRIu32 "}\n", clock_ns, repetitions);
}

const struct explain_form explain_form_json = {
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
