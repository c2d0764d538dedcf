/* The censor of Synapse's documentation (callbacks.md, section 6.2), as its page means it: each event goes to a web
 * service in canonical JSON, and the object that comes back becomes its content.
 *
 * A censor that cannot be asked lets nothing through: any failure is the module's, and Synapse refuses the event with
 * an error. The printed example answers with the dict alone, by which every event would fail; this one answers with the
 * pair that Synapse wants. */
#include <stdlib.h>

#include "base/memory.h"
#include "filters/asking.h"
#include "filters/canonical_json.h"

struct configuration {
    struct asking_configuration asking;
};

struct state {
    const struct module_services *services;
    struct service *service; /* NULL where nobody can be asked */
    struct buffer question;
};

static const struct parameter parameters[] = {
    {.name = "endpoint",
     .type = PARAMETER_TEXT,
     .offset = offsetof(struct configuration, asking.url),
     .fallback = "https://my-internal-service.local/censor-event",
     .text = "Where each event is posted; the JSON object that is answered becomes its content."},
    ASKING_PARAMETERS(struct configuration, asking),
};

static void destroy(void *pointer)
{
    struct state *state = pointer;
    asking_close(state->services, state->service);
    buffer_free(&state->question);
    free(state);
}

static void *create(const struct module_setup *setup)
{
    const struct configuration *configuration = setup->configuration;
    struct state *state = memory_allocate_zeroed(1, sizeof *state);
    state->services = setup->host->services;
    if (asking_open(setup, "endpoint", &configuration->asking, &state->service))
        return state;
    destroy(state);
    return NULL;
}

/* The event's canonical JSON into the question; false if that cannot be. */
static bool write_question(struct state *state, struct slice body)
{
    buffer_clear(&state->question);
    json_t *event = body.length <= SERVICE_QUESTION_MAXIMUM ? json_loadb(body.data, body.length, 0, NULL) : NULL;
    bool good = event && canonical_json_append(event, SERVICE_QUESTION_MAXIMUM, &state->question);
    json_decref(event);
    return good;
}

static void check_event_allowed(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    struct state *state = pointer;
    const char *problem = "the event has no canonical JSON, or a larger one than 1 MiB";
    bool asked = write_question(state, arguments->event->body) &&
                 asking_post(state->services, state->service, SLICE(""), buffer_slice(&state->question), &result->value,
                             &problem);
    if (!asked)
        result->value = value_raise(arguments->arena, RAISED_OTHER, "%s", problem);
}

static void answer(void *pointer, const struct callback_arguments *arguments, const struct service_answer *answered,
                   struct result *result)
{
    struct state *state = pointer;
    const char *problem = NULL;
    json_t *content = asking_read(state->services, state->service, answered, arguments->arena, &problem);
    if (content && !json_is_object(content)) {
        problem = "the service's answer is no JSON object";
        asking_complain(state->services, state->service, problem);
    }
    if (problem) {
        result->value = value_raise(arguments->arena, RAISED_OTHER, "%s", problem);
        json_decref(content);
        return;
    }
    json_t *members = json_pack("{s:o}", "content", content);
    result->value = value_pair(arguments->arena, true, value_own_json(arguments->arena, members));
    result->reason = SLICE("the service gave the event this content");
}

static const struct module_callback callbacks[] = {
    {.callback = CALLBACK_check_event_allowed, .function = check_event_allowed}};

extern const struct module_definition module_event_censorer;
const struct module_definition module_event_censorer = {
    .name = "event_censorer",
    .summary = "Lets a web service replace the content of every event.",
    .parameters = parameters,
    .parameter_count = sizeof parameters / sizeof *parameters,
    .configuration_size = sizeof(struct configuration),
    .needs_body = true,
    .replaces = true,
    .callbacks = callbacks,
    .callback_count = sizeof callbacks / sizeof *callbacks,
    .create = create,
    .destroy = destroy,
    .answer = answer,
};
