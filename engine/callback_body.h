/* The body of a question to any callback over HTTP: {"args": {…}, "timeout_ms": 500}. */
#ifndef WEIR_ENGINE_CALLBACK_BODY_H
#define WEIR_ENGINE_CALLBACK_BODY_H

#include "base/buffer.h"

struct callback_body {
    struct slice args;   /* the object, as it stands in the body */
    int64_t timeout_ms;  /* how long the asker waits at most; 0: it does not say */
    const char *errcode; /* if it cannot be read: M_NOT_JSON or M_BAD_JSON, */
    const char *problem; /* and a sentence */
};

/* False with `errcode` and `problem`. `scratch` is overwritten. */
bool callback_body_read(struct slice text, struct callback_body *body, struct buffer *scratch);

#endif
