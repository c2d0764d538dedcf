/* Missed rows from the writers themselves: their replication listeners, over HTTP (replication.md 7.2). A source of
 * rows (replication/row_source.h) on a libevent loop, of one thread.
 *
 * Each request goes to the one process that wrote the rows: any other answers with none. There is no connection that
 * stands between requests as a promise, so `state` is never called; what is wrong with a writer is the failure of the
 * request, a sentence with the writer's name and address. The secret is in no sentence. */
#ifndef WEIR_REPLICATION_ROWS_HTTP_H
#define WEIR_REPLICATION_ROWS_HTTP_H

#include <event2/event.h>

#include "replication/row_source.h"

/* An answer that is larger fails. The memory in use is at most this and what reading it takes (a small multiple) for
 * each request under way. */
#define ROWS_HTTP_ANSWER_MAXIMUM (64u << 20)

/* One process of the instance map: at a host and port, or at a unix socket, whose path then comes first. */
struct rows_http_writer {
    const char *name; /* on the wire: `master` for the main process */
    const char *host; /* a name or an address, IPv6 without brackets; NULL with a path */
    uint16_t port;
    bool tls;
    const char *unix_path; /* NULL with a host */
};

struct rows_http_settings {
    const struct rows_http_writer *writers;
    size_t writer_count;
    const char *secret;  /* worker_replication_secret, without line breaks; NULL: none is sent */
    int64_t timeout_ms;  /* of a whole request; above 0 */
    const char *ca_file; /* who is trusted where `tls` is set; both NULL: whom the system trusts */
    const char *ca_path;
    bool verify; /* whether the certificate is looked at at all */
};

struct rows_http;

/* The settings are copied. The callbacks must not destroy the source. libcurl must have been loaded (curl_library.h).
 */
struct rows_http *rows_http_create(struct event_base *base, const struct rows_http_settings *settings,
                                   const struct row_source_callbacks *callbacks);
/* Requests under way are dropped without a word. */
void rows_http_destroy(struct rows_http *rows);

/* Valid as long as `rows` is. Every stream of a writer in the settings is served. */
struct row_source rows_http_source(struct rows_http *rows);

#endif
