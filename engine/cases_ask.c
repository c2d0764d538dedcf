/* An observed event goes through the judge, as in a replay; any other question is one walk, as a request. Both are
 * traced, for what modules in dry_run would have done and for who wants to see what each module said. */
#include "engine/cases_ask.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/tail_format.h"
#include "filters/chain_followed.h"
#include "filters/judge.h"

struct case_asker {
    struct configuration *configuration;
    struct case_services *services;
    struct judge *judge;
    struct event_reader *reader; /* of events that callbacks are asked about */
    int64_t ordering;            /* of the last event that was observed */
};

struct case_asker *case_asker_create(struct configuration *configuration, struct case_services *services)
{
    struct case_asker *asker = memory_allocate_zeroed(1, sizeof *asker);
    *asker = (struct case_asker){.configuration = configuration,
                                 .services = services,
                                 .judge = judge_create(configuration->chain),
                                 .reader = event_reader_create(chain_fields(configuration->chain))};
    return asker;
}

void case_asker_destroy(struct case_asker *asker)
{
    if (!asker)
        return;
    judge_destroy(asker->judge);
    event_reader_destroy(asker->reader);
    free(asker);
}

/* ---- what is asked */

static json_t *numbered_text(const json_t *text, const char *number)
{
    const char *rest = json_string_value(text), *found;
    if (!strstr(rest, "{n}"))
        return json_copy((json_t *)(uintptr_t)text);
    struct buffer whole = {0};
    for (; (found = strstr(rest, "{n}")); rest = found + 3) {
        buffer_append(&whole, rest, (size_t)(found - rest));
        buffer_append_string(&whole, number);
    }
    buffer_append_string(&whole, rest);
    json_t *numbered = json_stringn_nocheck(buffer_string(&whole), whole.length);
    buffer_free(&whole);
    return numbered;
}

/* A copy with the number in the place of every `{n}`; as deep as a YAML document. */
static json_t *numbered_copy(const json_t *json, const char *number)
{
    const char *key;
    json_t *value, *copy;
    size_t index;
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        copy = json_object();
        json_object_foreach((json_t *)(uintptr_t)json, key, value)
            json_object_set_new_nocheck(copy, key, numbered_copy(value, number));
        return copy;
    case JSON_ARRAY:
        copy = json_array();
        json_array_foreach((json_t *)(uintptr_t)json, index, value)
            json_array_append_new(copy, numbered_copy(value, number));
        return copy;
    case JSON_STRING:
        return numbered_text(json, number);
    default:
        return json_copy((json_t *)(uintptr_t)json);
    }
}

static json_t *copy_for(const struct case_question *question, const json_t *json)
{
    char number[16];
    if (!json || question->test->repeat == 1)
        return json ? json_deep_copy(json) : NULL;
    snprintf(number, sizeof number, "%" PRIu32, question->repetition);
    return numbered_copy(json, number);
}

static json_t *event_for(const struct case_question *question)
{
    char id[64];
    json_t *event = copy_for(question, question->test->event);
    if (!event)
        return NULL;
    snprintf(id, sizeof id, "$case%" PRIu32 "-%" PRIu32, question->case_number, question->repetition);
    if (!json_object_get(event, "event_id"))
        json_object_set_new(event, "event_id", json_string(id));
    if (!json_object_get(event, "origin_server_ts"))
        json_object_set_new(event, "origin_server_ts", json_integer(question->now_ms));
    return event;
}

/* ---- who said what */

/* While a question is put. */
struct asking {
    struct case_asker *asker;
    const struct case_question *question;
    json_t *asked;
    char *text; /* of the event */
    struct event event;
    struct explain_trace *trace;
    struct buffer dry_runs;
    struct buffer said;
    struct buffer *error;
};

static void note_answer(void *context, const struct explain_answer *answer)
{
    struct asking *asking = context;
    const char *label = asking->asker->configuration->modules[answer->module_index].label;
    if (answer->would_have_ended)
        buffer_append_format(&asking->dry_runs, "%s\n%s\n", label ? label : answer->module, answer->module);
    buffer_append_format(&asking->said, "    %s%s: ", label ? label : answer->module,
                         answer->would_have_ended ? " (dry_run)" : "");
    if (slice_present(answer->why_not))
        buffer_append_string(&asking->said, "not asked, ");
    buffer_append_slice(&asking->said, slice_present(answer->why_not) ? answer->why_not : answer->says);
    buffer_append_char(&asking->said, '\n');
    buffer_append_slice(&asking->said, answer->because);
}

static void note_answers(struct asking *asking, enum callback callback, const struct callback_arguments *arguments,
                         const struct outcome *outcome)
{
    buffer_append_format(&asking->said, "  %s\n", callback_definitions[callback].name);
    explain_trace_each(asking->trace, callback, arguments, outcome, note_answer, asking);
}

static void finish(struct asking *asking, const struct outcome *outcome, const json_t *edited,
                   case_answer_function *show, void *context)
{
    const struct case_answer answer = {.configuration = asking->asker->configuration,
                                       .outcome = outcome,
                                       .asked = asking->asked,
                                       .edited = edited,
                                       .unnamed = case_services_unnamed(asking->asker->services),
                                       .dry_runs = buffer_slice(&asking->dry_runs),
                                       .said = buffer_slice(&asking->said)};
    show(context, &answer);
}

/* ---- the two ways of asking */

