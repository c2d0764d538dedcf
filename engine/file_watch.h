/* Watches the files that a configuration was made from, and says when they have changed and are quiet again.
 *
 * The folders are watched, since editors and configuration systems replace a file by another of its name, or a symbolic
 * link on the way to it; whatever happens in them makes the watch look at the files themselves. Every few seconds it
 * looks anyway: for file systems that tell nothing (NFS), or where inotify is not to be had. */
#ifndef WEIR_ENGINE_FILE_WATCH_H
#define WEIR_ENGINE_FILE_WATCH_H

#include <event2/event.h>

#include "engine/files_read.h"

/* A change counts once the files have stayed as they are for so long. */
#define FILE_WATCH_SETTLE_MS 500
/* Looks without being told; the second where inotify does not work. */
#define FILE_WATCH_LOOK_MS 10000
#define FILE_WATCH_POLL_MS 2000

struct file_watch;

/* `path` is a file that has changed. Called once, then not again before file_watch_set. */
typedef void file_watch_function(void *context, const char *path);

struct file_watch *file_watch_create(struct event_base *base, file_watch_function *changed, void *context);
void file_watch_destroy(struct file_watch *watch);

/* Watches these files from now on, or none (`on` false). What has changed since they were read counts. `files` is
 * emptied. */
void file_watch_set(struct file_watch *watch, bool on, struct files_read *files);
/* Says nothing before the next file_watch_set. */
void file_watch_pause(struct file_watch *watch);
bool file_watch_is_on(const struct file_watch *watch);

#endif
