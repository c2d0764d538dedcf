/* Which rights of an ACL user Weir needs on Redis, and which of them are missing.
 *
 * They are tried, not read: a user who may ask for its own rights is rare. Nothing is changed by it: the commands are
 * queued in a transaction that is broken on purpose, and Redis looks at the rights when it queues. */
#ifndef WEIR_ENGINE_REDIS_RIGHTS_H
#define WEIR_ENGINE_REDIS_RIGHTS_H

#include "engine/redis_probe.h"

struct redis_rights {
    struct buffer missing; /* "+hset, +xadd"; empty: nothing is missing */
    struct buffer line;    /* the ACL SETUSER line that gives what is missing */
    struct buffer refused; /* Redis refuses for another reason (out of memory, a replica): its words; or empty */
};

/* `role`: the engine has one, and needs a lease. False if Redis was lost over it. The caller frees the result with
 * redis_rights_free in either case. */
bool redis_rights_check(struct redis_probe *probe, const struct redis_address *address, const char *server_name,
                        bool role, struct redis_rights *rights);
void redis_rights_free(struct redis_rights *rights);

/* The whole line of a user that has what Weir needs. */
void redis_rights_append_line(const char *username, const char *server_name, bool role, struct buffer *output);

#endif
