/* The URL of a service, taken apart. */
#ifndef WEIR_ENGINE_SERVICE_URL_H
#define WEIR_ENGINE_SERVICE_URL_H

#include <stdint.h>

#include "base/buffer.h"

struct service_url {
    bool tls;
    char *host; /* a name or an address, without the brackets of an IPv6 one */
    uint16_t port;
    char *path;      /* "" or from its first `/` on */
    char *query;     /* without the `?`; NULL: none */
    char *authority; /* for the Host header: the port is left out where it is the scheme's own */
    char *label;     /* for metrics and the log: without the query, which may hold a secret */
};

/* False with a sentence in `error` for what is no http(s) URL, and for one with a user name, a fragment, or characters
 * that a request line cannot carry. Free it in both cases. */
bool service_url_parse(struct service_url *url, const char *text, struct buffer *error);
void service_url_free(struct service_url *url);

/* What the request line asks for: the URL's path with `path` behind it, and its query. False if `path` holds characters
 * that a request line cannot carry. */
bool service_url_append_target(const struct service_url *url, struct slice path, struct buffer *target);

#endif
