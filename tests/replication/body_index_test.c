/* The index of bodies that several threads make: the same as the one that one thread makes. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/memory.h"
#include "replication/body_file.h"
#include "replication/body_index.h"

static char *file_with(const struct buffer *content)
{
    char *path = memory_copy_text("/tmp/weir-bodies-XXXXXX", 23);
    int descriptor = mkstemp(path);
    cr_assert_geq(descriptor, 0);
    cr_assert_eq(write(descriptor, content->data, content->length), (ssize_t)content->length);
    close(descriptor);
    return path;
}

struct adder {
    struct body_index *index;
    uint32_t first, step, count;
    pthread_t thread;
};

static void *add_blocks(void *argument)
{
    const struct adder *adder = argument;
    for (uint32_t block = adder->first; block < adder->count; block += adder->step)
        body_index_add(adder->index, block);
    return NULL;
}

/* Indexed by two threads, the second of which begins at the end if `backwards`. */
static struct body_index *index_of(const char *path, bool backwards)
{
    struct buffer error = {0};
    struct body_index *index = body_index_open(path, &error);
    cr_assert_not_null(index);
    uint32_t count = 0, block;
    while (body_index_read(index, &block, &error) == LINE_OK)
        cr_assert_eq(block, count++);
    cr_assert_eq(error.length, 0);
    if (backwards) {
        for (uint32_t left = count; left-- > 0;)
            body_index_add(index, left);
        return index;
    }
    struct adder adders[2] = {{.index = index, .first = 0, .step = 2, .count = count},
                              {.index = index, .first = 1, .step = 2, .count = count}};
    for (unsigned number = 0; number < 2; number++)
        pthread_create(&adders[number].thread, NULL, add_blocks, &adders[number]);
    for (unsigned number = 0; number < 2; number++)
        pthread_join(adders[number].thread, NULL);
    return index;
}

Test(body_index, many_blocks_with_repeated_ids)
{
    struct buffer content = {0}, copy = {0};
    for (unsigned number = 0; number < 20000; number++)
        buffer_append_format(&content, "{\"event_id\":\"$%u\",\"json\":{\"number\":%u,\"text\":\"%0100u\"}}\n",
                             number % 15000, number, number);
    buffer_append_string(&content, "no body\n\n{\"event_id\":\"$last\",\"json\":{}}");
    char *path = file_with(&content);
    buffer_append_slice(&copy, buffer_slice(&content));
    struct body_file *file = body_file_from_memory(copy);
    for (unsigned way = 0; way < 2; way++) {
        struct body_index *index = index_of(path, way == 1);
        char id[24];
        for (unsigned number = 0; number <= 15000; number++) {
            snprintf(id, sizeof id, "$%u", number);
            struct slice found = body_index_find(index, slice_from_string(id));
            cr_assert(slice_equal(found, body_file_find(file, slice_from_string(id))), "%s", id);
            cr_assert_eq(slice_present(found), number < 15000);
        }
        cr_expect(slice_equal(body_index_find(index, SLICE("$last")), SLICE("{}")));
        cr_expect_eq(body_index_bad_lines(index), 1);
        body_index_close(index);
    }
    body_file_close(file);
    unlink(path);
    free(path);
    buffer_free(&content);
}

Test(body_index, files_that_cannot_be_read)
{
    struct buffer error = {0}, content = {0};
    cr_expect_null(body_index_open("/nowhere/at/all", &error));
    cr_expect_gt(error.length, 0);
    buffer_clear(&error);
    buffer_append(&content, "\x28\xb5\x2f\xfd broken", 11);
    char *path = file_with(&content);
    struct body_index *index = body_index_open(path, &error);
    uint32_t block;
    cr_expect_eq(body_index_read(index, &block, &error), LINE_FAILED);
    cr_expect(strstr(buffer_string(&error), "zstd"));
    body_index_close(index);
    unlink(path);
    free(path);
    buffer_free(&content);
    buffer_free(&error);
}
