/* Which file was used last is its time of modification, which reading sets: access times are off on many machines. */
#include "engine/pattern_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "engine/configuration_reader.h"
#include "engine/log.h"
#include "engine/state_file.h"

#define SUFFIX ".patterns"
#define FILE_MAXIMUM ((size_t)256 << 20)
#define TEMPORARY_SECONDS 3600

static void append_path(const struct pattern_folder *folder, const char *name, struct buffer *path)
{
    buffer_append_format(path, "%s/%s" SUFFIX, folder->path, name);
}

static bool get(void *context, const char *name, struct buffer *content)
{
    struct pattern_folder *folder = context;
    struct buffer path = {0}, reason = {0};
    if (!folder->readable)
        return false;
    append_path(folder, name, &path);
    bool there = access(buffer_string(&path), F_OK) == 0;
    bool read = there && configuration_read_file(buffer_string(&path), FILE_MAXIMUM, content, &reason);
    if (read) {
        folder->found++;
        (void)utimensat(AT_FDCWD, buffer_string(&path), NULL, 0);
    } else if (there) {
        log_warning("a kept pattern set cannot be read; it is compiled again", LOG_TEXT("path", buffer_slice(&path)),
                    LOG_TEXT("reason", buffer_slice(&reason)));
    }
    buffer_free(&path);
    buffer_free(&reason);
    return read;
}

static void unusable(void *context, const char *name, const char *problem)
{
    struct pattern_folder *folder = context;
    struct buffer path = {0};
    folder->found--;
    append_path(folder, name, &path);
    log_warning("a kept pattern set cannot be used; it is compiled again", LOG_TEXT("path", buffer_slice(&path)),
                LOG_STRING("reason", problem));
    buffer_free(&path);
}

/* ---- what is too much, or too old */

struct kept_file {
    char *name;
    uint64_t bytes;
    int64_t used_ns;
};

struct kept_files {
    struct kept_file *items;
    size_t count;
    uint64_t bytes;
};

static bool is_kept(const char *name)
{
    size_t length = strlen(name);
    return length > strlen(SUFFIX) && strcmp(name + length - strlen(SUFFIX), SUFFIX) == 0;
}

static void look_at(DIR *directory, const char *name, time_t now, struct kept_files *files)
{
    struct stat status;
    if (!strstr(name, SUFFIX) || fstatat(dirfd(directory), name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(status.st_mode))
        return;
    bool kept = is_kept(name);
    time_t limit = kept ? (time_t)PATTERN_FOLDER_DAYS_MAXIMUM * 86400 : TEMPORARY_SECONDS;
    if (now - status.st_mtime > limit) {
        (void)unlinkat(dirfd(directory), name, 0);
    } else if (kept) {
        files->items = memory_reallocate(files->items, (files->count + 1) * sizeof *files->items);
        files->items[files->count++] =
            (struct kept_file){memory_copy_text(name, strlen(name)), (uint64_t)status.st_size,
                               (int64_t)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec};
        files->bytes += (uint64_t)status.st_size;
    }
}

static int compare_use(const void *left, const void *right)
{
    const struct kept_file *one = left, *other = right;
    return (one->used_ns > other->used_ns) - (one->used_ns < other->used_ns);
}

/* All but the newest may go. */
static void remove_oldest(const struct pattern_folder *folder, DIR *directory, struct kept_files *files)
{
    if (files->count)
        qsort(files->items, files->count, sizeof *files->items, compare_use);
    for (size_t index = 0; index + 1 < files->count && files->bytes > folder->bytes_maximum; index++) {
        if (unlinkat(dirfd(directory), files->items[index].name, 0) == 0)
            files->bytes -= files->items[index].bytes;
    }
}

static void clean(const struct pattern_folder *folder)
{
    struct kept_files files = {0};
    DIR *directory = opendir(folder->path);
    if (!directory)
        return;
    time_t now = time(NULL);
    for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory))
        look_at(directory, entry->d_name, now, &files);
    remove_oldest(folder, directory, &files);
    closedir(directory);
    for (size_t index = 0; index < files.count; index++)
        free(files.items[index].name);
    free(files.items);
}

/* ---- writing */

static void tell_unwritable(struct pattern_folder *folder, const char *step, int error)
{
    if (!folder->told)
        log_warning("a compiled pattern set cannot be kept; it will be compiled again next time",
                    LOG_STRING("cache_dir", folder->path), LOG_STRING("failed_to", step),
                    LOG_STRING("reason", strerror(error)));
    folder->told = true;
}

/* Makes the folder where the one above it is the engine's own; errno says why not. */
static bool make(struct pattern_folder *folder)
{
    struct stat status;
    char *above = memory_copy_text(folder->path, strlen(folder->path));
    char *slash = strrchr(above, '/');
    if (slash)
        slash[slash == above] = '\0'; /* "/" stays */
    bool may = stat(slash ? above : ".", &status) == 0 && status.st_uid == geteuid();
    free(above);
    folder->readable = may && mkdir(folder->path, 0700) == 0;
    if (may && !folder->readable)
        tell_unwritable(folder, "make the folder", errno);
    return folder->readable;
}

/* Whether it is there and our own: `weir check` of another user leaves nothing that the engine could not replace. */
static bool is_ours(struct pattern_folder *folder)
{
    struct stat status;
    if (stat(folder->path, &status) != 0)
        return errno == ENOENT && make(folder);
    return folder->readable && status.st_uid == geteuid();
}

static void put(void *context, const char *name, struct slice content)
{
    struct pattern_folder *folder = context;
    struct buffer path = {0};
    const char *step = NULL;
    if (content.length > FILE_MAXIMUM || !is_ours(folder))
        return;
    append_path(folder, name, &path);
    int error = state_file_replace(buffer_string(&path), content, &step);
    if (error) {
        tell_unwritable(folder, step, error);
    } else {
        folder->written++;
        clean(folder);
    }
    buffer_free(&path);
}

void pattern_folder_open(struct pattern_folder *folder, const char *path)
{
    struct stat status;
    *folder = (struct pattern_folder){.path = memory_copy_text(path, strlen(path)),
                                      .store = {folder, get, put, unusable},
                                      .bytes_maximum = PATTERN_FOLDER_BYTES_MAXIMUM};
    if (stat(path, &status) != 0)
        return;
    folder->readable = S_ISDIR(status.st_mode) && (status.st_uid == geteuid() || status.st_uid == 0) &&
                       (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
    if (!folder->readable)
        log_warning("the folder of kept pattern sets is not used: it must be a folder of the engine's user that nobody "
                    "else may write to",
                    LOG_STRING("cache_dir", path));
}

void pattern_folder_close(struct pattern_folder *folder)
{
    free(folder->path);
    *folder = (struct pattern_folder){0};
}
