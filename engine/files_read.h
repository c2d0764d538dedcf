/* Which files a configuration was made from, and what they were like: so it is known when one of them has changed. A
 * file is told apart by device, inode, size and time of modification; one that replaces another by its name has another
 * inode. */
#ifndef WEIR_ENGINE_FILES_READ_H
#define WEIR_ENGINE_FILES_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct file_identity {
    bool there; /* false: nothing of that name could be looked at; the rest is 0 */
    dev_t device;
    ino_t inode;
    off_t size;
    int64_t modified_ns; /* since 1970 */
};

struct file_read {
    char *path;
    struct file_identity identity; /* just before it was read */
};

/* A zeroed struct is an empty list. */
struct files_read {
    struct file_read *items;
    size_t count;
};

/* What `path` is now; symbolic links are followed. */
struct file_identity file_identity_of(const char *path);
bool file_identity_equal(const struct file_identity *one, const struct file_identity *other);

/* Adds a file as it is now, unless it is in the list; to be called before it is read. The path is copied. */
void files_read_add(struct files_read *files, const char *path);
/* The first that is not as it was, or NULL. */
const char *files_read_changed(const struct files_read *files);
void files_read_free(struct files_read *files);

#endif
