/* All that follows from one event takes constant time; only the record of what is ahead walks along what waits. */
#include "engine/writer_progress.h"

#include <stdlib.h>

#include "base/memory.h"

struct writer_progress *writer_progress_create(struct slice name)
{
    struct writer_progress *writer = memory_allocate_zeroed(1, sizeof *writer);
    writer->name = slice_of(memory_copy_text(name.data, name.length), name.length);
    writer->position = writer->handed_on = writer->judged_upto = INT64_MIN;
    return writer;
}

void writer_progress_destroy(struct writer_progress *writer)
{
    if (!writer)
        return;
    judged_ahead_free(&writer->restored);
    free((char *)(uintptr_t)writer->name.data);
    free(writer);
}

void writer_progress_restore(struct writer_progress *writer, int64_t token)
{
    writer->position = writer->handed_on = token;
}

bool writer_progress_restore_ahead(struct writer_progress *writer, struct slice record, const char **problem)
{
    judged_ahead_free(&writer->restored);
    return judged_ahead_read(&writer->restored, record, problem);
}

bool writer_progress_was_judged(struct writer_progress *writer, int64_t token, struct slice event_id)
{
    return writer->restored.known && judged_ahead_has(&writer->restored, token, event_id);
}

void writer_progress_judged(struct writer_progress *writer, int64_t token)
{
    if (token > writer->judged_upto)
        writer->judged_upto = token;
}

void writer_progress_wait(struct writer_progress *writer, struct queued_event *entry)
{
    writer->waiting++;
    entry->writer_previous = writer->last;
    if (writer->last)
        writer->last->writer_next = entry;
    else
        writer->first = entry;
    writer->last = entry;
}

bool writer_progress_waited(struct writer_progress *writer, const struct queued_event *entry)
{
    struct queued_event *previous = entry->writer_previous, *next = entry->writer_next;
    writer_progress_judged(writer, entry->origin.token);
    writer->waiting--;
    if (next)
        next->writer_previous = previous;
    else
        writer->last = previous;
    if (previous)
        previous->writer_next = next;
    else
        writer->first = next;
    if (!entry->has_upto)
        return false;
    if (previous) {
        previous->has_upto = true;
        previous->upto = entry->upto;
        return false;
    }
    writer->position = entry->upto;
    return true;
}

bool writer_progress_token_ends(struct writer_progress *writer, int64_t token)
{
    writer->handed_on = token;
    if (writer->restored.known && token >= writer->restored.upto) {
        /* What it says of judged events is in `judged_upto` and in the list by now. */
        writer_progress_judged(writer, writer->restored.upto);
        judged_ahead_free(&writer->restored);
    }
    if (writer->last) {
        writer->last->has_upto = true;
        writer->last->upto = token;
        return false;
    }
    writer->position = token;
    return true;
}

static int64_t ahead_upto(const struct writer_progress *writer)
{
    bool restored = writer->restored.known && writer->restored.upto > writer->judged_upto;
    return restored ? writer->restored.upto : writer->judged_upto;
}

bool writer_progress_is_ahead(const struct writer_progress *writer)
{
    return ahead_upto(writer) > writer->position;
}

void writer_progress_append_ahead(const struct writer_progress *writer, struct buffer *record)
{
    int64_t upto = ahead_upto(writer);
    if (upto <= writer->position)
        return;
    buffer_append_char(record, '[');
    buffer_append_integer(record, upto);
    for (const struct queued_event *entry = writer->first; entry && entry->origin.token <= upto;
         entry = entry->writer_next)
        judged_ahead_append(record, entry->origin.token, entry->alone ? SLICE_ABSENT : entry->row.event_id);
    judged_ahead_append_above(&writer->restored, writer->handed_on, record);
    buffer_append_char(record, ']');
}
