/* A pair that was replaced stays open for the bodies of its last events, so that each pair can be replayed by itself.
 * The folder is looked at anew for the limit, since the pairs of earlier runs count and an administrator may have moved
 * some away. */
#include "engine/record_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "engine/log.h"
#include "engine/record_names.h"
#include "replication/line_writer.h"

/* Of one second; more than that is no rotation but a mistake. */
#define NAMES_TRIED 999u
/* The folder is read again when so much of the limit was written. */
#define LIMIT_LOOKS 64u

struct record_pair {
    struct record_pair *next; /* older ones that are still held */
    struct line_writer *recording;
    struct line_writer *bodies; /* NULL: none are written */
    char stamp[RECORD_STAMP_ROOM];
    int64_t began_ms;
    uint64_t held;
};

struct record_files {
    struct record_files_settings settings;
    struct record_pair *current;
    struct record_pair *older;
    uint64_t closed_bytes; /* of pairs that are closed */
    uint64_t looked_at;    /* how much was written when the folder was last read */
    struct record_files_counts counts;
    struct buffer failure; /* of a pair that was closed in between */
};

static bool rotates(const struct record_files *files)
{
    return files->settings.rotate_ms || files->settings.rotate_bytes;
}

static struct line_writer *create_writer(const struct record_files *files, const char *path, const char *stamp,
                                         struct buffer *error)
{
    struct buffer name = {0};
    if (rotates(files))
        record_name_append(path, stamp, &name);
    else
        buffer_append_string(&name, path);
    size_t length = strlen(path);
    bool compressed = length > 4 && strcmp(path + length - 4, ".zst") == 0;
    struct line_writer *writer =
        line_writer_create(buffer_string(&name), compressed ? files->settings.level : 0, error);
    int reason = errno;
    buffer_free(&name);
    errno = reason;
    return writer;
}

static uint64_t pair_size(const struct record_pair *pair)
{
    return line_writer_size(pair->recording) + (pair->bodies ? line_writer_size(pair->bodies) : 0);
}

static bool close_pair(struct record_files *files, struct record_pair *pair, struct buffer *error)
{
    struct buffer again = {0};
    /* Sizes are known once all is written. */
    bool good = line_writer_flush(pair->recording, error);
    if (pair->bodies)
        good = line_writer_flush(pair->bodies, good ? error : &again) && good;
    files->closed_bytes += pair_size(pair);
    good = line_writer_close(pair->recording, good ? error : &again) && good;
    good = line_writer_close(pair->bodies, good ? error : &again) && good;
    buffer_free(&again);
    free(pair);
    return good;
}

/* NULL with errno EEXIST where a file of that name is there. */
static struct record_pair *create_pair(const struct record_files *files, int64_t now_ms, int64_t stamped_ms,
                                       struct buffer *error)
{
    struct record_pair *pair = memory_allocate_zeroed(1, sizeof *pair);
    pair->began_ms = now_ms;
    record_stamp(stamped_ms, pair->stamp);
    pair->recording = create_writer(files, files->settings.recording, pair->stamp, error);
    if (pair->recording && files->settings.bodies)
        pair->bodies = create_writer(files, files->settings.bodies, pair->stamp, error);
    if (pair->recording && (pair->bodies || !files->settings.bodies))
        return pair;
    int reason = errno;
    if (pair->recording) {
        struct buffer ignored = {0};
        unlink(line_writer_path(pair->recording));
        line_writer_close(pair->recording, &ignored);
        buffer_free(&ignored);
    }
    free(pair);
    errno = reason;
    return NULL;
}

static struct record_pair *next_pair(struct record_files *files, int64_t now_ms, struct buffer *error)
{
    unsigned tries = rotates(files) ? NAMES_TRIED : 1;
    for (unsigned later_ms = 0; later_ms < tries; later_ms++) {
        buffer_clear(error);
        struct record_pair *pair = create_pair(files, now_ms, now_ms + later_ms, error);
        if (pair) {
            files->counts.files += pair->bodies ? 2 : 1;
            return pair;
        }
        if (errno != EEXIST)
            return NULL;
    }
    return NULL;
}

struct record_files *record_files_open(const struct record_files_settings *settings, int64_t now_ms,
                                       struct buffer *error)
{
    struct record_files *files = memory_allocate_zeroed(1, sizeof *files);
    files->settings = *settings;
    files->current = next_pair(files, now_ms, error);
    if (files->current)
        return files;
    free(files);
    return NULL;
}

bool record_files_close(struct record_files *files, struct buffer *error)
{
    if (!files)
        return true;
    bool good = files->failure.length == 0;
    if (!good)
        buffer_append_slice(error, buffer_slice(&files->failure));
    while (files->older) {
        struct record_pair *pair = files->older;
        files->older = pair->next;
        good = close_pair(files, pair, error) && good;
    }
    good = close_pair(files, files->current, error) && good;
    buffer_free(&files->failure);
    free(files);
    return good;
}

void record_files_line(struct record_files *files, struct slice line)
{
    line_writer_append(files->current->recording, line);
}

void record_files_body(struct record_files *files, struct record_pair *pair, struct slice line)
{
    (void)files;
    if (pair->bodies)
        line_writer_append(pair->bodies, line);
}

struct record_pair *record_files_hold(struct record_files *files)
{
    files->current->held++;
    return files->current;
}

/* Pairs that were replaced and wait for nothing. */
static void close_released(struct record_files *files)
{
    for (struct record_pair **link = &files->older; *link;) {
        struct record_pair *pair = *link;
        if (pair->held) {
            link = &pair->next;
            continue;
        }
        *link = pair->next;
        close_pair(files, pair, &files->failure);
    }
}

