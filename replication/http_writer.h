/* A writer's replication listener, as a URL and in words: what is to be said to an administrator when a request to it
 * failed. For replication/rows_http.c alone. */
#ifndef WEIR_REPLICATION_HTTP_WRITER_H
#define WEIR_REPLICATION_HTTP_WRITER_H

#include "replication/curl_library.h"

#include "base/buffer.h"
#include "replication/rows_http.h"

struct http_writer {
    char *name;
    char *url; /* up to its path: http://127.0.0.1:9101 */
    char *unix_path;
    char *words; /* the writer `p1` at 127.0.0.1:9101 */
};

/* Copies `settings`; `writer` is cleared in the end. */
void http_writer_fill(struct http_writer *writer, const struct rows_http_writer *settings);
void http_writer_clear(struct http_writer *writer);

/* How a request ended, of which at least one is no success: `result` or `status`. */
struct http_outcome {
    CURLcode result;
    long status;       /* of HTTP; 0: none came */
    long system_error; /* errno of the connection; 0: none */
    const char *error; /* libcurl's words; may be empty */
    struct slice body;
    int64_t timeout_ms;
};

/* Appends a sentence about a request that brought no answer, or one with another status than 200. */
void http_writer_say_failure(const struct http_writer *writer, const struct http_outcome *outcome,
                             struct buffer *sentence);
/* Appends a sentence about an answer in which something is wrong. */
void http_writer_say_answer(const struct http_writer *writer, const char *problem, struct buffer *sentence);

#endif
