/* A file of bodies through the index that several threads make: what it says of every id is what the one-thread index
 * of the same bytes says. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <yyjson.h>

#include "replication/body_file.h"
#include "replication/body_index.h"
#include "replication/body_line.h"

struct checking {
    const struct body_index *index;
    const struct body_file *file;
    uint64_t found;
};

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check(void *context, struct slice event_id, struct slice body)
{
    (void)body;
    struct checking *checking = context;
    struct slice one = body_index_find(checking->index, event_id);
    require(slice_present(one) && slice_equal(one, body_file_find(checking->file, event_id)));
    checking->found++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int descriptor = -1;
    static char path[64];
    if (descriptor < 0) {
        descriptor = memfd_create("bodies", 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    }
    require(ftruncate(descriptor, 0) == 0 && pwrite(descriptor, data, size, 0) == (ssize_t)size);
    struct buffer error = {0}, content = {0};
    struct body_index *index = body_index_open(path, &error);
    require(index != NULL);
    enum line_status status;
    uint32_t block, count = 0;
    while ((status = body_index_read(index, &block, &error)) == LINE_OK)
        require(block == count++);
    require((status == LINE_FAILED) == (error.length > 0));
    while (count-- > 0)
        body_index_add(index, count);
    struct buffer ignored = {0};
    /* Of a file that broke off in the middle of a line, the half is a bad line to one of them alone. */
    bool whole = status == LINE_END && !body_index_cut_short(index);
    if (whole && recording_load(path, BODY_FILE_MAXIMUM, &content, NULL, &ignored)) {
        struct buffer copy = {0};
        buffer_append_slice(&copy, buffer_slice(&content));
        struct body_file *file = body_file_from_memory(copy);
        struct checking checking = {.index = index, .file = file};
        uint64_t bad = body_lines_read(buffer_slice(&content), check, &checking);
        require(bad == body_index_bad_lines(index) && bad == body_file_bad_lines(file));
        require(checking.found >= body_file_count(file));
        body_file_close(file);
    }
    buffer_free(&ignored);
    buffer_free(&content);
    buffer_free(&error);
    body_index_close(index);
    return 0;
}
