/* What a server of synapse-http-antispam is asked, and what its answers mean: the wire of
 * https://github.com/maunium/synapse-http-antispam, of which Weir is the server in engine/antispam.h and the client
 * here.
 *
 * A callback is posted to /NAME behind the URL. Any 2xx with JSON lets pass. Another status with a JSON object refuses:
 * with `errcode` if Synapse knows it, else M_FORBIDDEN, and with the object's other members as fields of the error.
 * Anything else is a failure; so are, other than in that module, 401 and 5xx, whatever comes with them: a wrong secret
 * or a broken server is no verdict about anybody. */
#ifndef WEIR_FILTERS_ANTISPAM_WIRE_H
#define WEIR_FILTERS_ANTISPAM_WIRE_H

#include "filters/callback.h"
#include "filters/service.h"

/* Whether such a server can be asked about the callback. */
bool antispam_wire_asks(enum callback callback);

/* "/NAME", in the arena of the question. */
struct slice antispam_wire_path(const struct callback_arguments *arguments);
/* Appends the question's body. False above `maximum` bytes. */
bool antispam_wire_append_question(const struct callback_arguments *arguments, size_t maximum, struct buffer *output);

/* Reads an answer that has arrived. False with a sentence in `*problem`, constant or in the arena of the question. */
bool antispam_wire_read(const struct callback_arguments *arguments, const struct service_answer *answer,
                        struct value *value, const char **problem);

#endif
