/* The keys of other servers, as a notary gives them: asked for once, remembered, and shared by all who wait for them.
 * The notary is a homeserver, most naturally the administrator's own, which finds and checks the keys itself (POST
 * /_matrix/key/v2/query). Weir does not look for servers by itself. */
#ifndef WEIR_ENGINE_SERVER_KEYS_H
#define WEIR_ENGINE_SERVER_KEYS_H

#include <event2/event.h>

#include "engine/metrics.h"
#include "engine/shared_wait.h"
#include "engine/signing_key.h"

struct server_keys;

struct server_keys_settings {
    const char *notary;  /* "https://matrix.example.org", without a path */
    const char *ca_file; /* who is trusted beside it; NULL: the system's authorities */
    int64_t timeout_ms;  /* for the keys of a server, all attempts together */
};

enum server_keys_status {
    SERVER_KEYS_FOUND,
    SERVER_KEYS_NONE,    /* the server has no such key, or none that anybody knows: `problem` says why */
    SERVER_KEYS_WANTED,  /* it has to be asked for: server_keys_wait */
    SERVER_KEYS_TOO_MANY /* likewise, but too many are being asked for already */
};

/* `settings` are copied. libcurl must have been loaded (replication/curl_library.h). */
struct server_keys *server_keys_create(struct event_base *base, const struct server_keys_settings *settings,
                                       struct metrics *metrics);
/* Nobody may wait any more. */
void server_keys_destroy(struct server_keys *keys);

/* Looks for the key `key_id` ("ed25519:a_AbCd") of `server_name`; both as matrix_authorization_read lets them pass:
 * without spaces, quotes and backslashes. `problem` is a sentence that
 * lives until the next call. */
enum server_keys_status server_keys_find(struct server_keys *keys, struct slice server_name, struct slice key_id,
                                         unsigned char public[static SIGNING_KEY_PUBLIC_SIZE], const char **problem);
/* Asks for it, unless that is under way: after SERVER_KEYS_WANTED alone. `waiter` is woken, never from within this
 * call, when it is worth to look again; that the key is still wanted then means that the notary could not be asked. The
 * result is NULL. */
void server_keys_wait(struct server_keys *keys, struct slice server_name, struct slice key_id,
                      struct shared_waiter *waiter);

#endif
