/* Reading the small and large files that a configuration names. Only regular files: a FIFO or a device would make the
 * start, or a reload in the middle of the night, wait for ever. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "engine/configuration_reader.h"

char *configuration_resolve_path(const char *base, const char *name)
{
    const char *slash = strrchr(base, '/');
    if (*name == '/' || !slash)
        return memory_copy_text(name, strlen(name));
    struct buffer path = {0};
    buffer_append(&path, base, (size_t)(slash + 1 - base));
    buffer_append_string(&path, name);
    char *resolved = memory_copy_text(path.data, path.length);
    buffer_free(&path);
    return resolved;
}

static bool read_open_file(int file, size_t maximum, struct buffer *content, struct buffer *error)
{
    struct stat status;
    if (fstat(file, &status) != 0) {
        buffer_append_string(error, strerror(errno));
        return false;
    }
    if (!S_ISREG(status.st_mode)) {
        buffer_append_string(error, S_ISDIR(status.st_mode) ? "Is a directory" : "Not a regular file");
        return false;
    }
    for (;;) {
        /* The size is a hint only: the file may grow while it is read. */
        size_t known = (size_t)status.st_size + 1, room = known > content->length ? known - content->length : 65536;
        if (content->length > maximum || (size_t)status.st_size > maximum) {
            buffer_append_format(error, "Larger than %zu MiB", maximum >> 20);
            return false;
        }
        ssize_t got = read(file, buffer_reserve(content, room), room);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            buffer_append_string(error, strerror(errno));
            return false;
        }
        if (got == 0)
            return true;
        content->length += (size_t)got;
    }
}

bool configuration_read_file(const char *path, size_t maximum, struct buffer *content, struct buffer *error)
{
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file < 0) {
        buffer_append_string(error, strerror(errno));
        return false;
    }
    bool read = read_open_file(file, maximum, content, error);
    close(file);
    return read;
}

bool configuration_read_watched(struct configuration_reader *reader, const char *path, size_t maximum,
                                struct buffer *content, struct buffer *error)
{
    if (reader->files_read)
        files_read_add(reader->files_read, path);
    return configuration_read_file(path, maximum, content, error);
}
