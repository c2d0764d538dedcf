/* The policy server's HTTP side (MSC4284): who asks is found out by the signature in the header (X-Matrix), what is
 * asked is handed to engine/policy_check.h, and the answer is put as the endpoint wants it:
 *
 *   POST /_matrix/policy/v1/sign                                         Matrix 1.18
 *   POST /_matrix/policy/unstable/org.matrix.msc4284/sign                refuses with 200 and {}
 *   POST /_matrix/policy/unstable/org.matrix.msc4284/event/<id>/check    says ok or spam, signs nothing
 *   GET  /.well-known/matrix/policy_server, …/org.matrix.msc4284.policy_server
 *
 * Whoever asks takes every other answer than a signature as a refusal. */
#ifndef WEIR_ENGINE_POLICY_SERVER_H
#define WEIR_ENGINE_POLICY_SERVER_H

#include <event2/event.h>

#include "engine/http_server.h"
#include "engine/metrics.h"
#include "engine/policy_check.h"
#include "engine/server_keys.h"

struct policy_server;

struct policy_server_settings {
    const char *server_name;      /* `via` in the room's m.room.policy */
    const char *public_key;       /* likewise */
    struct policy_checks *checks; /* must outlive the server */
    struct server_keys *keys;     /* likewise; NULL: whoever asks is believed */
    int64_t timeout_ms;           /* for one request */
    size_t waiting;               /* requests at once; more are answered with 429 */
};

struct policy_server *policy_server_create(struct event_base *base, const struct policy_server_settings *settings,
                                           struct metrics *metrics);
/* The HTTP server must be gone. */
void policy_server_destroy(struct policy_server *server);

/* What the HTTP server has to be given; lives as long as the policy server. */
struct http_area policy_server_area(struct policy_server *server);

#endif
