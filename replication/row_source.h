/* Where rows come from that were missed on the wire (replication.md 7): one interface for the writers' own replication
 * listeners (replication/rows_http.h) and Synapse's database (replication/rows_postgres.h). */
#ifndef WEIR_REPLICATION_ROW_SOURCE_H
#define WEIR_REPLICATION_ROW_SOURCE_H

#include "replication/position.h"

/* Rows of `writer` in (from, upto]. */
struct row_request {
    enum stream stream;
    struct slice writer;
    int64_t from;
    int64_t upto;
};

/* How an answer ended. */
struct row_answer {
    const char *failure; /* a sentence for people; NULL if it went well. What was handed over before it counts */
    int64_t reached;     /* the position that the answer names; at least that of the last row */
    bool limited;        /* there is more behind `reached` */
};

struct row_source_callbacks {
    void *context;
    /* All rows of one token, tokens rising; slices live until the call returns. */
    void (*rows)(void *context, uint64_t ticket, const struct position_rows *rows);
    /* The answer's end, exactly once for each request; a new request may be made from within. */
    void (*ended)(void *context, uint64_t ticket, const struct row_answer *answer);
    /* The source can be asked (`reason` NULL), or cannot (a sentence for people): for the log and readiness. */
    void (*state)(void *context, const char *reason);
};

struct row_source {
    void *context;
    /* Whether this source has the rows of that writer's stream at all. */
    bool (*serves)(void *context, enum stream stream, struct slice writer);
    /* Asks for one answer, which may be `limited`. The request is copied; the answer comes later, never from within.
     * At most one request for each (stream, writer) is under way. */
    void (*request)(void *context, uint64_t ticket, const struct row_request *request);
};

#endif
