/* Rooms in which nobody of ours may do anything: no joining, inviting, publishing, sending. Leaving and being removed
 * pass, so that people get out. The room's id stands in the stream row: works without bodies. */
#include <stdlib.h>

#include "base/memory.h"
#include "filters/access_list.h"
#include "filters/module.h"
#include "filters/subject.h"

struct configuration {
    struct access_configuration lists;
    int mode;
    char *code;
};

struct state {
    struct slice code;
    uint32_t membership; /* slot of content */
    struct access_list rooms;
};

static const struct parameter parameters[] = {
    ACCESS_PARAMETERS(struct configuration, lists,
                      "Ids of rooms in which everything is denied, or globs over the whole id; case-sensitive"),
    ACCESS_MODE_PARAMETER(struct configuration, mode),
    {.name = "code",
     .type = PARAMETER_CODE,
     .offset = offsetof(struct configuration, code),
     .fallback = "M_FORBIDDEN",
     .text = "The error code that the verdict carries."},
};

static const struct access_reasons reasons = {.listed = {"the room is on the list", 23},
                                              .pattern = {"the room matches a pattern on the list", 38},
                                              .unlisted = {"the room is not on the list of those allowed", 44}};

static void destroy(void *pointer)
{
    struct state *state = pointer;
    access_list_free(&state->rooms);
    free(state);
}

static void *create(const struct module_setup *setup)
{
    struct configuration *configuration = setup->configuration;
    struct state *state = memory_allocate_zeroed(1, sizeof *state);
    state->code = slice_from_string(configuration->code);
    state->membership = field_table_declare(setup->fields, SUBJECT_MEMBERSHIP);
    if (access_list_open(&state->rooms, setup->host, "", &configuration->lists, (struct name_list_options){0},
                         (enum access_mode)configuration->mode, &reasons))
        return state;
    destroy(state);
    return NULL;
}

static void judge(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    const struct state *state = pointer;
    const struct event *event = arguments->event;
    bool removal = event && slice_equal(subject_membership(event, state->membership), SLICE("leave"));
    result->value.kind = VALUE_PASS;
    if (!removal && access_list_refuses(&state->rooms, subject_text(arguments, SUBJECT_ROOM), result))
        result->value = value_refuse(state->code);
}

/* It is asked for every room that is made, private ones too, and refusing it fails the making. */
static void check_visibility(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    const struct value *visibility = arguments->values ? &arguments->values[2] : NULL;
    bool is_public = visibility && visibility->kind == VALUE_JSON && json_is_string(visibility->object) &&
                     strcmp(json_string_value(visibility->object), "public") == 0;
    if (is_public)
        judge(pointer, arguments, result);
    else
        result->value.kind = VALUE_PASS;
}

static const struct module_callback callbacks[] = {
    {.callback = CALLBACK_check_event_for_spam, .function = judge},
    {.callback = CALLBACK_user_may_join_room, .function = judge},
    {.callback = CALLBACK_user_may_invite, .function = judge},
    {.callback = CALLBACK_federated_user_may_invite, .function = judge, .where_known = true},
    {.callback = CALLBACK_user_may_publish_room, .function = judge},
    {.callback = CALLBACK_check_visibility_can_be_modified, .function = check_visibility},
    {.callback = CALLBACK_user_may_send_state_event, .function = judge, .where_known = true},
};

extern const struct module_definition module_room_list;
const struct module_definition module_room_list = {
    .name = "room_list",
    .summary = "Denies events, joins, invites, state and publishing in listed rooms. Leaving and removing pass.",
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
