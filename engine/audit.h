/* Finds events that no line of the replication channel told of: a writer whose PUBLISH failed says nothing about it
 * (replication.md 6.4). At leisure, the ids of what was seen since the last audit are compared with those that the
 * source of missed rows has, and what was never seen is judged.
 *
 * What was seen is kept in memory, 16 bytes an event. How far a writer is audited is stored with the positions; what an
 * earlier run judged beyond that, the durable stream of verdicts tells. Where that holds denials only, an event of that
 * range which it does not name is judged again, which changes nothing if it passed before. */
#ifndef WEIR_ENGINE_AUDIT_H
#define WEIR_ENGINE_AUDIT_H

#include "engine/catch_up.h"
#include "engine/redis_link.h"
#include "replication/stream.h"

struct audit;

struct audit_callbacks {
    void *context;
    /* How far the rows of `writer` were handed on; false if nothing is known of it. */
    bool (*position)(void *context, struct slice writer, int64_t *token);
    /* Rows of `writer` up to `token` are settled: to be stored. */
    void (*settled)(void *context, struct slice writer, int64_t token);
    /* Whether an event of `writer` that was told to `missed` still waits for its verdict. */
    bool (*waits)(void *context, struct slice writer);
    /* An event that was never seen. The slices live until the call returns. */
    void (*missed)(void *context, const struct event_row *row, struct slice writer, int64_t token);
};

struct audit_settings {
    int64_t every_ms;                    /* between two audits */
    const char *server_name;             /* where the durable stream is */
    const struct redis_address *address; /* likewise; must stay valid */
    bool log_is_whole;                   /* the durable stream names events that passed, too */
};

struct audit *audit_create(struct event_base *base, const struct audit_settings *settings, struct catch_up *catch_up,
                           const struct audit_callbacks *callbacks, struct metrics *metrics);
void audit_destroy(struct audit *audit);

/* What an earlier run stored: its position, and how far it had audited; in any order, then audit_start, with which
 * audits begin. */
void audit_restore(struct audit *audit, struct slice writer, int64_t position);
void audit_restore_audited(struct audit *audit, struct slice writer, int64_t audited);
void audit_start(struct audit *audit);

/* A writer is at `token`: where it is not known yet, its audit begins there. */
void audit_begin_at(struct audit *audit, struct slice writer, int64_t token);
/* An `ev` row was acted upon. Tokens of a writer do not fall. */
void audit_seen(struct audit *audit, struct slice writer, int64_t token, struct slice event_id);

#endif
