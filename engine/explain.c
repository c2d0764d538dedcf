/* The question is put once with everything written down, then some hundred times more for its times alone: a single
 * call tells more about cold caches than about a module. */
#include "engine/explain.h"

#include <stdlib.h>

#include "engine/clock.h"
#include "engine/event_time.h"
#include "engine/explain_form.h"
#include "engine/verdict.h"

#define CLOCK_SAMPLES 1000

/* How long a measurement of nothing takes. */
static uint64_t clock_cost(void)
{
    uint64_t least = UINT64_MAX;
    for (int sample = 0; sample < CLOCK_SAMPLES; sample++) {
        uint64_t started = clock_now_ns(), taken = clock_now_ns() - started;
        least = taken < least ? taken : least;
    }
    return least;
}

static const struct explain_form *form_of(const struct explain_settings *settings)
{
    return settings->json ? &explain_form_json : &explain_form_text;
}

static const char *wait_problem = "a module waits for somebody outside, and nobody can be waited for here";

/* An event is explained as at its own time, anything else as now. */
static int64_t time_of(struct slice body)
{
    struct buffer scratch = {0};
    int64_t claimed = event_time_claimed(body, &scratch);
    buffer_free(&scratch);
    return claimed ? claimed : clock_wall_ms();
}

/* ---- an observed event */

struct event_question {
    const struct explain_settings *settings;
    struct explain_trace *trace;
    struct judge *judge;
    struct judgement *parked; /* the outcome's texts live in it, if it was parked */
    struct event event;
    json_t *membership; /* the text of content.membership, which a stream's row carries; or NULL */
    unsigned ask;
    const char *reason; /* of what Synapse would ask */
    unsigned synapse_asks;
    struct outcome outcome; /* passed, as long as there is none */
};

/* What the stream's row has, and the body has elsewhere. */
static json_t *read_membership(struct event *event)
{
    if (!slice_equal(event->type, SLICE("m.room.member")))
        return NULL;
    json_t *body = json_loadb(event->body.data, event->body.length, JSON_ALLOW_NUL, NULL);
    json_t *membership = json_incref(json_object_get(json_object_get(body, "content"), "membership"));
    json_decref(body);
    if (json_is_string(membership))
        event->membership = slice_of(json_string_value(membership), json_string_length(membership));
    return membership;
}

/* Puts the question to the end. False if a module waits and nobody can be waited for. */
static bool judge_once(struct event_question *question)
{
    const struct explain_settings *settings = question->settings;
    const struct outcome *outcome = judge_event(question->judge, &question->event, question->ask);
    if (!outcome)
        question->parked = judge_park(question->judge);
    while (!outcome) {
        if (!settings->wait)
            return false;
        uint64_t started = clock_now_ns();
        const struct service_answer *answer =
            settings->wait(settings->wait_context, judgement_ticket(question->parked));
        explain_trace_waited(question->trace, clock_now_ns() - started);
        outcome = judgement_resume(question->parked, answer);
    }
    question->outcome = *outcome;
    return true;
}

/* Repeats the question for its times; an outcome must have been used before. */
static void repeat_event(struct event_question *question)
{
    explain_trace_measure(question->trace, question->settings->repetitions);
    for (uint32_t count = 0; count < question->settings->repetitions; count++) {
        explain_trace_repeat(question->trace);
        judge_event(question->judge, &question->event, question->ask);
    }
}

static void append_callback(const struct event_question *question, enum callback callback, unsigned bit,
                            struct buffer *output)
{
    const struct callback_arguments arguments = {.callback = callback, .event = &question->event};
    struct explain_callback asked = {.callback = callback,
                                     .arguments = &arguments,
                                     .outcome = &question->outcome,
                                     .first = callback == CALLBACK_check_event_allowed,
                                     .last = callback == CALLBACK_check_event_for_spam};
    if (!(question->ask & bit))
        asked.why_not = question->reason;
    else if (callback == CALLBACK_check_event_for_spam && question->outcome.kind != OUTCOME_PASSED &&
             question->outcome.kind != OUTCOME_CHANGED && question->outcome.callback == CALLBACK_check_event_allowed)
        asked.why_not = "check_event_allowed did not let the event pass";
    if (asked.why_not)
        asked.arguments = NULL;
    form_of(question->settings)->callback(question->trace, &asked, output);
}

