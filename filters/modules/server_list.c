/* Which servers may be dealt with at all: that of who acts, and, where a local user would follow into a room, that of
 * the room. A room of version 12 or later names no server. The homeserver itself is never judged, since a list with
 * `*` would shut out its own users. */
#include <stdlib.h>
#include <strings.h>

#include "base/ip_set.h"
#include "base/memory.h"
#include "filters/access_list.h"
#include "filters/module.h"
#include "filters/server_name.h"
#include "filters/subject.h"

enum ip_literals { IP_LITERALS_INVITES, IP_LITERALS_PASS, IP_LITERALS_DENY };

struct configuration {
    struct access_configuration lists;
    int mode;
    int ip_literals;
    char *code;
};

struct state {
    struct slice code;
    uint32_t membership; /* slot of content */
    struct slice own;    /* the homeserver, without its port */
    enum ip_literals ip_literals;
    struct access_list servers;
};

static const char *const ip_literal_choices[] = {
    [IP_LITERALS_INVITES] = "invites", [IP_LITERALS_PASS] = "pass", [IP_LITERALS_DENY] = "deny", NULL};

static const struct parameter parameters[] = {
    ACCESS_PARAMETERS(struct configuration, lists,
                      "Names of servers that are denied, or globs over the whole name; without regard to case, and "
                      "always without the port"),
    ACCESS_MODE_PARAMETER(struct configuration, mode),
    {.name = "ip_literals",
     .type = PARAMETER_CHOICE,
     .offset = offsetof(struct configuration, ip_literals),
     .fallback = "invites",
     .choices = ip_literal_choices,
     .text = "Where servers whose name is an IP address are denied: in invites, nowhere, or everywhere; `allow` wins."},
    {.name = "code",
     .type = PARAMETER_CODE,
     .offset = offsetof(struct configuration, code),
     .fallback = "M_FORBIDDEN",
     .text = "The error code that the verdict carries."},
};

static const struct access_reasons reasons = {.listed = {"the server is on the list", 25},
                                              .pattern = {"the server matches a pattern on the list", 40},
                                              .unlisted = {"the server is not on the list of those allowed", 46}};

static void destroy(void *pointer)
{
    struct state *state = pointer;
    access_list_free(&state->servers);
    free(state);
}

static void *create(const struct module_setup *setup)
{
    struct configuration *configuration = setup->configuration;
    struct state *state = memory_allocate_zeroed(1, sizeof *state);
    struct name_list_options options = {.ignore_case = true, .servers = true};
    state->code = slice_from_string(configuration->code);
    state->membership = field_table_declare(setup->fields, SUBJECT_MEMBERSHIP);
    state->own = server_name_host(slice_from_string(setup->server_name));
    state->ip_literals = (enum ip_literals)configuration->ip_literals;
    if (access_list_open(&state->servers, setup->host, "", &configuration->lists, options,
                         (enum access_mode)configuration->mode, &reasons))
        return state;
    destroy(state);
    return NULL;
}

static bool is_ip_literal(struct slice host)
{
    struct ip_address address;
    return host.length && (host.data[0] == '[' || ip_address_read(host, &address));
}

static bool refuses(const struct state *state, struct slice host, bool literals_denied, struct result *result)
{
    if (!slice_present(host) ||
        (host.length == state->own.length && strncasecmp(host.data, state->own.data, host.length) == 0))
        return false;
    if (access_list_refuses(&state->servers, host, result))
        return true;
    if (!literals_denied || !is_ip_literal(host) || access_list_allows(&state->servers, host))
        return false;
    result->rule = SLICE("ip_literals");
    result->reason = SLICE("the server's name is an IP address");
    result->evidence = host;
    return true;
}

static void judge(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    const struct state *state = pointer;
    bool invite = subject_is_invite(arguments, state->membership);
    bool follows = invite || arguments->callback == CALLBACK_user_may_join_room;
    bool literals_denied =
        state->ip_literals == IP_LITERALS_DENY || (invite && state->ip_literals == IP_LITERALS_INVITES);
    result->value.kind = VALUE_PASS;
    if ((!literals_denied && access_list_is_idle(&state->servers)) || subject_is_leave(arguments, state->membership))
        return;
    struct slice room = follows ? server_name_of(subject_text(arguments, SUBJECT_ROOM)) : SLICE_ABSENT;
    if (refuses(state, server_name_host(subject_server(arguments)), literals_denied, result) ||
        refuses(state, server_name_host(room), literals_denied, result))
        result->value = value_refuse(state->code);
}

static const struct module_callback callbacks[] = {
    {.callback = CALLBACK_check_event_for_spam, .function = judge},
    {.callback = CALLBACK_check_event_allowed, .function = judge},
    {.callback = CALLBACK_should_drop_federated_event, .function = judge, .where_known = true},
    {.callback = CALLBACK_user_may_join_room, .function = judge},
    {.callback = CALLBACK_user_may_invite, .function = judge},
    {.callback = CALLBACK_federated_user_may_invite, .function = judge, .where_known = true},
};

extern const struct module_definition module_server_list;
const struct module_definition module_server_list = {
    .name = "server_list",
    .summary =
        "Denies the events and invites of listed servers, and joining or being invited to their rooms. Users may "
        "leave, and the homeserver itself always passes.",
    .parameters = parameters,
    .parameter_count = sizeof parameters / sizeof *parameters,
    .configuration_size = sizeof(struct configuration),
    .needs_body = true,
    .concurrent = true,
    .answers_alike = true,
    .callbacks = callbacks,
    .callback_count = sizeof callbacks / sizeof *callbacks,
    .create = create,
    .destroy = destroy,
};
