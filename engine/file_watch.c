/* What inotify tells is taken as a hint to look, and nothing more: so its queue may overflow, and a folder full of
 * other people's files costs a look every half second at most. */
#include "engine/file_watch.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "engine/log.h"

#define MASK                                                                                                           \
    (IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF)

struct file_watch {
    struct event_base *base;
    file_watch_function *changed;
    void *context;
    bool on;
    bool paused;
    bool polls;
    struct files_read files;
    struct file_identity *seen; /* what the files were at the last look, if `moving` */
    bool moving;                /* they differ from what was read, and were not yet quiet */
    int inotify;                /* -1: none */
    struct event *told;
    struct event *timer; /* the next look */
};

static void look_in(struct file_watch *watch, int milliseconds)
{
    struct timeval delay = {.tv_sec = milliseconds / 1000, .tv_usec = milliseconds % 1000 * 1000};
    event_add(watch->timer, &delay);
}

static void look_later(struct file_watch *watch)
{
    look_in(watch, watch->polls ? FILE_WATCH_POLL_MS : FILE_WATCH_LOOK_MS);
}

/* Whether the files are as at the look before; notes what they are. */
static bool is_quiet(struct file_watch *watch)
{
    bool quiet = watch->moving;
    for (size_t index = 0; index < watch->files.count; index++) {
        struct file_identity now = file_identity_of(watch->files.items[index].path);
        quiet = quiet && file_identity_equal(&now, &watch->seen[index]);
        watch->seen[index] = now;
    }
    return quiet;
}

static void on_timer(evutil_socket_t socket, short what, void *argument)
{
    (void)socket, (void)what;
    struct file_watch *watch = argument;
    const char *path = files_read_changed(&watch->files);
    if (!path) {
        watch->moving = false;
        look_later(watch);
    } else if (!is_quiet(watch)) {
        watch->moving = true;
        look_in(watch, FILE_WATCH_SETTLE_MS);
    } else {
        watch->paused = true;
        watch->changed(watch->context, path);
    }
}

/* Sooner, if a look is not due as soon. */
static void look_soon(struct file_watch *watch)
{
    struct timeval due, now;
    if (watch->paused || watch->moving)
        return;
    if (event_pending(watch->timer, EV_TIMEOUT, &due)) {
        evutil_gettimeofday(&now, NULL);
        evutil_timersub(&due, &now, &due);
        if (due.tv_sec == 0 && due.tv_usec < FILE_WATCH_SETTLE_MS * 1000)
            return;
    }
    look_in(watch, FILE_WATCH_SETTLE_MS);
}

static void on_told(evutil_socket_t socket, short what, void *argument)
{
    (void)what;
    char events[16384];
    while (read(socket, events, sizeof events) > 0)
        ;
    look_soon(argument);
}

/* ---- folders */

static bool watch_folder_of(struct file_watch *watch, const char *path)
{
    struct buffer folder = {0};
    const char *slash = strrchr(path, '/');
    if (!slash)
        buffer_append_char(&folder, '.');
    else
        buffer_append(&folder, path, slash == path ? 1 : (size_t)(slash - path));
    /* The same folder again is the same watch. */
    bool watched = inotify_add_watch(watch->inotify, buffer_string(&folder), MASK) >= 0;
    if (!watched && errno != ENOENT)
        log_warning("a folder cannot be watched; its files are looked at every two seconds",
                    LOG_STRING("folder", buffer_string(&folder)), LOG_STRING("reason", strerror(errno)));
    buffer_free(&folder);
    return watched;
}

/* The file's folder, and that of what a link leads to. */
static bool watch_file(struct file_watch *watch, const char *path)
{
    char *real = realpath(path, NULL);
    bool watched = watch_folder_of(watch, path);
    if (real)
        watched = watch_folder_of(watch, real) && watched;
    free(real);
    return watched;
}

static void close_folders(struct file_watch *watch)
{
    if (watch->told)
        event_free(watch->told);
    if (watch->inotify >= 0)
        close(watch->inotify);
    watch->told = NULL;
    watch->inotify = -1;
}

static void open_folders(struct file_watch *watch)
{
    watch->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    watch->polls = watch->inotify < 0;
    if (watch->polls) {
        log_warning("files cannot be watched by inotify; they are looked at every two seconds",
                    LOG_STRING("reason", strerror(errno)));
        return;
    }
    for (size_t index = 0; index < watch->files.count; index++)
        if (!watch_file(watch, watch->files.items[index].path))
            watch->polls = true;
    watch->told = event_new(watch->base, watch->inotify, EV_READ | EV_PERSIST, on_told, watch);
    event_add(watch->told, NULL);
}

/* ---- life */

void file_watch_set(struct file_watch *watch, bool on, struct files_read *files)
{
    bool before = watch->on;
    event_del(watch->timer);
    close_folders(watch);
    files_read_free(&watch->files);
    free(watch->seen);
    watch->files = *files;
    watch->seen = memory_allocate_zeroed(watch->files.count, sizeof *watch->seen);
    watch->moving = watch->paused = false;
    watch->on = on;
    *files = (struct files_read){0};
    if (on != before)
        log_info(on ? "watches the files of the configuration"
                    : "does not watch the files of the configuration any more",
                 LOG_INTEGER("files", watch->files.count));
    if (!on)
        return;
    open_folders(watch);
    look_in(watch, FILE_WATCH_SETTLE_MS);
}

void file_watch_pause(struct file_watch *watch)
{
    watch->paused = true;
    event_del(watch->timer);
}

bool file_watch_is_on(const struct file_watch *watch)
{
    return watch && watch->on;
}

struct file_watch *file_watch_create(struct event_base *base, file_watch_function *changed, void *context)
{
    struct file_watch *watch = memory_allocate_zeroed(1, sizeof *watch);
    watch->base = base;
    watch->changed = changed;
    watch->context = context;
    watch->inotify = -1;
    watch->timer = event_new(base, -1, 0, on_timer, watch);
    return watch;
}

void file_watch_destroy(struct file_watch *watch)
{
    if (!watch)
        return;
    close_folders(watch);
    event_free(watch->timer);
    files_read_free(&watch->files);
    free(watch->seen);
    free(watch);
}
