/* One GET to an engine on this machine: at its admin socket, or at its HTTP listener. For `weir doctor`. */
#ifndef WEIR_ENGINE_HTTP_PROBE_H
#define WEIR_ENGINE_HTTP_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

struct http_probe {
    const char *socket_path; /* a unix socket; or NULL, and: */
    const char *listen;      /* as http.listen; an address for all addresses means this machine */
    bool tls;                /* its certificate is not checked: the engine is our own */
    const char *secret;      /* bearer; NULL: none */
    int64_t timeout_ms;      /* of everything */
};

/* The status of the answer, whose body goes to `body`; 0 with a sentence in `problem` if there is none. `path` is one
 * of ours, without anything to escape. Answers are read up to 16 MiB. */
int http_probe_get(const struct http_probe *probe, const char *path, struct buffer *body, struct buffer *problem);

#endif
