/* Where a Redis is, how to speak to it, and who says where it is. */
#ifndef WEIR_ENGINE_REDIS_ADDRESS_H
#define WEIR_ENGINE_REDIS_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

/* The files are read again for each connection. All may be NULL; see struct tls_client_settings. */
struct redis_tls {
    bool enabled; /* not on a unix socket */
    bool unverified;
    char *ca_file;
    char *ca_path;
    char *certificate_file;
    char *private_key_file;
};

struct redis_endpoint {
    char *host;
    uint16_t port;
};

/* Redis Sentinels that know which server is the master now. */
struct redis_sentinels {
    char *master_name; /* NULL: none are asked */
    struct redis_endpoint *endpoints;
    size_t count;
    char *username; /* for the sentinels themselves, as those of struct redis_address for the servers */
    char *password;
    bool tls; /* with the files of the address */
};

struct redis_address {
    char *host; /* NULL: 127.0.0.1 */
    uint16_t port;
    char *unix_path; /* wins over host and port */
    char *username;  /* NULL: AUTH with the password alone, as Synapse does */
    char *password;  /* NULL: no AUTH */
    int database;
    struct redis_tls tls;
    struct redis_sentinels sentinels; /* instead of host, port and unix_path */
};

/* redis://[[user]:password@]host[:port][/db], rediss:// likewise with TLS, or
 * unix://[[user]:password@]/path/to.sock[?db=N] or a bare /path/to.sock. A query may say db=N and, with TLS, ca_file,
 * ca_path, certificate_file, private_key_file and verify=false. Percent-escapes are decoded. False with a sentence in
 * `error` (which never quotes the password). */
bool redis_address_parse(const char *url, struct redis_address *address, struct buffer *error);
void redis_address_free(struct redis_address *address);
/* For log lines: "127.0.0.1:6379/0", "/run/redis.sock", "the master mymaster". Never the password. Static memory is
 * not used. */
void redis_address_describe(const struct redis_address *address, struct buffer *output);
/* "host:port", "[::1]:26379" or a host alone, which gets `port`. False if it is none of these. */
bool redis_endpoint_parse(const char *text, uint16_t port, struct redis_endpoint *endpoint);

/* Whether a connection to it is one with TLS. */
static inline bool redis_address_uses_tls(const struct redis_address *address)
{
    return address->tls.enabled && !address->unix_path;
}

#endif
