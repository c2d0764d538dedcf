/* Who may log in, by where the login comes from, and how often. Whether the password is right is not known here and not
 * asked: Synapse asks after it was found so. What was wrong is thus not counted. */
#include <stdlib.h>

#include "base/memory.h"
#include "filters/origin_rules.h"
#include "filters/request_rates.h"
#include "filters/subject.h"

struct configuration {
    struct origin_configuration origin;
    struct pattern_access_configuration device_names;
    struct rate rate_ip;
    struct rate rate_user;
    struct rate_sharing_configuration sharing;
    char *code;
};

struct state {
    struct slice code;
    struct origin_rules origin;
    struct pattern_access device_names;
    struct request_rates rates;
};

static const struct parameter parameters[] = {
    ORIGIN_PARAMETERS(struct configuration, origin),
    FIELDS_ROW(struct configuration, device_names, "device_names", regex_access_fields, PATTERN_ACCESS_FIELDS,
               "The name that a new device gives itself; a list alone is one of those denied."),
    REQUEST_RATE_ROW(
        struct configuration, rate_ip, "rate_ip", NULL,
        "How many logins may come from one network (/24 of IPv4, /64 of IPv6): so many at once, and evenly "
        "so many in each period, such as 30/m."),
    REQUEST_RATE_ROW(struct configuration, rate_user, "rate_user", NULL,
                     "Likewise, how often one user may log in, from wherever."),
    RATE_SHARING_PARAMETERS(struct configuration, sharing),
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
    request_rates_free(&state->rates);
    free(state);
}

static void *create(const struct module_setup *setup)
{
    struct configuration *configuration = setup->configuration;
    struct state *state = memory_allocate_zeroed(1, sizeof *state);
    state->code = slice_from_string(configuration->code);
    request_rates_add(&state->rates, RATE_KEY_NETWORK, configuration->rate_ip, "rate_ip");
    request_rates_add(&state->rates, RATE_KEY_SENDER, configuration->rate_user, "rate_user");
    bool good = origin_rules_open(&state->origin, setup->host, &configuration->origin);
    good = pattern_access_open(&state->device_names, setup->host, "device_names", &configuration->device_names,
                               PATTERN_REGEX) &&
           good;
    good = request_rates_share(&state->rates, setup, "login", &configuration->sharing) && good;
    if (good)
        return state;
    destroy(state);
    return NULL;
}

static void check_login_for_spam(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    struct state *state = pointer;
    result->value.kind = VALUE_PASS;
    if (origin_rules_refuse(&state->origin, arguments, result) ||
        pattern_access_refuses(&state->device_names, subject_text(arguments, SUBJECT_DEVICE_NAME),
                               SLICE("the device's name matches a pattern"), result) ||
        request_rates_refuse(&state->rates, arguments, result))
        result->value = value_refuse(state->code);
}

static void answer(void *pointer, const struct callback_arguments *arguments, const struct service_answer *answered,
                   struct result *result)
{
    struct state *state = pointer;
    result->value.kind = VALUE_PASS;
    if (request_rates_answer(&state->rates, arguments, answered, result))
        result->value = value_refuse(state->code);
}

/* ---- snapshots and figures */

static void save(const void *pointer, struct buffer *output)
{
    const struct state *state = pointer;
    request_rates_save(&state->rates, output);
}

static bool restore(void *pointer, struct slice saved)
{
    struct state *state = pointer;
    return request_rates_restore(&state->rates, saved);
}

static void figures(const void *pointer, module_figure_function *figure, void *context)
{
    const struct state *state = pointer;
    request_rates_figures(&state->rates, figure, context);
}

static const struct module_callback callbacks[] = {
    {.callback = CALLBACK_check_login_for_spam, .function = check_login_for_spam}};

extern const struct module_definition module_login;
const struct module_definition module_login = {
    .name = "login",
    .summary = "Denies logins by the client's address, user agent and device name, by the identity provider, and those "
               "that come "
               "too often.",
    .parameters = parameters,
    .parameter_count = sizeof parameters / sizeof *parameters,
    .configuration_size = sizeof(struct configuration),
    .reads_time = true,
    .callbacks = callbacks,
    .callback_count = sizeof callbacks / sizeof *callbacks,
    .create = create,
    .destroy = destroy,
    .answer = answer,
    .save = save,
    .restore = restore,
    .figures = figures,
};
