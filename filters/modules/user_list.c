/* Who may do anything here at all. Every callback that tells who acts is judged alike: by that user's id on two lists.
 * Only one's own leaving always passes, so that a listed user can be got rid of: Synapse lets a deactivated account
 * leave its rooms by events of its own. */
#include <stdlib.h>

#include "base/memory.h"
#include "filters/access_list.h"
#include "filters/module.h"
#include "filters/subject.h"

struct configuration {
    struct access_configuration lists;
    bool ignore_case;
    char *code;
};

struct state {
    struct slice code;
    uint32_t membership; /* slot of content */
    struct access_list users;
};

static const struct parameter parameters[] = {
    ACCESS_PARAMETERS(struct configuration, lists, "Ids of users who are denied, or globs over the whole id"),
    {.name = "ignore_case",
     .type = PARAMETER_BOOLEAN,
     .offset = offsetof(struct configuration, ignore_case),
     .fallback = "true",
     .text = "Whether ids and globs match without regard to case."},
    {.name = "code",
     .type = PARAMETER_CODE,
     .offset = offsetof(struct configuration, code),
     .fallback = "M_FORBIDDEN",
     .text = "The error code that the verdict carries."},
};

static const struct access_reasons reasons = {.listed = {"the user is on the list", 23},
                                              .pattern = {"the user matches a pattern on the list", 38}};

static void destroy(void *pointer)
{
    struct state *state = pointer;
    access_list_free(&state->users);
    free(state);
}

static void *create(const struct module_setup *setup)
{
    struct configuration *configuration = setup->configuration;
    struct state *state = memory_allocate_zeroed(1, sizeof *state);
    struct name_list_options options = {.ignore_case = configuration->ignore_case};
    state->code = slice_from_string(configuration->code);
    state->membership = field_table_declare(setup->fields, SUBJECT_MEMBERSHIP);
    if (access_list_open(&state->users, setup->host, "", &configuration->lists, options, ACCESS_DENY, &reasons))
        return state;
    destroy(state);
    return NULL;
}

static void judge(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    const struct state *state = pointer;
    result->value.kind = VALUE_PASS;
    if (!access_list_is_idle(&state->users) && !subject_is_leave(arguments, state->membership) &&
        access_list_refuses(&state->users, subject_text(arguments, SUBJECT_USER), result))
        result->value = value_refuse(state->code);
}

static const struct module_callback callbacks[] = {
    {.callback = CALLBACK_check_event_for_spam, .function = judge},
    {.callback = CALLBACK_check_event_allowed, .function = judge},
    {.callback = CALLBACK_user_may_join_room, .function = judge},
    {.callback = CALLBACK_user_may_invite, .function = judge},
    {.callback = CALLBACK_federated_user_may_invite, .function = judge, .where_known = true},
    {.callback = CALLBACK_user_may_send_3pid_invite, .function = judge},
    {.callback = CALLBACK_user_may_create_room, .function = judge},
    {.callback = CALLBACK_on_create_room, .function = judge},
    {.callback = CALLBACK_user_may_create_room_alias, .function = judge},
    {.callback = CALLBACK_user_may_publish_room, .function = judge},
    {.callback = CALLBACK_user_may_send_state_event, .function = judge, .where_known = true},
    {.callback = CALLBACK_check_login_for_spam, .function = judge, .where_known = true},
};

extern const struct module_definition module_user_list;
const struct module_definition module_user_list = {
    .name = "user_list",
    .summary = "Denies whatever listed users do: sending, joining, inviting, making and publishing rooms, logging in. "
               "Their leaving passes.",
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
