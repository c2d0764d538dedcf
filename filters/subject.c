/* Modules are asked about a dozen callbacks whose arguments have as many names for the same thing. The table is made by
 * the compiler, so that a module pays an index and a comparison. */
#include "filters/subject.h"

#include "filters/server_name.h"

/* Where a part stands: zeroed, the callback does not tell it. */
struct subject_path {
    uint8_t place; /* of the argument plus one; 0: nowhere */
    const char *member;
};

static const struct subject_path paths[CALLBACK_COUNT][SUBJECT_PARTS] = {
#define SUBJECT(callback, part, place_, argument, member_)                                                             \
    [CALLBACK_##callback][SUBJECT_##part] = {.place = (place_) + 1, .member = (member_)},
#include "filters/subjects.def"
#undef SUBJECT
};

static const struct value *argument_at(const struct callback_arguments *arguments, const struct subject_path *path)
{
    return path->place && arguments->values ? &arguments->values[path->place - 1] : NULL;
}

static struct slice json_text(const json_t *json)
{
    return json_is_string(json) ? slice_of(json_string_value(json), json_string_length(json)) : SLICE_ABSENT;
}

/* An argument comes as a text, as JSON, or as a dict of values: a requester in all three ways. */
static struct slice text_at(const struct callback_arguments *arguments, const struct subject_path *path)
{
    const struct value *value = argument_at(arguments, path);
    if (!value)
        return SLICE_ABSENT;
    if (value->kind == VALUE_TEXT)
        return value->text;
    if (value->kind == VALUE_JSON) {
        bool inside = path->member && json_is_object(value->object);
        return json_text(inside ? json_object_get(value->object, path->member) : value->object);
    }
    if (value->kind == VALUE_DICT && path->member) {
        const struct value *member = value_dict_find(value, slice_from_string(path->member));
        if (member && member->kind == VALUE_TEXT)
            return member->text;
    }
    return SLICE_ABSENT;
}

static struct slice event_text(const struct callback_arguments *arguments, enum subject_part part)
{
    const struct event *event = arguments->event;
    bool about_member =
        arguments->callback == CALLBACK_federated_user_may_invite || slice_equal(event->type, SLICE("m.room.member"));
    switch (part) {
    case SUBJECT_USER:
        return event->sender;
    case SUBJECT_ROOM:
        return event->room_id;
    case SUBJECT_TYPE:
        return event->type;
    case SUBJECT_STATE_KEY:
        return event->state_key;
    case SUBJECT_TARGET:
        return about_member ? event->state_key : SLICE_ABSENT;
    default:
        return SLICE_ABSENT;
    }
}

struct slice subject_text(const struct callback_arguments *arguments, enum subject_part part)
{
    return arguments->event ? event_text(arguments, part) : text_at(arguments, &paths[arguments->callback][part]);
}

void subject_restate(const struct callback_arguments *arguments, enum callback callback, struct value *values)
{
    for (int part = 0; part < SUBJECT_PARTS; part++) {
        const struct subject_path *path = &paths[callback][part];
        struct slice text = path->place ? subject_text(arguments, (enum subject_part)part) : SLICE_ABSENT;
        if (slice_present(text))
            values[path->place - 1] = value_text(text);
    }
}

struct slice subject_server(const struct callback_arguments *arguments)
{
    return server_name_of(subject_text(arguments, SUBJECT_USER));
}

struct slice subject_created_room(const struct callback_arguments *arguments)
{
    const struct event *event = arguments->event;
    if (!event || !slice_equal(event->type, SLICE("m.room.create")))
        return SLICE_ABSENT;
    if (slice_present(event->room_id) || !slice_present(event->event_id) || event->event_id.length < 2)
        return event->room_id;
    return arena_format(arguments->arena, "!%.*s", (int)event->event_id.length - 1, event->event_id.data + 1);
}

struct slice subject_membership(const struct event *event, uint32_t membership_slot)
{
    if (!slice_equal(event->type, SLICE("m.room.member")))
        return SLICE_ABSENT;
    return slice_present(event->membership) ? event->membership : event_content_string(event, membership_slot);
}

bool subject_is_invite(const struct callback_arguments *arguments, uint32_t membership_slot)
{
    const struct event *event = arguments->event;
    return arguments->callback == CALLBACK_user_may_invite ||
           arguments->callback == CALLBACK_federated_user_may_invite ||
           (event && slice_equal(subject_membership(event, membership_slot), SLICE("invite")));
}

bool subject_is_leave(const struct callback_arguments *arguments, uint32_t membership_slot)
{
    const struct event *event = arguments->event;
    return event && slice_equal(subject_membership(event, membership_slot), SLICE("leave")) &&
           slice_present(event->sender) && slice_equal(event->sender, event->state_key);
}

bool subject_origin(const struct callback_arguments *arguments, size_t index, struct subject_origin *origin)
{
    const struct value *list = argument_at(arguments, &paths[arguments->callback][SUBJECT_ORIGINS]);
    const json_t *pair = list && list->kind == VALUE_JSON ? json_array_get(list->object, index) : NULL;
    if (!pair)
        return false;
    *origin = (struct subject_origin){json_text(json_array_get(pair, 0)), json_text(json_array_get(pair, 1))};
    return true;
}

struct event subject_as_event(const struct callback_arguments *arguments)
{
    return (struct event){.room_id = subject_text(arguments, SUBJECT_ROOM),
                          .sender = subject_text(arguments, SUBJECT_USER),
                          .type = subject_text(arguments, SUBJECT_TYPE),
                          .state_key = subject_text(arguments, SUBJECT_STATE_KEY)};
}
