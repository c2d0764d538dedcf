/* What the row says already (room, event, sender, reason) is not said again; of what only the body has, a bot is told.
 */
#include "engine/verdict_actions.h"

#include "filters/action.h"
#include "filters/event_media.h"

/* The list of an action on media; false, and nothing is appended, if the event names none. */
static bool append_media(const struct event *event, struct buffer *output)
{
    struct slice uris[EVENT_MEDIA_MAXIMUM];
    uint32_t count = event_media(event, uris);
    for (uint32_t index = 0; index < count; index++) {
        buffer_append_string(output, index ? "," : ",\"media\":[");
        buffer_append_json_string(output, uris[index]);
    }
    if (count)
        buffer_append_char(output, ']');
    return count > 0;
}

/* An event that somebody asked about is not stored yet, and never will be if it is refused. */
static bool append_action(const struct verdict *verdict, enum action action, struct buffer *output)
{
    const struct event *event = verdict->event;
    size_t start = output->length;
    buffer_append_format(output, "{\"type\":\"%s\"", action_definitions[action].name);
    bool makes_sense = true;
    switch (action_definitions[action].needs) {
    case ACTION_NEEDS_EVENT:
        makes_sense = event->event_id.length && !verdict->request;
        break;
    case ACTION_NEEDS_MEMBER:
        makes_sense = event->room_id.length && event->sender.length;
        break;
    case ACTION_NEEDS_MEDIA:
        makes_sense = append_media(event, output);
        break;
    case ACTION_NEEDS_NOTHING:
        break;
    }
    if (makes_sense)
        buffer_append_char(output, '}');
    else
        output->length = start;
    return makes_sense;
}

void verdict_append_actions(const struct verdict *verdict, struct buffer *output)
{
    const struct outcome *outcome = verdict->outcome;
    bool decided = outcome->kind == OUTCOME_DENIED || outcome->kind == OUTCOME_CHANGED;
    size_t start = output->length;
    bool any = false;
    if (!decided || !outcome->result.actions)
        return;
    buffer_append_string(output, verdict->dry_run ? ",\"would_actions\":[" : ",\"actions\":[");
    for (int action = 0; action < ACTION_COUNT; action++) {
        if (!(outcome->result.actions & ACTION_BIT(action)))
            continue;
        size_t before = output->length;
        if (any)
            buffer_append_char(output, ',');
        if (append_action(verdict, (enum action)action, output))
            any = true;
        else
            output->length = before;
    }
    buffer_append_char(output, ']');
    if (!any)
        output->length = start;
}
