/* What a browser says of itself in the head of a request: by that one tells a page of ours from somebody else's. */
#ifndef WEIR_ENGINE_HTTP_BROWSER_H
#define WEIR_ENGINE_HTTP_BROWSER_H

#include "base/slice.h"

/* The value of a cookie in the header Cookie (RFC 6265, section 5.4: "a=b; c=d"); of several the first, without the
 * quotes that it may stand in. Absent if there is none. */
struct slice http_cookie_find(struct slice cookies, struct slice name);

/* Whether a Host, with or without a port, is this machine and no other by its form: "localhost", an address of
 * 127.0.0.0/8 in full, or "[::1]". A name that only leads here is none: whoever owns it decides where it leads. */
bool http_host_is_loopback(struct slice host);

/* Whether an Origin ("https://example.org:1234", RFC 6454) is the server that was asked as `host`. "null" is none. */
bool http_origin_is(struct slice origin, struct slice host);

#endif
