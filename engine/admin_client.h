/* Asks a running engine over its admin socket (docs/admin-api.md): the HTTP client of `weir status` and its like.
 *
 * An answer is whole or an error with a sentence that says what to do; it is bounded, and so is the time. libcurl does
 * the protocol, since evhttp's client cannot connect to a unix socket. */
#ifndef WEIR_ENGINE_ADMIN_CLIENT_H
#define WEIR_ENGINE_ADMIN_CLIENT_H

#include <event2/event.h>

#include "base/buffer.h"

/* Larger answers are refused. */
#define ADMIN_ANSWER_MAXIMUM (16u << 20)

struct admin_client;

/* `base` must live as long as the client, `path` is copied. NULL with a sentence in `error` without libcurl. */
struct admin_client *admin_client_create(struct event_base *base, const char *path, struct buffer *error);
/* What is under way is broken off without a word. */
void admin_client_destroy(struct admin_client *client);

struct admin_question {
    const char *target; /* "/v1/log?limit=5" */
    const char *body;   /* JSON, to be sent with POST; NULL: GET */
    int64_t timeout_ms; /* of the whole */
};

struct admin_answer {
    int status;          /* of HTTP; 0: none came */
    struct slice body;   /* of any status */
    const char *problem; /* without a status: a sentence about it */
};

/* Called once from the loop, never from within admin_client_ask. The answer lives until it returns; the client must not
 * be destroyed from within. */
typedef void admin_client_done(void *context, const struct admin_answer *answer);

/* `question` is copied. */
void admin_client_ask(struct admin_client *client, const struct admin_question *question, admin_client_done *done,
                      void *context);

/* The same for those who have nothing else to do: runs the loop until the answer is there, whose texts `kept` holds. */
struct admin_answer admin_client_wait(struct admin_client *client, const struct admin_question *question,
                                      struct buffer *kept);

#endif
