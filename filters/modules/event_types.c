/* Spam by the type of the event, which the stream row carries: works without bodies. */
#include <stdlib.h>

#include "base/memory.h"
#include "filters/module.h"
#include "filters/pattern_list.h"

struct configuration {
    struct text_list deny;
    struct text_list allow;
    char *code;
};

struct state {
    struct slice code;
    struct pattern_list deny;
    struct pattern_list allow;
};

static const struct parameter parameters[] = {
    {.name = "deny",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct configuration, deny),
     .fallback = "[]",
     .text = "Globs over the whole event type (`*` any run of characters, `?` any one; case-sensitive)."},
    {.name = "allow",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct configuration, allow),
     .fallback = "[]",
     .text = "Globs over event types that pass even where `deny` matches."},
    {.name = "code",
     .type = PARAMETER_CODE,
     .offset = offsetof(struct configuration, code),
     .fallback = "M_FORBIDDEN",
     .text = "The error code that the verdict carries."},
};

static void destroy(void *pointer)
{
    struct state *state = pointer;
    pattern_list_free(&state->deny);
    pattern_list_free(&state->allow);
    free(state);
}

static void *create(const struct module_setup *setup)
{
    const struct configuration *configuration = setup->configuration;
    struct state *state = memory_allocate_zeroed(1, sizeof *state);
    state->code = slice_from_string(configuration->code);
    bool good = pattern_list_add_all(&state->deny, setup->host, "deny", &configuration->deny, PATTERN_GLOB, true);
    good &= pattern_list_add_all(&state->allow, setup->host, "allow", &configuration->allow, PATTERN_GLOB, true);
    good &= pattern_list_compile(&state->deny, setup->host);
    good &= pattern_list_compile(&state->allow, setup->host);
    if (!good) {
        destroy(state);
        return NULL;
    }
    return state;
}

static void check_event_for_spam(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    const struct state *state = pointer;
    struct slice type = arguments->event->type;
    result->value.kind = VALUE_PASS;
    struct slice rule = pattern_list_match(&state->deny, type);
    if (!rule.data || slice_present(pattern_list_match(&state->allow, type)))
        return;
    result->value = value_refuse(state->code);
    result->rule = rule;
    result->reason = SLICE("the event type is on the list");
    result->evidence = type;
}

static const struct module_callback callbacks[] = {
    {.callback = CALLBACK_check_event_for_spam, .function = check_event_for_spam}};

extern const struct module_definition module_event_types;
const struct module_definition module_event_types = {
    .name = "event_types",
    .summary = "Denies events of listed types.",
    .parameters = parameters,
    .parameter_count = sizeof parameters / sizeof *parameters,
    .configuration_size = sizeof(struct configuration),
    .needs_body = false,
    .concurrent = true,
    .callbacks = callbacks,
    .callback_count = sizeof callbacks / sizeof *callbacks,
    .create = create,
    .destroy = destroy,
};
