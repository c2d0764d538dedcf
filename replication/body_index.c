/* The ids are spread over SHARDS tables by their hash, each behind a lock of its own, so that those who index do not
 * stand in each other's way. A span knows its place in the file: which of two lines with one id is the first must not
 * depend on who came first. */
#include "replication/body_index.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <xxhash.h>

#include "base/memory.h"
#include "base/string_table.h"
#include "replication/body_line.h"

#define SHARDS 64u
#define BLOCK_SIZE ((size_t)512 << 10)
/* Blocks have BLOCK_SIZE bytes or more, but for the last. */
#define BLOCKS_MAXIMUM (BODY_INDEX_MAXIMUM / BLOCK_SIZE + 1)

struct span {
    const char *data;
    uint32_t length;
    uint32_t block;
};

struct shard {
    pthread_mutex_t lock;
    struct string_table *ids; /* event id -> number of its span */
    struct span *spans;
    uint32_t count;
    uint32_t capacity;
};

struct body_index {
    struct line_reader *lines;
    struct shard shards[SHARDS];
    struct buffer *blocks; /* BLOCKS_MAXIMUM of them */
    uint32_t block_count;
    size_t bytes;
    uint64_t too_long;
    atomic_uint_fast64_t bad_lines;
};

struct adding {
    struct body_index *index;
    uint32_t block;
};

static struct shard *shard_of(const struct body_index *index, struct slice event_id)
{
    return (struct shard *)&index->shards[XXH3_64bits(event_id.data, event_id.length) >> 58];
}

struct body_index *body_index_open(const char *path, struct buffer *error)
{
    struct line_reader *lines = line_reader_open(path, error);
    if (!lines)
        return NULL;
    struct body_index *index = memory_allocate_zeroed(1, sizeof *index);
    index->lines = lines;
    index->blocks = memory_allocate_zeroed(BLOCKS_MAXIMUM, sizeof *index->blocks);
    for (unsigned shard = 0; shard < SHARDS; shard++) {
        pthread_mutex_init(&index->shards[shard].lock, NULL);
        index->shards[shard].ids = string_table_create();
    }
    return index;
}

void body_index_close(struct body_index *index)
{
    if (!index)
        return;
    line_reader_close(index->lines);
    for (unsigned shard = 0; shard < SHARDS; shard++) {
        pthread_mutex_destroy(&index->shards[shard].lock);
        string_table_destroy(index->shards[shard].ids);
        free(index->shards[shard].spans);
    }
    for (uint32_t block = 0; block < index->block_count; block++)
        buffer_free(&index->blocks[block]);
    free(index->blocks);
    free(index);
}

enum line_status body_index_read(struct body_index *index, uint32_t *block, struct buffer *error)
{
    if (index->block_count == BLOCKS_MAXIMUM || index->bytes > BODY_INDEX_MAXIMUM) {
        buffer_append_format(error,
                             "the event bodies take more than %zu MiB: give the recording in pieces, each with "
                             "its own",
                             BODY_INDEX_MAXIMUM >> 20);
        return LINE_FAILED;
    }
    struct buffer *content = &index->blocks[index->block_count];
    enum line_status status = line_reader_block(index->lines, BLOCK_SIZE, content, &index->too_long, error);
    if (status != LINE_OK)
        return status;
    index->bytes += content->length;
    *block = index->block_count++;
    return LINE_OK;
}

static void add_body(void *context, struct slice event_id, struct slice body)
{
    const struct adding *adding = context;
    struct shard *shard = shard_of(adding->index, event_id);
    struct span span = {body.data, (uint32_t)body.length, adding->block};
    pthread_mutex_lock(&shard->lock);
    if (string_table_add(shard->ids, event_id, shard->count)) {
        if (shard->count == shard->capacity) {
            shard->capacity = shard->capacity ? shard->capacity * 2 : 64;
            shard->spans = memory_reallocate(shard->spans, shard->capacity * sizeof *shard->spans);
        }
        shard->spans[shard->count++] = span;
    } else {
        struct span *other = &shard->spans[string_table_find(shard->ids, event_id)];
        if (span.block < other->block)
            *other = span;
    }
    pthread_mutex_unlock(&shard->lock);
}

void body_index_add(struct body_index *index, uint32_t block)
{
    struct adding adding = {index, block};
    atomic_fetch_add(&index->bad_lines, body_lines_read(buffer_slice(&index->blocks[block]), add_body, &adding));
}

struct slice body_index_find(const struct body_index *index, struct slice event_id)
{
    const struct shard *shard = shard_of(index, event_id);
    uint32_t number = string_table_find(shard->ids, event_id);
    if (number == STRING_TABLE_NONE)
        return SLICE_ABSENT;
    return slice_of(shard->spans[number].data, shard->spans[number].length);
}

bool body_index_cut_short(const struct body_index *index)
{
    return line_reader_cut_short(index->lines);
}

uint64_t body_index_bad_lines(const struct body_index *index)
{
    return atomic_load(&index->bad_lines) + index->too_long;
}

void body_index_progress(const struct body_index *index, uint64_t *done, uint64_t *size)
{
    line_reader_progress(index->lines, done, size);
}
