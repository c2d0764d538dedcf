/* Secrets first: a configuration never names one that is not there. Each file is written under another name and then
 * takes its own in one step, so that there is never half of one; without `force` in such a way that it takes the place
 * of none.
 *
 * Made by root, they are given to the user `weir` that the packages make, if there is one: the engine must read them.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "engine/init.h"

#define SECRET_BYTES 24
#define ENGINE_USER "weir"

struct stored_file {
    const char *name;
    const char *content;
    mode_t mode;
};

static void append_path(struct buffer *output, const char *folder, const char *name)
{
    buffer_append_format(output, "%s/%s", folder, name);
}

/* The folder of a path; the caller frees it. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == path ? memory_copy_text("/", 1)
           : slash       ? memory_copy_text(path, (size_t)(slash - path))
                         : memory_copy_text(".", 1);
}

static bool complain(const char *path, const char *what)
{
    fprintf(stderr, "weir init: %s: %s\n", path, what);
    return false;
}

static void give_away(int descriptor, bool secret)
{
    const struct passwd *user = geteuid() == 0 ? getpwnam(ENGINE_USER) : NULL;
    if (user && fchown(descriptor, secret ? user->pw_uid : 0, user->pw_gid) != 0)
        fprintf(stderr, "weir init: a file cannot be given to the user " ENGINE_USER ": %s\n", strerror(errno));
}

static bool write_all(int descriptor, const char *content)
{
    size_t length = strlen(content);
    while (length) {
        ssize_t written = write(descriptor, content, length);
        if (written < 0)
            return false;
        content += written;
        length -= (size_t)written;
    }
    return fsync(descriptor) == 0;
}

/* A configuration that is written over is kept beside it: somebody may have worked on it. */
static bool keep_old(const char *path)
{
    struct buffer old = {0};
    buffer_append_format(&old, "%s.old", path);
    unlink(buffer_string(&old));
    bool kept = link(path, buffer_string(&old)) == 0;
    if (kept)
        printf("  kept what was there as %s\n", buffer_string(&old));
    bool nothing = !kept && errno == ENOENT;
    buffer_free(&old);
    return kept || nothing;
}

static bool store_file(const char *path, const struct stored_file *file, bool force)
{
    struct buffer other = {0};
    buffer_append_format(&other, "%s.new", path);
    const char *name = buffer_string(&other);
    unlink(name);
    int descriptor = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool good = descriptor >= 0 && write_all(descriptor, file->content) && fchmod(descriptor, file->mode) == 0;
    if (good)
        give_away(descriptor, file->mode == 0600);
    good = good && (!force || file->name || keep_old(path));
    good = good && (force ? rename(name, path) : link(name, path)) == 0;
    if (!good)
        complain(path, strerror(errno));
    if (descriptor >= 0) {
        close(descriptor);
        unlink(name);
    }
    buffer_free(&other);
    return good;
}

static bool make_secret(struct buffer *secret)
{
    unsigned char bytes[SECRET_BYTES];
    if (getentropy(bytes, sizeof bytes) != 0)
        return false;
    for (size_t index = 0; index < sizeof bytes; index++)
        buffer_append_format(secret, "%02x", bytes[index]);
    return true;
}

/* The folder of the state, if it is not there. */
static bool make_state_dir(const char *path)
{
    struct stat status;
    if (stat(path, &status) == 0)
        return S_ISDIR(status.st_mode) || complain(path, "is no folder");
    if (mkdir(path, 0700) != 0)
        return complain(path, strerror(errno));
    int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (descriptor >= 0) {
        give_away(descriptor, true);
        close(descriptor);
    }
    return true;
}

static bool is_free(const char *path, bool force)
{
    struct stat status;
    if (lstat(path, &status) != 0)
        return true;
    if (S_ISDIR(status.st_mode))
        return complain(path, "is a folder");
    return force || complain(path, "is there already; --force writes over it, --output FILE takes another name");
}

#define FILES_MAXIMUM 5

static bool store_all(const char *folder, const char *path, const struct stored_file *files, size_t count, bool force)
{
    struct buffer names[FILES_MAXIMUM] = {0};
    bool good = true;
    for (size_t index = 0; index < count; index++) {
        if (files[index].name)
            append_path(&names[index], folder, files[index].name);
        else
            buffer_append_string(&names[index], path);
        good = good && is_free(buffer_string(&names[index]), force);
    }
    for (size_t index = 0; index < count && good; index++) {
        good = store_file(buffer_string(&names[index]), &files[index], force);
        if (good)
            printf("  wrote %s (%s)\n", buffer_string(&names[index]), files[index].mode == 0600 ? "0600" : "0640");
    }
    for (size_t index = 0; index < FILES_MAXIMUM; index++)
        buffer_free(&names[index]);
    return good;
}

bool init_store(const struct init_answers *answers, const char *path, bool force)
{
    struct buffer secret = {0}, text = {0};
    struct stored_file files[FILES_MAXIMUM];
    size_t count = 0;
    char *folder = folder_of(path);
    struct init_secret_files names = {.http_secret = "http-secret"};
    bool good = make_secret(&secret) || complain("http-secret", strerror(errno));
    files[count++] = (struct stored_file){names.http_secret, buffer_string(&secret), 0600};
    if (answers->redis.password)
        files[count++] = (struct stored_file){names.redis_password = "redis-password", answers->redis.password, 0600};
    if (answers->bodies && answers->postgres.password)
        files[count++] =
            (struct stored_file){names.postgres_password = "postgres-password", answers->postgres.password, 0600};
    if (answers->replication_secret)
        files[count++] =
            (struct stored_file){names.replication_secret = "replication-secret", answers->replication_secret, 0600};
    init_file_append(answers, &names, &text);
    files[count++] = (struct stored_file){NULL, buffer_string(&text), 0640};
    good = good && is_free(path, force) && make_state_dir(answers->state_dir) &&
           store_all(folder, path, files, count, force);
    explicit_bzero(secret.data, secret.capacity);
    free(folder);
    buffer_free(&secret);
    buffer_free(&text);
    return good;
}
