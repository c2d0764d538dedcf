/* Spam by the type of the event, which the stream row carries: works without bodies.
 *
 * Entries without a `/` are held against the type alone, as they always were, and only where events are judged as spam.
 * An entry with one also looks at the state key; that, and what is asked of the content, is judged before a local event
 * is stored, too: local membership events are told nowhere else. Where nobody configures it, nobody waits for it. */
#include <stdlib.h>

#include "base/memory.h"
#include "base/text_find.h"
#include "filters/event_content.h"
#include "filters/known_content.h"
#include "filters/module.h"
#include "filters/subject.h"
#include "filters/type_globs.h"

enum { PASS, DENY };
static const char *const choices[] = {"pass", "deny", NULL};

struct configuration {
    struct text_list deny;
    struct text_list allow;
    int sticky;
    int encrypted;
    int malformed;
    char *code;
};

struct state {
    const struct configuration *configuration;
    struct slice code;
    struct type_globs deny;
    struct type_globs allow;
    struct known_content known;
};

static const struct parameter parameters[] = {
    {.name = "deny",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct configuration, deny),
     .fallback = "[]",
     .text = "Globs over the whole event type (`*` any run of characters, `?` any one; case-sensitive); with a `/`, "
             "over the type and the state key: m.room.member/@spam*."},
    {.name = "allow",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct configuration, allow),
     .fallback = "[]",
     .text = "Globs, of the same kind, over event types that pass even where something here denies them."},
    {.name = "sticky",
     .type = PARAMETER_CHOICE,
     .offset = offsetof(struct configuration, sticky),
     .fallback = "pass",
     .choices = choices,
     .text = "Whether events may be sticky (MSC4354), that is kept before everybody's eyes for a while."},
    {.name = "encrypted",
     .type = PARAMETER_CHOICE,
     .offset = offsetof(struct configuration, encrypted),
     .fallback = "pass",
     .choices = choices,
     .text = "Whether events may be encrypted, so that no module sees what is in them."},
    {.name = "malformed",
     .type = PARAMETER_CHOICE,
     .offset = offsetof(struct configuration, malformed),
     .fallback = "pass",
     .choices = choices,
     .text = "Whether events of known types may lack what the type must have, or have it as something else, such as a "
             "message whose body is no text."},
    {.name = "code",
     .type = PARAMETER_CODE,
     .offset = offsetof(struct configuration, code),
     .fallback = "M_FORBIDDEN",
     .text = "The error code that the verdict carries."},
};

static void destroy(void *pointer)
{
    struct state *state = pointer;
    type_globs_free(&state->deny);
    type_globs_free(&state->allow);
    known_content_free(&state->known);
    free(state);
}

static void judge_event(void *pointer, const struct callback_arguments *arguments, struct result *result);
static void judge_state_event(void *pointer, const struct callback_arguments *arguments, struct result *result);

static void *create(const struct module_setup *setup)
{
    const struct configuration *configuration = setup->configuration;
    struct state *state = memory_allocate_zeroed(1, sizeof *state);
    state->configuration = configuration;
    state->code = slice_from_string(configuration->code);
    bool good = type_globs_create(&state->deny, setup->host, "deny", &configuration->deny);
    good &= type_globs_create(&state->allow, setup->host, "allow", &configuration->allow);
    if (!good) {
        destroy(state);
        return NULL;
    }
    bool of_body = configuration->sticky == DENY || configuration->malformed == DENY;
    if (configuration->malformed == DENY)
        known_content_create(&state->known, setup->fields);
    if (of_body)
        *setup->needs_body = true;
    if (!of_body && configuration->encrypted == PASS && !state->deny.keyed.count)
        return state;
    module_register(setup,
                    &(struct module_callback){.callback = CALLBACK_check_event_allowed, .function = judge_event});
    module_register(setup, &(struct module_callback){.callback = CALLBACK_user_may_send_state_event,
                                                     .function = judge_state_event,
                                                     .where_known = true});
    return state;
}

