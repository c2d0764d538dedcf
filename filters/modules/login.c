/* Who may log in, by where the login comes from. Whether the password is right is not known here and not asked: Synapse
 * asks after it was found so. */
#include <stdlib.h>

#include "base/memory.h"
#include "filters/module.h"
#include "filters/origin_rules.h"
#include "filters/subject.h"

struct configuration {
    struct origin_configuration origin;
    struct pattern_access_configuration device_names;
    char *code;
};

struct state {
    struct slice code;
    struct origin_rules origin;
    struct pattern_access device_names;
};

static const struct parameter parameters[] = {
    ORIGIN_PARAMETERS(struct configuration, origin),
    FIELDS_ROW(struct configuration, device_names, "device_names", regex_access_fields, PATTERN_ACCESS_FIELDS,
               "The name that a new device gives itself; a list alone is one of those denied."),
    {.name = "code",
     .type = PARAMETER_CODE,
     .offset = offsetof(struct configuration, code),
     .fallback = "M_FORBIDDEN",
     .text = "The error code that the verdict carries."},
};

static void destroy(void *pointer)
{
    struct state *state = pointer;
    origin_rules_free(&state->origin);
    pattern_access_free(&state->device_names);
    free(state);
}

static void *create(const struct module_setup *setup)
{
    struct configuration *configuration = setup->configuration;
    struct state *state = memory_allocate_zeroed(1, sizeof *state);
    state->code = slice_from_string(configuration->code);
    bool good = origin_rules_open(&state->origin, setup->host, &configuration->origin);
    good = pattern_access_open(&state->device_names, setup->host, "device_names", &configuration->device_names,
                               PATTERN_REGEX) &&
           good;
    if (good)
        return state;
    destroy(state);
    return NULL;
}

static void check_login_for_spam(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    const struct state *state = pointer;
    result->value.kind = VALUE_PASS;
    if (origin_rules_refuse(&state->origin, arguments, result) ||
        pattern_access_refuses(&state->device_names, subject_text(arguments, SUBJECT_DEVICE_NAME),
                               SLICE("the device's name matches a pattern"), result))
        result->value = value_refuse(state->code);
}

static const struct module_callback callbacks[] = {
    {.callback = CALLBACK_check_login_for_spam, .function = check_login_for_spam}};

extern const struct module_definition module_login;
const struct module_definition module_login = {
    .name = "login",
    .summary = "Denies logins by the client's address, user agent and device name, and by the identity provider.",
    .parameters = parameters,
    .parameter_count = sizeof parameters / sizeof *parameters,
    .configuration_size = sizeof(struct configuration),
    .concurrent = true,
    .callbacks = callbacks,
    .callback_count = sizeof callbacks / sizeof *callbacks,
    .create = create,
    .destroy = destroy,
};
