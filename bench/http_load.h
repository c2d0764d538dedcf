/* Many clients of one HTTP server at once, in one thread: each keeps its connection and sends its next request when the
 * answer is there. No pipelining. Whatever fails ends this process with 1. */
#ifndef WEIR_BENCH_HTTP_LOAD_H
#define WEIR_BENCH_HTTP_LOAD_H

#include <stddef.h>
#include <sys/types.h>

#include "bench/corpus.h"

struct http_load;

/* `connections` to a port of 127.0.0.1, each asking POST `path` about the recorded events in their order. `secret` may
 * be NULL. The corpus must stay valid. */
struct http_load *http_load_open(int port, const char *path, const char *secret, size_t connections,
                                 const struct corpus *corpus);
void http_load_close(struct http_load *load);

/* Asks so many times and waits for all answers, each of which must be a 200; returns the seconds that it took. */
double http_load_run(struct http_load *load, size_t requests);

/* A process that is bare evhttp: it listens on the port of 127.0.0.1 and answers every request with the same body. */
pid_t http_load_bare_server(int port, const char *body);

#endif
