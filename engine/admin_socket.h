/* The unix socket on which an engine is administered: nobody but its own user and root gets a word in.
 *
 * The socket is private from the first moment, and whoever connects is asked of the kernel besides, since a folder may
 * be shared and a mode changed. What a dead engine left is replaced, a socket on which somebody answers is not, and a
 * file that is no socket is never removed. */
#ifndef WEIR_ENGINE_ADMIN_SOCKET_H
#define WEIR_ENGINE_ADMIN_SOCKET_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buffer.h"

struct admin_socket;

enum admin_socket_status {
    ADMIN_SOCKET_OPENED,
    ADMIN_SOCKET_TAKEN,      /* another process answers there */
    ADMIN_SOCKET_IMPOSSIBLE, /* the folder, the rights, a file in the way */
};

/* Listens at `path`. Unless it is OPENED, `*socket` is NULL and `error` has a sentence that says what to do. May block
 * for a second if another engine starts or stops in the same folder in the same moment. */
enum admin_socket_status admin_socket_open(const char *path, struct admin_socket **socket, struct buffer *error);
/* What listens; whoever closes it must do so before admin_socket_close. */
int admin_socket_descriptor(const struct admin_socket *socket);
/* Removes the file, if it is still the one that was made. NULL is nothing. */
void admin_socket_close(struct admin_socket *socket);

/* Whether the process at the other end of a connection runs as our user or as root. `peer` gets its user, or -1 if the
 * kernel does not tell, which is a no. */
bool admin_socket_admits(int connection, uid_t *peer);

#endif
