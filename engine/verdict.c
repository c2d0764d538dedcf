/* The same function writes the row for Redis and for a replay's file, so that the two can be compared byte for byte. */
#include "engine/verdict.h"

#include "engine/verdict_actions.h"

static void append_member(struct buffer *output, const char *name, struct slice value)
{
    buffer_append_string(output, name);
    buffer_append_json_string(output, value);
}

void verdict_append_row(const struct verdict *verdict, struct buffer *output)
{
    const struct event *event = verdict->event;
    const struct outcome *outcome = verdict->outcome;
    append_member(output, "{\"event_id\":", event->event_id);
    append_member(output, ",\"room_id\":", event->room_id);
    append_member(output, ",\"sender\":", event->sender);
    append_member(output, ",\"type\":", event->type);
    append_member(output, ",\"callback\":", slice_from_string(callback_definitions[outcome->callback].name));
    buffer_append_string(output, ",\"result\":");
    value_append_json(&outcome->result.value, output);
    append_member(output, ",\"module\":", slice_from_string(outcome->module));
    append_member(output, ",\"rule\":", outcome->result.rule);
    append_member(output, ",\"reason\":", outcome->result.reason);
    append_member(output, ",\"stream\":", verdict->stream);
    append_member(output, ",\"instance\":", verdict->instance);
    buffer_append_string(output, ",\"token\":");
    if (verdict->request)
        buffer_append_string(output, "null");
    else
        buffer_append_integer(output, verdict->token);
    buffer_append_string(output, verdict->request ? ",\"origin\":\"request\"" : ",\"origin\":\"observe\"");
    buffer_append_string(output, ",\"dry_run\":");
    buffer_append_string(output, verdict->dry_run ? "true" : "false");
    verdict_append_actions(verdict, output);
    buffer_append_char(output, '}');
}

bool verdict_next_row(struct slice *rows, struct slice *row)
{
    const char *end = rows->length ? memchr(rows->data, '\n', rows->length) : NULL;
    if (!end)
        return false;
    *row = slice_of(rows->data, (size_t)(end - rows->data));
    *rows = slice_of(end + 1, rows->length - row->length - 1);
    return true;
}
