/* One entry for each (stream, writer); writers are few. */
#include "engine/stored_positions.h"

#include <stdlib.h>

#include "base/memory.h"
#include "replication/command.h"

#define AHEAD_SUFFIX ".ahead"
#define AUDITED_SUFFIX ".audited"

void stored_positions_free(struct stored_positions *positions)
{
    for (size_t index = 0; index < positions->count; index++)
        free((char *)(uintptr_t)positions->positions[index].writer.data);
    free(positions->positions);
    buffer_free(&positions->field);
    buffer_free(&positions->record);
}

static struct stored_position *find(struct stored_positions *positions, enum stream stream, struct slice writer)
{
    for (size_t place = 0; place < positions->count; place++) {
        size_t index = (positions->last + place) % positions->count;
        struct stored_position *position = &positions->positions[index];
        if (position->stream == stream && slice_equal(position->writer, writer)) {
            positions->last = index;
            return position;
        }
    }
    positions->positions =
        memory_reallocate(positions->positions, (positions->count + 1) * sizeof *positions->positions);
    struct stored_position *position = &positions->positions[positions->count++];
    *position = (struct stored_position){
        .stream = stream, .writer = slice_of(memory_copy_text(writer.data, writer.length), writer.length)};
    return position;
}

void stored_positions_set(struct stored_positions *positions, enum stream stream, struct slice writer, int64_t token)
{
    struct stored_position *position = find(positions, stream, writer);
    position->token = token;
    position->has_token = true;
    position->dirty = true;
    position->ahead_dirty = position->ahead_dirty || position->ahead_stored;
}

void stored_positions_set_ahead(struct stored_positions *positions, enum stream stream, struct slice writer)
{
    find(positions, stream, writer)->ahead_dirty = true;
}

void stored_positions_set_audited(struct stored_positions *positions, enum stream stream, struct slice writer,
                                  int64_t token)
{
    struct stored_position *position = find(positions, stream, writer);
    position->audited = token;
    position->has_audited = position->audited_dirty = true;
}

void stored_positions_set_all(struct stored_positions *positions)
{
    for (size_t index = 0; index < positions->count; index++) {
        struct stored_position *position = &positions->positions[index];
        position->dirty = position->has_token;
        position->ahead_dirty = true;
        /* The durable log is lost with it, and cannot tell what was judged: only this run's memory can. */
        position->audited = position->token;
        position->audited_dirty = position->has_audited;
    }
}

static struct slice field_of(struct stored_positions *positions, const char *instance_name,
                             const struct stored_position *position, const char *suffix)
{
    buffer_clear(&positions->field);
    buffer_append_format(&positions->field, "%s %s%s %.*s", instance_name, stream_definitions[position->stream].name,
                         suffix, (int)position->writer.length, position->writer.data);
    return buffer_slice(&positions->field);
}

void stored_positions_seal(struct stored_positions *positions, const char *instance_name, struct slice key,
                           struct transaction *transaction, const struct outbox_callbacks *callbacks)
{
    for (size_t index = 0; index < positions->count; index++) {
        struct stored_position *position = &positions->positions[index];
        if (position->dirty)
            transaction_set_number(transaction, key, field_of(positions, instance_name, position, ""), position->token);
        if (position->ahead_dirty) {
            struct slice writer = position->writer;
            struct slice field = field_of(positions, instance_name, position, AHEAD_SUFFIX);
            buffer_clear(&positions->record);
            callbacks->append_ahead(callbacks->context, position->stream, writer, &positions->record);
            if (positions->record.length)
                transaction_set_text(transaction, key, field, buffer_slice(&positions->record));
            else if (position->ahead_stored)
                transaction_remove_field(transaction, key, field);
            position->ahead_stored = positions->record.length > 0;
        }
        if (position->audited_dirty)
            transaction_set_number(transaction, key, field_of(positions, instance_name, position, AUDITED_SUFFIX),
                                   position->audited);
        position->dirty = position->ahead_dirty = position->audited_dirty = false;
    }
}

/* Takes `suffix` off the end of `name`, if it is there. */
static bool take_suffix(struct slice *name, const char *suffix)
{
    size_t length = strlen(suffix);
    if (name->length <= length || memcmp(name->data + name->length - length, suffix, length) != 0)
        return false;
    name->length -= length;
    return true;
}

void stored_positions_restore(struct stored_positions *positions, struct slice name, struct slice writer,
                              struct slice value, const struct outbox_callbacks *callbacks)
{
    int64_t token;
    bool ahead = take_suffix(&name, AHEAD_SUFFIX), audited = !ahead && take_suffix(&name, AUDITED_SUFFIX);
    enum stream stream = stream_find(name);
    bool number = !ahead && command_parse_integer(value, &token);
    if (stream == STREAM_UNKNOWN || (!ahead && !number))
        return;
    struct stored_position *position = find(positions, stream, writer);
    if (ahead) {
        position->ahead_stored = true;
        callbacks->stored_ahead(callbacks->context, stream, writer, value);
    } else if (audited) {
        position->audited = token;
        position->has_audited = true;
        if (callbacks->stored_audited)
            callbacks->stored_audited(callbacks->context, stream, writer, token);
    } else {
        position->token = token;
        position->has_token = true;
        callbacks->stored_position(callbacks->context, stream, writer, token);
    }
}
