/* The lines are read by body_line.h; what is kept of each is where its body stands. */
#include "replication/body_file.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/string_table.h"
#include "replication/body_line.h"
#include "replication/recording.h"

struct span {
    uint32_t offset; /* BODY_FILE_MAXIMUM fits */
    uint32_t length;
};

struct body_file {
    struct buffer content;
    struct string_table *ids; /* event id -> number of its span */
    struct span *spans;
    uint32_t count;
    uint32_t capacity;
    uint64_t bad_lines;
    bool cut_short;
};

static void index_body(void *context, struct slice event_id, struct slice body)
{
    struct body_file *file = context;
    if (!string_table_add(file->ids, event_id, file->count))
        return;
    if (file->count == file->capacity) {
        file->capacity = file->capacity ? file->capacity * 2 : 1024;
        file->spans = memory_reallocate(file->spans, file->capacity * sizeof *file->spans);
    }
    file->spans[file->count++] = (struct span){(uint32_t)(body.data - file->content.data), (uint32_t)body.length};
}

struct body_file *body_file_from_memory(struct buffer content)
{
    struct body_file *file = memory_allocate_zeroed(1, sizeof *file);
    file->content = content;
    file->ids = string_table_create();
    file->bad_lines = body_lines_read(buffer_slice(&file->content), index_body, file);
    return file;
}

struct body_file *body_file_open(const char *path, struct buffer *error)
{
    struct buffer content = {0};
    bool cut_short;
    if (!recording_load(path, BODY_FILE_MAXIMUM, &content, &cut_short, error))
        return NULL;
    struct body_file *file = body_file_from_memory(content);
    file->cut_short = cut_short;
    return file;
}

void body_file_close(struct body_file *file)
{
    if (!file)
        return;
    string_table_destroy(file->ids);
    free(file->spans);
    buffer_free(&file->content);
    free(file);
}

struct slice body_file_find(const struct body_file *file, struct slice event_id)
{
    uint32_t number = string_table_find(file->ids, event_id);
    if (number == STRING_TABLE_NONE)
        return SLICE_ABSENT;
    return slice_of(file->content.data + file->spans[number].offset, file->spans[number].length);
}

uint64_t body_file_count(const struct body_file *file)
{
    return file->count;
}

uint64_t body_file_bad_lines(const struct body_file *file)
{
    return file->bad_lines;
}

bool body_file_cut_short(const struct body_file *file)
{
    return file->cut_short;
}
