/* Who may have an account: by name, e-mail address, and where the registration comes from, and how many from there.
 * Synapse asks for every registration: a client's, one by single sign-on, an application service's, an administrator's.
 * What has no address, as those of application services, has no rate. */
#include <stdlib.h>

#include "base/memory.h"
#include "filters/origin_rules.h"
#include "filters/request_rates.h"
#include "filters/subject.h"

enum action { ACTION_DENY, ACTION_SHADOW_BAN };

struct email_configuration {
    struct access_configuration domains;
    struct text_list required;
};

struct configuration {
    struct pattern_access_configuration usernames;
    struct email_configuration emails;
    struct origin_configuration origin;
    struct rate rate_ip;
    struct rate_sharing_configuration sharing;
    int action;
};

struct state {
    struct pattern_access usernames;
    struct access_list domains;
    struct name_list required;
    struct origin_rules origin;
    struct request_rates rates;
    enum action action;
};

static const char *const actions[] = {[ACTION_DENY] = "deny", [ACTION_SHADOW_BAN] = "shadow_ban", NULL};

#define EMAIL_FIELDS (sizeof email_fields / sizeof *email_fields)
static const struct parameter email_fields[] = {
    ACCESS_PARAMETERS(struct email_configuration, domains,
                      "Domains of e-mail addresses that are denied, or globs over the whole domain"),
    {.name = "required",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct email_configuration, required),
     .fallback = "[]",
     .text = "Domains, or globs, of which an e-mail address must be given, `*` for any; single sign-on needs none."},
};

static const struct parameter parameters[] = {
    FIELDS_ROW(struct configuration, usernames, "usernames", regex_access_fields, PATTERN_ACCESS_FIELDS,
               "The user name, without `@` and server; a list alone is one of those denied."),
    FIELDS_ROW(struct configuration, emails, "email_domains", email_fields, EMAIL_FIELDS,
               "What stands behind the `@` of the e-mail address, where one was given; a list alone is one of those "
               "denied."),
    ORIGIN_PARAMETERS(struct configuration, origin),
    REQUEST_RATE_ROW(struct configuration, rate_ip, "rate_ip", "5/h",
                     "How many accounts may come from one network (/24 of IPv4, /64 of IPv6): so many at once, and "
                     "evenly so many in each period; a rate of 4000000/s stands for no bound."),
    RATE_SHARING_PARAMETERS(struct configuration, sharing),
    {.name = "action",
     .type = PARAMETER_CHOICE,
     .offset = offsetof(struct configuration, action),
     .fallback = "deny",
     .choices = actions,
     .text = "What happens: the registration is refused, or the account is made and nobody but itself sees what it "
             "sends."},
};

static const struct access_reasons domain_reasons = {
    .listed = {"the e-mail address' domain is on the list", 41},
    .pattern = {"the e-mail address' domain matches a pattern on the list", 56}};

static void destroy(void *pointer)
{
    struct state *state = pointer;
    pattern_access_free(&state->usernames);
    access_list_free(&state->domains);
    name_list_free(&state->required);
    origin_rules_free(&state->origin);
    request_rates_free(&state->rates);
    free(state);
}

static void *create(const struct module_setup *setup)
{
    struct configuration *configuration = setup->configuration;
    const struct module_host *host = setup->host;
    struct state *state = memory_allocate_zeroed(1, sizeof *state);
    struct name_list_options options = {.ignore_case = true};
    state->action = (enum action)configuration->action;
    request_rates_add(&state->rates, RATE_KEY_NETWORK, configuration->rate_ip, "rate_ip");
    name_list_open(&state->required, options);
    bool good = pattern_access_open(&state->usernames, host, "usernames", &configuration->usernames, PATTERN_REGEX);
    good &= access_list_open(&state->domains, host, "email_domains.", &configuration->emails.domains, options,
                             ACCESS_DENY, &domain_reasons);
    good &= name_list_add(&state->required, host, "email_domains.required", &configuration->emails.required);
    good &= name_list_compile(&state->required, host);
    good &= origin_rules_open(&state->origin, host, &configuration->origin);
    good &= request_rates_share(&state->rates, setup, "registration", &configuration->sharing);
    if (good)
        return state;
    destroy(state);
    return NULL;
}

/* What stands behind the last `@`, since what stands before it may be quoted. */
static struct slice domain_of(const struct callback_arguments *arguments)
{
    struct slice address = subject_text(arguments, SUBJECT_ADDRESS);
    if (!address.data || !slice_equal(subject_text(arguments, SUBJECT_MEDIUM), SLICE("email")))
        return SLICE_ABSENT;
    const char *at = memrchr(address.data, '@', address.length);
    return at ? slice_of(at + 1, address.length - (size_t)(at + 1 - address.data)) : SLICE_ABSENT;
}

static bool lacks_email(const struct state *state, const struct callback_arguments *arguments, struct slice domain,
                        struct result *result)
{
    bool is_glob;
    if (!name_list_count(&state->required) || slice_present(subject_text(arguments, SUBJECT_PROVIDER)) ||
        slice_present(name_list_match(&state->required, domain, &is_glob)))
        return false;
    result->rule = SLICE("required");
    result->reason = slice_present(domain) ? SLICE("the e-mail address' domain is none of those required")
                                           : SLICE("no e-mail address was given");
    result->evidence = slice_present(domain) ? domain : SLICE("");
    return true;
}

static void conclude(const struct state *state, struct result *result)
{
    result->value = state->action == ACTION_DENY ? value_refuse(SLICE_ABSENT)
                                                 : (struct value){.kind = VALUE_BEHAVIOUR, .text = SLICE("SHADOW_BAN")};
}

static void check_registration_for_spam(void *pointer, const struct callback_arguments *arguments,
                                        struct result *result)
{
    struct state *state = pointer;
    struct slice domain = domain_of(arguments);
    result->value.kind = VALUE_PASS;
    if (!pattern_access_refuses(&state->usernames, subject_text(arguments, SUBJECT_USER),
                                SLICE("the user name matches a pattern"), result) &&
        !access_list_refuses(&state->domains, domain, result) && !lacks_email(state, arguments, domain, result) &&
        !origin_rules_refuse(&state->origin, arguments, result) &&
        !request_rates_refuse(&state->rates, arguments, result))
        return;
    conclude(state, result);
}

static void answer(void *pointer, const struct callback_arguments *arguments, const struct service_answer *answered,
                   struct result *result)
{
    struct state *state = pointer;
    result->value.kind = VALUE_PASS;
    if (request_rates_answer(&state->rates, arguments, answered, result))
        conclude(state, result);
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
    {.callback = CALLBACK_check_registration_for_spam, .function = check_registration_for_spam}};

extern const struct module_definition module_registration;
const struct module_definition module_registration = {
    .name = "registration",
    .summary =
        "Denies registrations, or shadow-bans the account, by user name, e-mail domain, the client's address and "
        "user agent, and the identity provider, or when one network registers too often.",
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
