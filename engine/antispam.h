/* What synapse-http-antispam asks, in the words of the callbacks, and the chain's answers in the words that it takes:
 * the wire contract of a drop-in server for that module of Synapse (peers.md, section 2).
 *
 * It POSTs to <base_url>/<callback>. A 2xx with JSON lets pass. Another status refuses if the body is a JSON object, of
 * which `errcode` and all other members reach the client, and is a failure if the body is no JSON: then the module's
 * own `fail_open` decides. */
#ifndef WEIR_ENGINE_ANTISPAM_H
#define WEIR_ENGINE_ANTISPAM_H

#include "engine/questions.h"

#define ANTISPAM_CHANGES_MAXIMUM 3

/* An argument that does not come under its own name. */
struct antispam_change {
    const char *argument;  /* NULL ends the list */
    const char *member;    /* of the body; NULL: it is not sent */
    const char *otherwise; /* JSON, where the body does not have it; NULL: the argument is left out */
};

/* A path under the base URL. */
struct antispam_endpoint {
    const char *name;
    enum callback callback; /* CALLBACK_UNKNOWN: nothing of Synapse's module API, never refused */
    const char *refusal;    /* the sentence that a client shows when no module gave one */
    struct antispam_change changes[ANTISPAM_CHANGES_MAXIMUM + 1]; /* empty: the body is the arguments */
};

/* What became of a request. */
enum antispam_ending {
    ANTISPAM_PASSED,
    ANTISPAM_REFUSED,
    ANTISPAM_UNKNOWN,   /* a path that we do not know: it passes */
    ANTISPAM_MALFORMED, /* a body that we do not understand: it passes, unless it is no JSON at all */
    ANTISPAM_FAILED,    /* a module failed: `fail_open` decides */
    ANTISPAM_OVERLOADED,
    ANTISPAM_EXPIRED,
    ANTISPAM_STOPPED, /* the engine stops */
    ANTISPAM_PINGED,
    ANTISPAM_ENDINGS,
};

extern const struct antispam_endpoint antispam_endpoints[];
extern const size_t antispam_endpoint_count;

/* Finds out whether a path (runs of slashes being one) is one of a drop-in server: its last segment is the callback's
 * name, which goes to `name`, and one of those before it is `antispam`, or `spam_check` as Draupnir has it. */
bool antispam_path(struct slice path, struct slice *name);
/* NULL: none of that name. */
const struct antispam_endpoint *antispam_find(struct slice name);

enum antispam_reading {
    ANTISPAM_READ,
    ANTISPAM_NOT_JSON,
    ANTISPAM_NOT_OBJECT, /* JSON, but no object */
};

/* Makes the callback's arguments of a body: the body itself, unread, or text in `text`. `scratch` is overwritten. */
enum antispam_reading antispam_arguments(const struct antispam_endpoint *endpoint, struct slice body,
                                         struct slice *args, struct buffer *text, struct buffer *scratch);
/* Whether the body is JSON at all: for one that could not be asked about. */
bool antispam_is_json(struct slice body, struct buffer *scratch);

/* Appends the answer to a ping; false if the body has no `id` that is a text. */
bool antispam_answer_ping(struct slice body, struct buffer *answer, struct buffer *scratch);

/* An answer: `body` is appended to. */
struct antispam_answer {
    int status;
    const char *content_type;
    struct buffer *body;
};
/* Answers with what the question came to (NULL: to nothing, since the engine stops). One that was malformed passes. */
enum antispam_ending antispam_answer(const struct antispam_endpoint *endpoint, const struct question_end *end,
                                     struct antispam_answer *answer);
/* Lets pass: {}. */
void antispam_let_pass(struct antispam_answer *answer);

#endif
