/* The words that Redis's errors begin with are part of its protocol; what follows them changes with versions. */
#include "engine/redis_error.h"

static const struct {
    const char *word;
    const char *advice;
} errors[] = {
    {"OOM ", "Redis has reached its maxmemory: raise it, free memory, or lower publish.keep"},
    {"READONLY ", "this Redis is a read-only replica: name the master, or let redis.sentinel find it"},
    {"MISCONF ", "Redis cannot save to its disk and takes no writes: see its log, free disk space"},
    {"BUSY ", "a script keeps Redis busy: wait for it, or end it with SCRIPT KILL"},
    {"LOADING ", "Redis reads its data from disk: wait for it"},
    {"MASTERDOWN ", "this Redis is a replica without its master: name the master, or let redis.sentinel find it"},
    {"NOREPLICAS ", "Redis misses replicas (min-replicas-to-write) and takes no writes: see to its replicas"},
    {"NOAUTH ", "Redis asks for a password: set redis.password, and redis.username of an ACL user"},
    {"WRONGPASS ", "check redis.username and redis.password"},
    {"NOPERM ", "the ACL user lacks a right: docs/redis.md shows the ACL SETUSER line that Weir needs"},
    {"max number of clients", "Redis has too many clients: raise its maxclients, or find who does not close them"},
    {"EXECABORT ", "Redis refused a part of the transaction: see its log"},
    {"WRONGTYPE ", "a key of Weir's (<server_name>/weir/...) holds something else: rename or delete it"},
    {"certificate is not trusted", "name who signed it in redis.ca_file, or give up on checking with verify: false"},
    {"certificate is not for the host", "connect to a name or address that the certificate holds, or let it hold this"},
    {"asks for a client certificate", "set redis.certificate_file and redis.private_key_file"},
    {"MOVED ", "this Redis is part of a cluster, which Weir does not support: use one server, or redis.sentinel"},
};

const char *redis_error_advice(struct slice text)
{
    for (size_t index = 0; index < sizeof errors / sizeof *errors; index++)
        if (memmem(text.data, text.length, errors[index].word, strlen(errors[index].word)))
            return errors[index].advice;
    return "";
}
