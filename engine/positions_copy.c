/* An array: an engine has two fields for each writer, and writers are few. */
#include "engine/positions_copy.h"

#include <stdlib.h>

#include "base/memory.h"
#include "replication/command.h"

static void free_field(struct copied_field *field)
{
    free((char *)(uintptr_t)field->name.data);
    buffer_free(&field->value);
}

void positions_copy_free(struct positions_copy *copy)
{
    for (size_t index = 0; index < copy->count; index++)
        free_field(&copy->fields[index]);
    free(copy->fields);
    *copy = (struct positions_copy){0};
}

static struct copied_field *find(struct positions_copy *copy, struct slice name)
{
    for (size_t place = 0; place < copy->count; place++) {
        size_t index = (copy->last + place) % copy->count;
        if (slice_equal(copy->fields[index].name, name)) {
            copy->last = index;
            return &copy->fields[index];
        }
    }
    return NULL;
}

static struct copied_field *add(struct positions_copy *copy, struct slice name)
{
    copy->fields = memory_reallocate(copy->fields, (copy->count + 1) * sizeof *copy->fields);
    struct copied_field *field = &copy->fields[copy->count++];
    *field = (struct copied_field){.name = slice_of(memory_copy_text(name.data, name.length), name.length)};
    return field;
}

void positions_copy_set(struct positions_copy *copy, struct slice name, struct slice value)
{
    struct copied_field *field = find(copy, name);
    if (slice_present(value)) {
        field = field ? field : add(copy, name);
        buffer_clear(&field->value);
        buffer_append_slice(&field->value, value);
    } else if (field) {
        free_field(field);
        *field = copy->fields[--copy->count];
    }
}

struct slice positions_copy_find(struct positions_copy *copy, struct slice name)
{
    const struct copied_field *field = find(copy, name);
    return field ? buffer_slice(&field->value) : SLICE_ABSENT;
}

void positions_copy_add(struct positions_copy *copy, const struct positions_copy *other)
{
    for (size_t index = 0; index < other->count; index++)
        positions_copy_set(copy, other->fields[index].name, buffer_slice(&other->fields[index].value));
}

bool positions_copy_number(const struct copied_field *field, int64_t *number)
{
    return command_parse_integer(buffer_slice(&field->value), number);
}

bool positions_copy_is_behind(struct positions_copy *older, const struct positions_copy *newer)
{
    for (size_t index = 0; index < newer->count; index++) {
        int64_t before, after;
        const struct copied_field *field = find(older, newer->fields[index].name);
        if (field && positions_copy_number(&newer->fields[index], &after) && positions_copy_number(field, &before) &&
            before < after)
            return true;
    }
    return false;
}
