/* Logging in to the console and out of it: /console/session.
 *
 * GET tells whether a secret is needed and whether this browser has a session; POST {"secret": "…"} begins one, and
 * DELETE ends it. Both need the header X-Weir-Console, so that no other site can log anybody in or out. */
#ifndef WEIR_ENGINE_CONSOLE_AREA_H
#define WEIR_ENGINE_CONSOLE_AREA_H

#include "engine/http_server.h"

#define CONSOLE_AREA_PATH "/console/session"

struct console_area;

struct console_area_settings {
    int64_t session_ms; /* after what time one has to log in again */
    bool tls;           /* the cookie is sent over TLS only */
    struct metrics *metrics;
};

/* `server` is that whose secret is asked for. */
struct console_area *console_area_create(const struct http_server *server,
                                         const struct console_area_settings *settings);
/* After the server. */
void console_area_destroy(struct console_area *area);
struct http_area console_area_http(struct console_area *area);

/* For http_server_guard. */
struct http_sessions console_area_sessions(struct console_area *area);
/* Whether a session goes on. */
bool console_area_is_open(const struct console_area *area, uint64_t session);
/* The secret has changed: all sessions end. */
void console_area_end_sessions(struct console_area *area);

#endif