static void append_rows(const struct event_question *question, struct buffer *output)
{
    const struct verdict verdict = {.event = &question->event,
                                    .outcome = &question->outcome,
                                    .stream = SLICE("events"),
                                    .instance = slice_from_string(question->settings->instance_name)};
    struct buffer row = {0};
    verdict_append_row(&verdict, &row);
    form_of(question->settings)->rows(explain_trace_dry_run_rows(question->trace), buffer_slice(&row), output);
    buffer_free(&row);
}

static void tell_event(struct event_question *question, struct buffer *output)
{
    const struct explain_form *form = form_of(question->settings);
    const struct explain_asked asked = {question->synapse_asks, question->reason, question->ask,
                                        question->settings->as_synapse};
    struct buffer ending = {0}; /* written while the outcome lives */
    bool ended = judge_once(question);
    bool waited = question->parked != NULL;
    if (ended) {
        form->outcome(&question->outcome, &ending);
        append_rows(question, &ending);
    } else {
        form->open(wait_problem, &ending);
    }
    uint32_t repetitions = waited ? 0 : question->settings->repetitions;
    if (repetitions)
        repeat_event(question);
    form->begin(output);
    form->event(&question->event, output);
    form->asked(&asked, output);
    append_callback(question, CALLBACK_check_event_allowed, JUDGE_EVENT_ALLOWED, output);
    append_callback(question, CALLBACK_check_event_for_spam, JUDGE_EVENT_FOR_SPAM, output);
    buffer_append_slice(output, buffer_slice(&ending));
    form->end(clock_cost(), repetitions, output);
    buffer_free(&ending);
}

bool explain_event(const struct explain_settings *settings, struct slice body, struct slice event_id,
                   struct buffer *output, struct buffer *error)
{
    struct event_question question = {.settings = settings, .event = {.event_id = event_id}};
    question.judge = judge_create(settings->chain);
    enum event_read_status status = judge_read(question.judge, body, &question.event);
    if (status == EVENT_READ_OK) {
        question.membership = read_membership(&question.event);
        question.synapse_asks = judge_as_synapse(question.judge, &question.event, &question.reason);
        question.ask = settings->as_synapse ? question.synapse_asks : JUDGE_BOTH;
        question.trace = explain_trace_create(settings->chain, body, settings->instance_name);
        judge_set_time(question.judge, time_of(body), true);
        tell_event(&question, output);
        explain_trace_destroy(question.trace);
    } else {
        buffer_append_string(error, event_read_status_text(status));
    }
    judgement_free(question.parked);
    judge_destroy(question.judge);
    json_decref(question.membership);
    return status == EVENT_READ_OK;
}

/* ---- any other callback */

struct callback_question {
    const struct explain_settings *settings;
    const struct callback_definition *definition;
    struct explain_trace *trace;
    struct event_reader *reader;
    struct event event;
    json_t *membership;
    char *event_text;   /* of the member `event`; or NULL */
    struct arena arena; /* of the arguments */
    struct arena answers;
    struct callback_arguments arguments;
    struct outcome outcome;
};

static bool takes(const struct callback_definition *definition, enum argument_type type)
{
    for (uint32_t index = 0; index < definition->argument_count; index++)
        if (definition->arguments[index].type == type)
            return true;
    return false;
}

static bool read_event_argument(struct callback_question *question, const json_t *object, struct slice body,
                                struct buffer *error)
{
    const json_t *member = json_object_get(object, "event");
    if (!slice_present(body) && member) {
        question->event_text = json_dumps(member, JSON_COMPACT | JSON_ENCODE_ANY);
        body = slice_from_string(question->event_text);
    }
    if (!slice_present(body)) {
        buffer_append_format(error,
                             "%s is asked about an event: name a file with it, or give it as the argument `event`",
                             question->definition->name);
        return false;
    }
    question->reader = event_reader_create(chain_fields(question->settings->chain));
    enum event_read_status status = event_reader_read(question->reader, body, &question->event);
    if (status != EVENT_READ_OK) {
        buffer_append_string(error, event_read_status_text(status));
        return false;
    }
    question->membership = read_membership(&question->event);
    question->arguments.event = &question->event;
    return true;
}

