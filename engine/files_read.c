/* A file that changes between the look at it and its reading is read in its new form and kept under its old identity:
 * it is read once too often, and never too seldom. */
#include "engine/files_read.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"

struct file_identity file_identity_of(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return (struct file_identity){.there = false};
    return (struct file_identity){.there = true,
                                  .device = status.st_dev,
                                  .inode = status.st_ino,
                                  .size = status.st_size,
                                  .modified_ns = (int64_t)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec};
}

bool file_identity_equal(const struct file_identity *one, const struct file_identity *other)
{
    return one->there == other->there && one->device == other->device && one->inode == other->inode &&
           one->size == other->size && one->modified_ns == other->modified_ns;
}

void files_read_add(struct files_read *files, const char *path)
{
    for (size_t index = 0; index < files->count; index++)
        if (strcmp(files->items[index].path, path) == 0)
            return;
    files->items = memory_reallocate(files->items, (files->count + 1) * sizeof *files->items);
    files->items[files->count++] = (struct file_read){memory_copy_text(path, strlen(path)), file_identity_of(path)};
}

const char *files_read_changed(const struct files_read *files)
{
    for (size_t index = 0; index < files->count; index++) {
        struct file_identity now = file_identity_of(files->items[index].path);
        if (!file_identity_equal(&now, &files->items[index].identity))
            return files->items[index].path;
    }
    return NULL;
}

void files_read_free(struct files_read *files)
{
    for (size_t index = 0; index < files->count; index++)
        free(files->items[index].path);
    free(files->items);
    *files = (struct files_read){0};
}