static bool refuse(struct result *result, struct slice rule, struct slice reason, struct slice evidence)
{
    result->value.kind = VALUE_REFUSE;
    result->rule = rule;
    result->reason = reason;
    result->evidence = evidence;
    return true;
}

static bool is_listed(const struct state *state, const struct callback_arguments *arguments, struct slice type,
                      struct slice state_key, struct result *result)
{
    struct slice rule = type_globs_match(&state->deny, type, state_key, arguments->arena);
    return rule.data && refuse(result, rule, SLICE("the event type is on the list"), type);
}

/* MSC4354: a member of the event itself, and without a duration it has no effect. A body that holds no such word, also
 * none that is written with escapes of ASCII, need not be parsed. */
static bool is_sticky(const struct event *event)
{
    if (!event->has_body || (!text_find(event->body, SLICE("sticky")) && !text_find(event->body, SLICE("\\u00"))))
        return false;
    static const char *const names[] = {"sticky", "msc4354_sticky"};
    for (size_t index = 0; index < sizeof names / sizeof *names; index++) {
        yyjson_val *sticky = content_member(event_json(event), slice_from_string(names[index]));
        if (yyjson_is_num(content_member(sticky, SLICE("duration_ms"))))
            return true;
    }
    return false;
}

static bool is_malformed(const struct state *state, const struct callback_arguments *arguments, struct result *result)
{
    const char *wanted;
    struct slice key = known_content_fault(&state->known, arguments->event, &wanted);
    return key.data &&
           refuse(result, SLICE("malformed"),
                  arena_format(arguments->arena, "%.*s of the content is not %s", (int)key.length, key.data, wanted),
                  arguments->event->type);
}

static bool is_of_a_denied_kind(const struct state *state, const struct callback_arguments *arguments,
                                struct result *result)
{
    const struct configuration *configuration = state->configuration;
    const struct event *event = arguments->event;
    if (configuration->encrypted == DENY && slice_equal(event->type, SLICE("m.room.encrypted")))
        return refuse(result, SLICE("encrypted"), SLICE("the event is encrypted"), event->type);
    if (configuration->sticky == DENY && is_sticky(event))
        return refuse(result, SLICE("sticky"), SLICE("the event is sticky"), event->type);
    return configuration->malformed == DENY && is_malformed(state, arguments, result);
}

/* Ends a judgement: `allow` is looked at only where something would be denied. */
static void settle(const struct state *state, const struct callback_arguments *arguments, bool refused,
                   struct slice type, struct slice state_key, struct result *result)
{
    if (refused && !slice_present(type_globs_match(&state->allow, type, state_key, arguments->arena)))
        result->value = value_refuse(state->code);
    else
        *result = (struct result){.value = {.kind = VALUE_PASS}};
}

static void judge_event(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    const struct state *state = pointer;
    const struct event *event = arguments->event;
    bool refused = is_listed(state, arguments, event->type, event->state_key, result) ||
                   is_of_a_denied_kind(state, arguments, result);
    settle(state, arguments, refused, event->type, event->state_key, result);
}

/* Of the content only check_event_allowed judges, which is asked next about the same. */
static void judge_state_event(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    const struct state *state = pointer;
    struct slice type = subject_text(arguments, SUBJECT_TYPE);
    struct slice state_key = subject_text(arguments, SUBJECT_STATE_KEY);
    settle(state, arguments, is_listed(state, arguments, type, state_key, result), type, state_key, result);
}

static const struct module_callback callbacks[] = {
    {.callback = CALLBACK_check_event_for_spam, .function = judge_event}};

extern const struct module_definition module_event_types;
const struct module_definition module_event_types = {
    .name = "event_types",
    .summary = "Denies events of listed types, and sticky, encrypted or malformed ones.",
    .parameters = parameters,
    .parameter_count = sizeof parameters / sizeof *parameters,
    .configuration_size = sizeof(struct configuration),
    .needs_body = false,
    .concurrent = true,
    .answers_alike = true,
    .callbacks = callbacks,
    .callback_count = sizeof callbacks / sizeof *callbacks,
    .create = create,
    .destroy = destroy,
};
