/* The path from a line of the replication channel to a verdict, whether the line comes from Redis or from a recording:
 * command, position, row, body, chain, verdict.
 *
 * Events are judged in the order in which their rows were handed on, also when their bodies come later and out of
 * order: they wait in a queue and leave it from the front. The observer does no I/O of its own. */
#ifndef WEIR_ENGINE_OBSERVER_H
#define WEIR_ENGINE_OBSERVER_H

#include "engine/metrics.h"
#include "engine/verdict.h"
#include "filters/chain.h"
#include "replication/body_source.h"
#include "replication/position.h"

struct observer;

struct observer_settings {
    const struct chain *chain;
    const char *instance_name; /* ours on the wire: its lines are echoes */
    struct body_source bodies; /* both functions NULL: no bodies; only modules that need none are asked */
    bool judge_rejected;
    bool judge_outliers;
    size_t queue_limit; /* events that may wait for a body before `flow` says stop */
    bool live;          /* lines come as they are published: say when a range of rows was missed */
};

/* What the observer tells its owner. */
struct observer_callbacks {
    void *context;
    /* An event was judged. The verdict lives until the call returns. */
    void (*judged)(void *context, const struct verdict *verdict);
    /* All rows of `writer` up to `token` are done with. */
    void (*position)(void *context, enum stream stream, struct slice writer, int64_t token);
    /* Rows of one token of another stream that observer_keep asked for; without rows: a position that moved on. Slices
     * live until the call returns. May be NULL if nothing was asked for. */
    void (*rows)(void *context, const struct position_rows *rows);
    /* True: too much is waiting, stop the lines; false: go on. May be NULL. */
    void (*flow)(void *context, bool stop);
};

/* Counts that a summary prints; they are the same integers as the metrics. */
struct observer_counts {
    uint64_t lines;
    uint64_t judged;
    uint64_t denied;
    uint64_t rejected;   /* rows of rejected events, not judged */
    uint64_t outliers;   /* rows of outliers, not judged */
    uint64_t state_rows; /* rows that repeat what an `ev` row said */
    uint64_t duplicates; /* rows at or below our position */
    uint64_t bodies_missing;
    uint64_t bodies_unreadable;
    uint64_t bad_lines;     /* commands and rows that could not be read */
    uint64_t newer_rows;    /* rows of `events` with more elements than this version knows; the known ones are read */
    uint64_t missed_ranges; /* ranges of `events` published while nobody listened, which could not be fetched */
    uint64_t unexplained; /* positions of `events` that moved on without rows on an open connection: mostly harmless */
    uint64_t waiting;     /* events that wait for their body now */
};

/* `metrics` gets the observer's families and must outlive it. */
struct observer *observer_create(const struct observer_settings *settings, const struct observer_callbacks *callbacks,
                                 struct metrics *metrics);
void observer_destroy(struct observer *observer);

/* Whether the rows of a stream other than `events` are handed to `rows`; none are until this was called. */
void observer_keep(struct observer *observer, enum stream stream, bool keep);
/* One message of the main channel. */
void observer_line(struct observer *observer, struct slice line, uint64_t received_ns);
/* The subscription was lost. */
void observer_disconnected(struct observer *observer);
/* A position from an earlier run. */
void observer_restore(struct observer *observer, enum stream stream, struct slice writer, int64_t token);
/* body_arrived_function with the observer as its context. */
void observer_body_arrived(void *observer, uint64_t ticket, struct slice body);
/* Another chain takes over between two events; events that wait are judged by it. The old one may then be destroyed. */
void observer_use_chain(struct observer *observer, const struct chain *chain);

struct observer_counts observer_counts(const struct observer *observer);
/* How many events module `index` of the chain denied. */
uint64_t observer_module_denials(const struct observer *observer, uint32_t index);
/* Last position handed on of every (stream, writer), for the status and the metrics. */
const struct position_tracker *observer_positions(const struct observer *observer);

#endif
