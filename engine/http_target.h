/* What evhttp does not take apart for us as we need it: the target of a request, and the header Authorization. */
#ifndef WEIR_ENGINE_HTTP_TARGET_H
#define WEIR_ENGINE_HTTP_TARGET_H

#include "base/buffer.h"

/* Splits the target of a request line, "/path?query" or "http://host/path?query" (RFC 9112, section 3.2). `path` has
 * each run of slashes as one slash, always begins with one, and may lie in `scratch`, which is overwritten; `query` is
 * empty without one. A fragment is left out. False if the target has neither form. */
bool http_target_split(struct slice target, struct buffer *scratch, struct slice *path, struct slice *query);

/* The token of "Bearer <token>" (RFC 6750; the scheme in any case, blanks around the token left out); absent if
 * the header is absent, of another scheme, or has no token. */
struct slice http_bearer_token(struct slice authorization);

#endif
