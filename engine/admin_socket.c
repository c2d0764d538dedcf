/* The mode is set on the socket before it has a name (Linux gives the name the mode of the socket), so that there is no
 * moment in which others could connect, and the umask of the process, which its threads share, is left alone.
 *
 * Two engines that start in the same moment could both find a dead socket, and the slower one would then remove what
 * the faster one has just made. So the folder is locked for the time from the look to the bind. */
#include "engine/admin_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"

#define BACKLOG 64
#define PRIVATE 0600
#define LOCK_TRIES 50
#define LOCK_PAUSE_NS 20000000

struct admin_socket {
    char *path;
    int descriptor;
    dev_t device; /* these two tell our file from one that took its place */
    ino_t inode;
};

static bool fill_address(const char *path, struct sockaddr_un *address)
{
    size_t length = strlen(path);
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (length == 0 || length >= sizeof address->sun_path)
        return false;
    memcpy(address->sun_path, path, length + 1);
    return true;
}

/* Of the folder that holds `path`; -1 without one, which is no reason to give up: it guards against a coincidence. */
static int lock_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 0;
    char *folder = !slash ? memory_copy_text(".", 1) : memory_copy_text(length ? path : "/", length ? length : 1);
    int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    struct timespec pause = {.tv_nsec = LOCK_PAUSE_NS};
    for (int tries = 0; descriptor >= 0 && flock(descriptor, LOCK_EX | LOCK_NB) != 0 && tries < LOCK_TRIES; tries++)
        nanosleep(&pause, NULL);
    return descriptor;
}

static void unlock_folder(int descriptor)
{
    if (descriptor >= 0)
        close(descriptor);
}

/* Whether somebody listens there: errno of an attempt to connect, 0 for yes. */
static int knock(const struct sockaddr_un *address)
{
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe < 0)
        return errno;
    int problem = connect(probe, (const struct sockaddr *)address, sizeof *address) == 0 ? 0 : errno;
    close(probe);
    return problem == EAGAIN ? 0 : problem; /* it listens, and many wait */
}

/* Removes what a dead engine left at the path. */
static enum admin_socket_status make_way(const struct sockaddr_un *address, struct buffer *error)
{
    const char *path = address->sun_path;
    struct stat status;
    if (lstat(path, &status) != 0)
        return ADMIN_SOCKET_OPENED; /* nothing is there, or the bind will tell why nothing can be */
    if (!S_ISSOCK(status.st_mode)) {
        buffer_append_format(error,
                             "\"%s\" is there and no socket: it is left alone; move it away, or choose another "
                             "`admin_socket`",
                             path);
        return ADMIN_SOCKET_IMPOSSIBLE;
    }
    int problem = knock(address);
    if (problem == 0) {
        buffer_append_format(error,
                             "another engine answers at \"%s\": stop it first, or give each its own "
                             "`instance_name`, `state_dir` or `admin_socket`",
                             path);
        return ADMIN_SOCKET_TAKEN;
    }
    if (problem != ECONNREFUSED) {
        buffer_append_format(error,
                             "what listens at \"%s\" cannot be told (%s): remove it, or choose another "
                             "`admin_socket`",
                             path, strerror(problem));
        return ADMIN_SOCKET_IMPOSSIBLE;
    }
    if (unlink(path) != 0 && errno != ENOENT) {
        buffer_append_format(error, "the socket of an engine that is gone, \"%s\", cannot be removed: %s", path,
                             strerror(errno));
        return ADMIN_SOCKET_IMPOSSIBLE;
    }
    return ADMIN_SOCKET_OPENED;
}

static const char *advice_for(int problem)
{
    return problem == ENOENT                       ? ": make the folder, for the user Weir runs as"
           : problem == EACCES || problem == EPERM ? ": the folder must be writable for the user Weir runs as"
                                                   : "";
}

/* Nobody can connect before the listen, so that a mode that the system did not take from the socket is found in time.
 */
static bool listen_at(const struct sockaddr_un *address, struct admin_socket *made, struct buffer *error)
{
    struct stat status = {0};
    made->descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool bound = made->descriptor >= 0 && fchmod(made->descriptor, PRIVATE) == 0 &&
                 bind(made->descriptor, (const struct sockaddr *)address, sizeof *address) == 0;
    if (bound && lstat(made->path, &status) == 0 && S_ISSOCK(status.st_mode) && (status.st_mode & 0777) == PRIVATE &&
        listen(made->descriptor, BACKLOG) == 0) {
        made->device = status.st_dev;
        made->inode = status.st_ino;
        return true;
    }
    int problem = errno;
    if (bound && S_ISSOCK(status.st_mode) && (status.st_mode & 0777) != PRIVATE)
        buffer_append_format(error,
                             "\"%s\" cannot be made a socket that is only ours: this file system gives it the "
                             "mode %03o; choose another `admin_socket`",
                             made->path, status.st_mode & 0777u);
    else
        buffer_append_format(error, "cannot listen at \"%s\": %s%s", made->path, strerror(problem),
                             advice_for(problem));
    if (bound)
        unlink(made->path);
    if (made->descriptor >= 0)
        close(made->descriptor);
    return false;
}

enum admin_socket_status admin_socket_open(const char *path, struct admin_socket **opened, struct buffer *error)
{
    struct sockaddr_un address;
    *opened = NULL;
    buffer_clear(error);
    if (!fill_address(path, &address)) {
        buffer_append_format(error, "\"%s\" is no path for a socket: it may have %zu bytes", path,
                             sizeof address.sun_path - 1);
        return ADMIN_SOCKET_IMPOSSIBLE;
    }
    struct admin_socket *made = memory_allocate_zeroed(1, sizeof *made);
    made->path = memory_copy_text(path, strlen(path));
    int lock = lock_folder(path);
    enum admin_socket_status status = make_way(&address, error);
    if (status == ADMIN_SOCKET_OPENED && !listen_at(&address, made, error))
        status = ADMIN_SOCKET_IMPOSSIBLE;
    unlock_folder(lock);
    if (status == ADMIN_SOCKET_OPENED) {
        *opened = made;
    } else {
        free(made->path);
        free(made);
    }
    return status;
}

int admin_socket_descriptor(const struct admin_socket *socket)
{
    return socket->descriptor;
}

void admin_socket_close(struct admin_socket *socket)
{
    struct stat status;
    if (!socket)
        return;
    int lock = lock_folder(socket->path);
    if (lstat(socket->path, &status) == 0 && S_ISSOCK(status.st_mode) && status.st_dev == socket->device &&
        status.st_ino == socket->inode)
        unlink(socket->path);
    unlock_folder(lock);
    free(socket->path);
    free(socket);
}

bool admin_socket_admits(int connection, uid_t *peer)
{
    struct ucred credentials;
    socklen_t length = sizeof credentials;
    *peer = (uid_t)-1;
    if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0)
        return false;
    *peer = credentials.uid;
    return credentials.uid == 0 || credentials.uid == geteuid();
}