void record_files_release(struct record_files *files, struct record_pair *pair)
{
    pair->held--;
    if (pair->held == 0 && pair != files->current)
        close_released(files);
}

bool record_files_due(const struct record_files *files, int64_t now_ms)
{
    const struct record_files_settings *settings = &files->settings;
    if (!rotates(files) || line_writer_text_size(files->current->recording) == 0)
        return false;
    uint64_t size = pair_size(files->current);
    return (settings->rotate_ms && now_ms - files->current->began_ms >= settings->rotate_ms) ||
           (settings->rotate_bytes && size >= settings->rotate_bytes) ||
           (settings->limit_bytes && size >= settings->limit_bytes / 4);
}

bool record_files_rotate(struct record_files *files, int64_t now_ms, struct buffer *error)
{
    struct record_pair *pair = next_pair(files, now_ms, error);
    if (!pair)
        return false;
    /* Before the next pair is written, so that a recorder that is killed has no hole between the two. */
    (void)line_writer_flush(files->current->recording, &files->failure);
    files->current->next = files->older;
    files->older = files->current;
    files->current = pair;
    close_released(files);
    files->looked_at = 0;
    return true;
}

/* ---- the limit */

struct found_file {
    char *path;
    char stamp[RECORD_STAMP_ROOM];
    uint64_t size;
};

struct found_files {
    struct found_file *files;
    size_t count;
    uint64_t size;
};

/* Adds the files of the series of `path`. */
static void find_files(const char *path, struct found_files *found)
{
    const char *slash = strrchr(path, '/');
    struct buffer folder = {0};
    buffer_append(&folder, slash ? path : ".", slash ? (size_t)(slash - path) + 1 : 1);
    DIR *directory = opendir(buffer_string(&folder));
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        struct slice stamp = record_name_stamp(path, slice_from_string(entry->d_name));
        struct stat status;
        if (!slice_present(stamp) || fstatat(dirfd(directory), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(status.st_mode))
            continue;
        found->files = memory_reallocate(found->files, (found->count + 1) * sizeof *found->files);
        struct found_file *file = &found->files[found->count++];
        struct buffer name = {0};
        buffer_append_format(&name, "%s/%s", buffer_string(&folder), entry->d_name);
        *file = (struct found_file){.path = memory_copy_text(name.data, name.length), .size = (uint64_t)status.st_size};
        memcpy(file->stamp, stamp.data, stamp.length);
        found->size += file->size;
        buffer_free(&name);
    }
    if (directory)
        closedir(directory);
    buffer_free(&folder);
}

static int by_stamp(const void *left, const void *right)
{
    const struct found_file *first = left, *second = right;
    return strcmp(first->stamp, second->stamp);
}

static bool is_open(const struct record_files *files, const char *stamp)
{
    if (strcmp(files->current->stamp, stamp) == 0)
        return true;
    for (const struct record_pair *pair = files->older; pair; pair = pair->next)
        if (strcmp(pair->stamp, stamp) == 0)
            return true;
    return false;
}

/* Removes whole pairs, oldest first. */
static void keep_limit(struct record_files *files)
{
    static struct log_gate gate;
    struct found_files found = {0};
    uint64_t suppressed;
    find_files(files->settings.recording, &found);
    if (files->settings.bodies)
        find_files(files->settings.bodies, &found);
    if (found.count)
        qsort(found.files, found.count, sizeof *found.files, by_stamp);
    const char *last = "";
    for (size_t index = 0; index < found.count; index++) {
        const struct found_file *file = &found.files[index];
        bool rest_of_pair = strcmp(last, file->stamp) == 0;
        if (found.size <= files->settings.limit_bytes && !rest_of_pair)
            break;
        if (is_open(files, file->stamp)) {
            files->looked_at = 0; /* it waits for bodies, and may go when they are there */
            break;
        }
        last = file->stamp;
        if (unlink(file->path) == 0) {
            files->counts.removed++;
            found.size -= file->size;
            log_info("an old recording was removed to keep the limit", LOG_STRING("path", file->path));
        } else if (log_gate_pass(&gate, &suppressed)) {
            log_warning("an old recording cannot be removed; the limit is not kept", LOG_STRING("path", file->path),
                        LOG_STRING("reason", strerror(errno)));
        }
    }
    for (size_t index = 0; index < found.count; index++)
        free(found.files[index].path);
    free(found.files);
}

static bool flush_pair(struct record_pair *pair, struct buffer *error)
{
    return line_writer_flush(pair->recording, error) && (!pair->bodies || line_writer_flush(pair->bodies, error));
}

bool record_files_flush(struct record_files *files, struct buffer *error)
{
    bool good = files->failure.length == 0;
    buffer_append_slice(error, buffer_slice(&files->failure));
    good = good && flush_pair(files->current, error);
    for (struct record_pair *pair = files->older; good && pair; pair = pair->next)
        good = flush_pair(pair, error);
    uint64_t written = record_files_counts(files).bytes;
    bool look = files->settings.limit_bytes &&
                (!files->looked_at || written - files->looked_at > files->settings.limit_bytes / LIMIT_LOOKS);
    if (good && look) {
        files->looked_at = written ? written : 1;
        keep_limit(files);
    }
    return good;
}

struct record_files_counts record_files_counts(const struct record_files *files)
{
    struct record_files_counts counts = files->counts;
    counts.bytes = files->closed_bytes + pair_size(files->current);
    for (const struct record_pair *pair = files->older; pair; pair = pair->next)
        counts.bytes += pair_size(pair);
    return counts;
}

const char *record_files_path(const struct record_files *files)
{
    return line_writer_path(files->current->recording);
}