static const struct service_answer *wait_for(struct asking *asking, uint64_t ticket)
{
    return case_services_answer(asking->asker->services, ticket);
}

static bool read_failed(struct asking *asking, enum event_read_status status)
{
    if (status != EVENT_READ_OK)
        buffer_append_string(asking->error, event_read_status_text(status));
    return status != EVENT_READ_OK;
}

static void set_membership(struct asking *asking)
{
    const json_t *membership = json_object_get(json_object_get(asking->asked, "content"), "membership");
    if (slice_equal(asking->event.type, SLICE("m.room.member")) && json_is_string(membership))
        asking->event.membership = slice_of(json_string_value(membership), json_string_length(membership));
}

static bool ask_observed(struct asking *asking, case_answer_function *show, void *context)
{
    struct judge *judge = asking->asker->judge;
    const char *reason;
    if (read_failed(asking, judge_read(judge, slice_from_string(asking->text), &asking->event)))
        return false;
    set_membership(asking);
    asking->asker->ordering++;
    if (slice_present(asking->event.state_key))
        chain_state_event(asking->asker->configuration->chain, &asking->event, asking->asker->ordering);
    unsigned synapse_asks = judge_as_synapse(judge, &asking->event, &reason);
    unsigned ask = asking->asker->configuration->observe_as_synapse ? synapse_asks : JUDGE_BOTH;
    judge_set_time(judge, asking->question->now_ms, false);
    const struct outcome *outcome = judge_event(judge, &asking->event, ask);
    struct judgement *parked = outcome ? NULL : judge_park(judge);
    while (!outcome)
        outcome = judgement_resume(parked, wait_for(asking, judgement_ticket(parked)));
    struct callback_arguments arguments = {.event = &asking->event};
    if (ask & JUDGE_EVENT_ALLOWED)
        note_answers(asking, CALLBACK_check_event_allowed, &arguments, outcome);
    bool refused = outcome->kind == OUTCOME_DENIED || outcome->kind == OUTCOME_FAILED;
    if (ask & JUDGE_EVENT_FOR_SPAM && !(refused && outcome->callback == CALLBACK_check_event_allowed))
        note_answers(asking, CALLBACK_check_event_for_spam, &arguments, outcome);
    finish(asking, outcome, NULL, show, context);
    judgement_free(parked);
    return true;
}

/* The argument that modules may edit, or NULL. */
static const json_t *edited_argument(const struct callback_arguments *arguments)
{
    const struct callback_definition *definition = &callback_definitions[arguments->callback];
    for (uint32_t index = 0; index < definition->argument_count; index++)
        if (definition->arguments[index].type == ARGUMENT_SHARED)
            return arguments->values[index].object;
    return NULL;
}

static void walk(struct asking *asking, struct callback_arguments *arguments, case_answer_function *show, void *context)
{
    struct walk walk;
    enum walk_state state = walk_begin(&walk, asking->asker->configuration->chain, arguments->callback, arguments);
    while (state == WALK_PENDING)
        state = walk_resume(&walk, wait_for(asking, walk.ticket));
    note_answers(asking, arguments->callback, arguments, &walk.outcome);
    enum callback then = callback_definitions[arguments->callback].then;
    if (then != CALLBACK_UNKNOWN && (walk.outcome.kind == OUTCOME_PASSED || walk.outcome.callback == then))
        note_answers(asking, then, &(struct callback_arguments){.callback = then, .event = arguments->event},
                     &walk.outcome);
    finish(asking, &walk.outcome, edited_argument(arguments), show, context);
}

static bool ask_callback(struct asking *asking, case_answer_function *show, void *context)
{
    const struct case_question *question = asking->question;
    if (asking->text) {
        struct event_reader *reader = asking->asker->reader;
        if (read_failed(asking, event_reader_read(reader, slice_from_string(asking->text), &asking->event)))
            return false;
        set_membership(asking);
    }
    struct arena arena = {0}, answers = {0};
    struct callback_arguments arguments = {0};
    const char *problem = NULL;
    json_t *object = copy_for(question, question->test->arguments);
    bool good = callback_read_arguments(question->test->callback, object, &arena, &arguments, &problem);
    arguments.event = asking->text ? &asking->event : NULL;
    arguments.arena = &answers;
    arguments.now_ms = question->now_ms;
    if (good)
        walk(asking, &arguments, show, context);
    else
        buffer_append_string(asking->error, problem);
    arena_free(&answers);
    arena_free(&arena);
    json_decref(object);
    return good;
}

bool case_ask(struct case_asker *asker, const struct case_question *question, case_answer_function *show, void *context,
              struct buffer *error)
{
    struct asking asking = {.asker = asker, .question = question, .asked = event_for(question), .error = error};
    asking.text = asking.asked ? json_dumps(asking.asked, JSON_COMPACT) : NULL;
    case_services_answers(asker->services, question->test->services);
    asking.trace = explain_trace_create(asker->configuration->chain, slice_from_string(asking.text),
                                        asker->configuration->instance_name);
    bool asked = question->test->callback == CALLBACK_UNKNOWN ? ask_observed(&asking, show, context)
                                                              : ask_callback(&asking, show, context);
    explain_trace_destroy(asking.trace);
    buffer_free(&asking.dry_runs);
    buffer_free(&asking.said);
    free(asking.text);
    json_decref(asking.asked);
    return asked;
}