static bool read_question(struct callback_question *question, enum callback callback, const json_t *object,
                          struct slice body, struct buffer *error)
{
    const char *problem;
    json_t *none = json_object();
    bool good =
        callback_read_arguments(callback, object ? object : none, &question->arena, &question->arguments, &problem);
    if (!good)
        buffer_append_string(error, problem);
    else if (takes(question->definition, ARGUMENT_EVENT))
        good = read_event_argument(question, object, body, error);
    json_decref(none);
    question->arguments.arena = &question->answers;
    question->arguments.now_ms = time_of(question->event.body);
    question->arguments.trial = true;
    return good;
}

/* False if a module waits and nobody can be waited for. */
static bool walk_once(struct callback_question *question, bool *waited)
{
    const struct explain_settings *settings = question->settings;
    struct walk walk;
    enum walk_state state = walk_begin(&walk, settings->chain, question->arguments.callback, &question->arguments);
    *waited = state == WALK_PENDING;
    while (state == WALK_PENDING) {
        if (!settings->wait)
            return false;
        uint64_t started = clock_now_ns();
        const struct service_answer *answer = settings->wait(settings->wait_context, walk.ticket);
        explain_trace_waited(question->trace, clock_now_ns() - started);
        state = walk_resume(&walk, answer);
    }
    question->outcome = walk.outcome;
    return true;
}

/* What the modules made of an argument that they may edit. */
static void append_edited(const struct callback_question *question, struct buffer *output)
{
    for (uint32_t index = 0; index < question->definition->argument_count; index++)
        if (question->definition->arguments[index].type == ARGUMENT_SHARED)
            form_of(question->settings)
                ->edited(question->definition->arguments[index].name, question->arguments.values[index].object, output);
}

static void repeat_callback(struct callback_question *question)
{
    struct outcome outcome;
    explain_trace_measure(question->trace, question->settings->repetitions);
    for (uint32_t count = 0; count < question->settings->repetitions; count++) {
        arena_reset(&question->answers);
        explain_trace_repeat(question->trace);
        chain_run(question->settings->chain, question->arguments.callback, &question->arguments, &outcome);
    }
}

static void append_callbacks(const struct callback_question *question, bool ended, struct buffer *output)
{
    const struct explain_form *form = form_of(question->settings);
    enum callback then = question->definition->then;
    struct explain_callback asked = {.callback = question->arguments.callback,
                                     .arguments = &question->arguments,
                                     .outcome = &question->outcome,
                                     .first = true,
                                     .last = then == CALLBACK_UNKNOWN};
    form->callback(question->trace, &asked, output);
    if (then == CALLBACK_UNKNOWN)
        return;
    bool reached = ended && (question->outcome.kind == OUTCOME_PASSED || question->outcome.callback == then);
    struct callback_arguments arguments = {.callback = then, .event = question->arguments.event};
    struct explain_callback next = {.callback = then,
                                    .arguments = reached ? &arguments : NULL,
                                    .why_not = "the walk had ended",
                                    .outcome = &question->outcome,
                                    .last = true};
    form->callback(question->trace, &next, output);
}

static void tell_callback(struct callback_question *question, struct buffer *output)
{
    const struct explain_form *form = form_of(question->settings);
    struct buffer ending = {0};
    bool waited, ended = walk_once(question, &waited);
    if (ended)
        form->outcome(&question->outcome, &ending);
    else
        form->open(wait_problem, &ending);
    append_edited(question, &ending);
    bool editable = takes(question->definition, ARGUMENT_SHARED);
    uint32_t repetitions = waited || editable ? 0 : question->settings->repetitions;
    if (repetitions)
        repeat_callback(question);
    form->begin(output);
    if (question->arguments.event)
        form->event(&question->event, output);
    form->question(question->arguments.callback, chain_semantics(question->settings->chain), output);
    append_callbacks(question, ended, output);
    buffer_append_slice(output, buffer_slice(&ending));
    form->end(clock_cost(), repetitions, output);
    buffer_free(&ending);
}

bool explain_callback(const struct explain_settings *settings, enum callback callback, const json_t *object,
                      struct slice body, struct buffer *output, struct buffer *error)
{
    struct callback_question question = {.settings = settings, .definition = &callback_definitions[callback]};
    bool good = read_question(&question, callback, object, body, error);
    if (good) {
        question.trace = explain_trace_create(settings->chain, question.event.body, settings->instance_name);
        tell_callback(&question, output);
        explain_trace_destroy(question.trace);
    }
    event_reader_destroy(question.reader);
    json_decref(question.membership);
    free(question.event_text);
    arena_free(&question.answers);
    arena_free(&question.arena);
    return good;
}
