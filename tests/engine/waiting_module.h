/* A module for tests of what waits: the type of an event says what it does with it. It asks a service that is the test
 * itself: the questions are in `waiting.questions`, in order.
 *
 *     t.pass  passes              t.deny  refuses
 *     t.ask   asks the service    t.raise raises
 *
 * The answers of the service: "pass", "deny", "again" (one more question); without one it passes. */
#ifndef WEIR_TESTS_ENGINE_WAITING_MODULE_H
#define WEIR_TESTS_ENGINE_WAITING_MODULE_H

#include <criterion/criterion.h>
#include <stdlib.h>

#include "engine/log.h"
#include "engine/observer.h"

struct question {
    uint64_t ticket; /* 0: answered */
    char event_id[16];
    char chain[8];
};

static struct {
    struct question *questions;
    size_t count;
    uint64_t ticket; /* the last one given out */
    unsigned states; /* modules that live */
} waiting;

struct waiting_configuration {
    char *name;
};

static void waiting_ask(const struct waiting_configuration *state, const struct callback_arguments *arguments,
                        struct result *result)
{
    waiting.questions = realloc(waiting.questions, (waiting.count + 1) * sizeof *waiting.questions);
    struct question *question = &waiting.questions[waiting.count++];
    question->ticket = ++waiting.ticket;
    snprintf(question->event_id, sizeof question->event_id, "%.*s", (int)arguments->event->event_id.length,
             arguments->event->event_id.data);
    snprintf(question->chain, sizeof question->chain, "%s", state->name);
    result->value = (struct value){.kind = VALUE_PENDING, .ticket = question->ticket};
}

static void waiting_judge(void *state, const struct callback_arguments *arguments, struct result *result)
{
    const struct event *event = arguments->event;
    result->value.kind = VALUE_PASS;
    if (slice_equal(event->type, SLICE("t.ask")))
        waiting_ask(state, arguments, result);
    else if (slice_equal(event->type, SLICE("t.deny")))
        result->value = value_refuse(SLICE("M_FORBIDDEN"));
    else if (slice_equal(event->type, SLICE("t.raise")))
        result->value = value_raise(arguments->arena, RAISED_OTHER, "broken");
    /* What the row of a dry run says must not change with the event's memory. */
    result->reason = event->event_id;
}

static void waiting_answer(void *state, const struct callback_arguments *arguments, const struct service_answer *answer,
                           struct result *result)
{
    result->value.kind = VALUE_PASS;
    if (answer->arrived && slice_equal(answer->body, SLICE("deny")))
        result->value = value_refuse(SLICE("M_FORBIDDEN"));
    else if (answer->arrived && slice_equal(answer->body, SLICE("again")))
        waiting_ask(state, arguments, result);
    result->reason = answer->arrived ? SLICE("asked") : answer->error;
}

static void *waiting_create(const struct module_setup *setup)
{
    waiting.states++;
    return setup->configuration;
}

static void waiting_destroy(void *state)
{
    (void)state;
    waiting.states--;
}

static const struct parameter waiting_parameters[] = {{.name = "name",
                                                       .type = PARAMETER_TEXT,
                                                       .offset = offsetof(struct waiting_configuration, name),
                                                       .fallback = "first"}};
static const struct module_callback waiting_callbacks[] = {
    {.callback = CALLBACK_check_event_for_spam, .function = waiting_judge}};
static const struct module_definition waiting_module = {.name = "waiting",
                                                        .summary = "asks the test",
                                                        .parameters = waiting_parameters,
                                                        .parameter_count = 1,
                                                        .configuration_size = sizeof(struct waiting_configuration),
                                                        .callbacks = waiting_callbacks,
                                                        .callback_count = 1,
                                                        .create = waiting_create,
                                                        .destroy = waiting_destroy,
                                                        .answer = waiting_answer};

static void waiting_report(void *context, const char *path, const char *message)
{
    (void)context;
    cr_assert_fail("%s: %s", path, message);
}

static void waiting_append(struct chain *chain, const char *name, bool dry_run)
{
    static const struct module_host host = {.report = waiting_report};
    json_t *config = json_pack("{s:s}", "name", name);
    cr_assert(chain_append(chain, &waiting_module, config, &(struct module_options){.dry_run = dry_run}, &host));
    json_decref(config);
}

/* A sealed chain of one such module. */
static inline struct chain *waiting_chain(const char *name)
{
    struct chain *chain = chain_create(&(struct chain_settings){.server_name = "lab.test"});
    waiting_append(chain, name, false);
    cr_assert(chain_seal(chain, NULL, NULL));
    return chain;
}

/* Answers a question; `text` NULL: the service failed. */
static inline void waiting_reply(struct observer *observer, struct question *question, const char *text)
{
    uint64_t ticket = question->ticket;
    question->ticket = 0;
    struct service_answer answer = {.arrived = text != NULL, .status = 200, .body = slice_from_string(text)};
    if (!text)
        answer.error = SLICE("timed out");
    observer_answered(observer, ticket, &answer);
}

static inline struct question *waiting_question(const char *event_id)
{
    for (size_t index = waiting.count; index-- > 0;)
        if (waiting.questions[index].ticket && strcmp(waiting.questions[index].event_id, event_id) == 0)
            return &waiting.questions[index];
    cr_assert_fail("%s was not asked about", event_id);
    return NULL;
}

#endif
