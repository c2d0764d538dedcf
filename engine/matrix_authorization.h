/* The header by which a homeserver says who it is: `Authorization: X-Matrix origin=…,destination=…,key=…,sig=…`, and
 * what it has signed (Matrix specification, server-server API, "Request Authentication"). */
#ifndef WEIR_ENGINE_MATRIX_AUTHORIZATION_H
#define WEIR_ENGINE_MATRIX_AUTHORIZATION_H

#include <jansson.h>

#include "base/arena.h"
#include "base/buffer.h"

#define MATRIX_AUTHORIZATION_MAXIMUM 8192u

struct matrix_authorization {
    struct slice origin;      /* a server name */
    struct slice destination; /* absent if it was left out, as old servers do */
    struct slice key;         /* "ed25519:a_AbCd", without spaces, quotes and backslashes */
    struct slice signature;   /* Base64 */
};

/* Reads the header's value; what it holds is copied into the arena. NULL, or what is wrong with it, a sentence. */
const char *matrix_authorization_read(struct slice header, struct arena *arena,
                                      struct matrix_authorization *authorization);

/* What was asked for. */
struct matrix_request {
    const char *method;
    struct slice uri;         /* as it was sent, from `/_matrix` on, with its query */
    struct slice destination; /* the server that was meant: ourselves */
    const json_t *content;    /* the body; NULL without one */
};

/* Appends the text that `origin` signs. False, with `text` as it was, if it would be too large or nested too deep. */
bool matrix_authorization_text(const struct matrix_request *request, struct slice origin, struct buffer *text);

#endif
