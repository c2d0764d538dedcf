/* Finds events that no line of the replication channel told of: a writer whose PUBLISH failed says nothing about it
 * (replication.md 6.4). At leisure, the ids of what was seen since the last audit are compared with those that the
 * source of missed rows has, and what was never seen is judged.
 *
 * Only what was seen is kept in memory, 16 bytes an event. What an earlier run saw is not known: an audit begins where
 * this run began. */
#ifndef WEIR_ENGINE_AUDIT_H
#define WEIR_ENGINE_AUDIT_H

#include "engine/catch_up.h"
#include "replication/stream.h"

struct audit;

struct audit_callbacks {
    void *context;
    /* How far the rows of `writer` were handed on; false if nothing is known of it. */
    bool (*position)(void *context, struct slice writer, int64_t *token);
    /* An event that was never seen. The slices live until the call returns. */
    void (*missed)(void *context, const struct event_row *row, struct slice writer, int64_t token);
};

/* `every_ms`: from the end of an audit to the next. */
struct audit *audit_create(struct event_base *base, int64_t every_ms, struct catch_up *catch_up,
                           const struct audit_callbacks *callbacks, struct metrics *metrics);
void audit_destroy(struct audit *audit);

/* A writer is at `token`: where it is not known yet, its audit begins there. */
void audit_begin_at(struct audit *audit, struct slice writer, int64_t token);
/* An `ev` row was acted upon. Tokens of a writer do not fall. */
void audit_seen(struct audit *audit, struct slice writer, int64_t token, struct slice event_id);

#endif
