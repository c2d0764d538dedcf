/* Where `weir explain` gets the event from: a file, standard input, or the configured source of bodies. */
#ifndef WEIR_ENGINE_EXPLAIN_BODY_H
#define WEIR_ENGINE_EXPLAIN_BODY_H

#include "engine/configuration.h"
#include "replication/body_file.h"

struct explain_body {
    struct slice text;     /* the event's JSON */
    struct slice event_id; /* where the text may have none; or absent */
    struct buffer content; /* holds them */
    struct body_file *file;
};

/* Reads a file, or standard input for "-". It holds an event, or a line of a file of recorded bodies
 * ({"event_id": ..., "json": {...}}). False with a sentence in `error`. */
bool explain_body_read(struct explain_body *body, const char *path, struct buffer *error);

/* Asks the configured source for the event's body; a database is waited for, `timeout_ms` at most. */
bool explain_body_find(struct explain_body *body, const struct configuration *configuration, const char *event_id,
                       int64_t timeout_ms, struct buffer *error);

void explain_body_free(struct explain_body *body);

#endif
