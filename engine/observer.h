/* The path from a line of the replication channel to a verdict, whether the line comes from Redis or from a recording:
 * command, position, row, body, chain, verdict.
 *
 * Events of one room are judged in the order in which their rows were handed on, also when their bodies, or the answers
 * of a service that a module asks, come later and out of order. What one room waits for delays no other room. The
 * observer does no I/O of its own. */
#ifndef WEIR_ENGINE_OBSERVER_H
#define WEIR_ENGINE_OBSERVER_H

#include "engine/metrics.h"
#include "engine/verdict.h"
#include "engine/writer_standing.h"
#include "filters/chain.h"
#include "replication/body_source.h"
#include "replication/position.h"

struct observer;

struct observer_settings {
    struct chain *chain;
    const char *instance_name; /* ours on the wire: its lines are echoes */
    struct body_source bodies; /* both functions NULL: no bodies; only modules that need none are asked */
    bool judge_rejected;
    bool judge_outliers;
    bool ask_as_synapse; /* of an event only those callbacks are asked that Synapse asks; false: both */
    size_t queue_limit;  /* events that may wait before `flow` says stop */
    bool live;           /* lines come as they are published: say when a range of rows was missed */
};

/* What the observer tells its owner. */
struct observer_callbacks {
    void *context;
    /* An event was judged. The verdict lives until the call returns. */
    void (*judged)(void *context, const struct verdict *verdict);
    /* Events are judged elsewhere: the row and writer live until the call returns; `alone`: it is the only row of its
     * token. NULL: the observer judges them. */
    void (*event)(void *context, const struct event_row *row, struct slice writer, int64_t token, bool alone);
    /* A row of `events`, of whatever kind, before it is acted upon; lives until the call returns. May be NULL. */
    void (*row)(void *context, const struct event_row *row, int64_t token);
    /* All rows of `writer` up to `token` are done with. */
    void (*position)(void *context, enum stream stream, struct slice writer, int64_t token);
    /* Events of `writer` were judged beyond its position, since others before them wait: what observer_append_ahead
     * says has changed. May be NULL. */
    void (*ahead)(void *context, enum stream stream, struct slice writer);
    /* Rows of one token of another stream that observer_keep asked for; without rows: a position that moved on. Slices
     * live until the call returns. May be NULL if nothing was asked for. */
    void (*rows)(void *context, const struct position_rows *rows);
    /* Rows of `writer` in (from, upto] may be missing: true if they are being fetched, and come back through
     * observer_fetched and observer_fetch_done, not from within. NULL: there is nobody to ask. */
    bool (*fetch)(void *context, enum stream stream, struct slice writer, int64_t from, int64_t upto);
    /* An `ev` row is acted upon, whether its event is to be judged or not; not called for late ones. May be NULL. */
    void (*seen)(void *context, struct slice writer, int64_t token, struct slice event_id);
    /* True: too much is waiting, stop the lines; false: go on. May be NULL. */
    void (*flow)(void *context, bool stop);
    /* No walk goes on any more in a chain that another took over from: it may be destroyed. May be NULL. */
    void (*chain_unused)(void *context, struct chain *chain);
};

/* Counts that a summary prints; they are the same integers as the metrics. */
struct observer_counts {
    uint64_t lines;
    uint64_t judged;
    uint64_t denied;
    uint64_t changed;       /* allowed, with a replacement */
    uint64_t failed;        /* the walk ended in an exception */
    uint64_t dry_run;       /* a module in dry_run would have refused them */
    uint64_t judged_before; /* by an earlier run, ahead of the position that it stored; not judged again */
    uint64_t rejected;      /* rows of rejected events, not judged */
    uint64_t outliers;      /* rows of outliers, not judged */
    uint64_t state_rows;    /* rows that repeat what an `ev` row said */
    uint64_t duplicates;    /* rows at or below our position */
    uint64_t bodies_missing;
    uint64_t bodies_unreadable;
    uint64_t bad_lines;     /* commands and rows that could not be read */
    uint64_t newer_rows;    /* rows of `events` with more elements than this version knows; the known ones are read */
    uint64_t missed_ranges; /* ranges of `events` published while nobody listened, which could not be fetched */
    uint64_t fetched;       /* events that were missed on the wire and fetched */
    uint64_t unexplained; /* positions of `events` that moved on without rows on an open connection: mostly harmless */
    uint64_t waiting;     /* events that wait now: for a body, a service, or an event of their room */
    uint64_t parked;      /* those of them that wait for a service */
};

/* `metrics` gets the observer's families and must outlive it. */
struct observer *observer_create(const struct observer_settings *settings, const struct observer_callbacks *callbacks,
                                 struct metrics *metrics);
void observer_destroy(struct observer *observer);

/* Whether the rows of a stream other than `events` are handed to `rows`; none are until this was called. */
void observer_keep(struct observer *observer, enum stream stream, bool keep);
/* One message of the main channel. */
void observer_line(struct observer *observer, struct slice line, uint64_t received_ns);
/* The time of the lines that follow, in milliseconds since 1970, for who has them from a recording; 0: not known. A
 * live observer takes the clock's. */
void observer_set_time(struct observer *observer, int64_t now_ms);
/* The same, as a recording has it: each quote in `line` has a backslash before it, and there are no other backslashes.
 * What nobody reads is not unescaped. */
void observer_escaped_line(struct observer *observer, struct slice line);
/* One token's rows, and the end of the answer, to what `fetch` asked for: as position_fetched, position_fetch_done. */
void observer_fetched(struct observer *observer, const struct position_rows *rows);
void observer_fetch_done(struct observer *observer, enum stream stream, struct slice writer, int64_t reached,
                         bool limited);
/* An event at or below its writer's position that never came, and was found otherwise: judged now, behind whatever its
 * room has seen meanwhile. No position moves for it. The slices live until the call returns. */
void observer_late_event(struct observer *observer, const struct event_row *row, struct slice writer, int64_t token);
/* Whether such an event of that writer waits to be judged. */
bool observer_late_waiting(const struct observer *observer, struct slice writer);
/* The subscription was lost. */
void observer_disconnected(struct observer *observer);
/* Every writer of the stream without a position from an earlier run begins behind `token`. */
void observer_start_at(struct observer *observer, enum stream stream, int64_t token);
/* A position from an earlier run. */
void observer_restore(struct observer *observer, enum stream stream, struct slice writer, int64_t token);
/* What observer_append_ahead wrote in an earlier run: events that are not to be judged again. A record that cannot be
 * read is reported and passed over. */
void observer_restore_ahead(struct observer *observer, enum stream stream, struct slice writer, struct slice record);
/* Appends which events of `writer` were judged beyond its position (engine/judged_ahead.h), to be stored with it;
 * nothing if there are none. */
void observer_append_ahead(struct observer *observer, enum stream stream, struct slice writer, struct buffer *record);
/* body_arrived_function with the observer as its context. */
void observer_body_arrived(void *observer, uint64_t ticket, struct slice body);
/* A service's answer to the question that a module of the chain asked under `ticket`, with the observer as the context.
 * A ticket that nobody waits for is none of its business. Not to be called from within a module. */
void observer_answered(void *observer, uint64_t ticket, const struct service_answer *answer);
/* Every event that waits for a service goes on as if the service had failed, for the reason given. */
void observer_give_up(struct observer *observer, const char *reason);
/* Another chain takes over between two events; events that wait are judged by it. Those that were asked of a service
 * are finished by the old chain, which must live until `chain_unused` is called (perhaps at once). */
void observer_use_chain(struct observer *observer, struct chain *chain);
/* The settings that a reload may change; for events that come from now on. */
void observer_reconfigure(struct observer *observer, bool judge_rejected, bool judge_outliers, bool ask_as_synapse);

/* The state of the rooms that modules of the chain follow, which rows of `events` change. The observer's own; for who
 * can read it. */
struct followed_rooms;
struct followed_rooms *observer_followed_rooms(struct observer *observer);

struct observer_counts observer_counts(const struct observer *observer);
/* How many events wait for a service. */
size_t observer_parked(const struct observer *observer);
/* What module `index` of the chain is called on the metrics page; valid until another chain takes over. */
const char *observer_module_label(const struct observer *observer, uint32_t index);
/* How many events module `index` of the chain denied. */
uint64_t observer_module_denials(const struct observer *observer, uint32_t index);
/* Last position handed on of every (stream, writer). */
const struct position_tracker *observer_positions(const struct observer *observer);

/* How far each writer of a stream is that the engine acts upon, in the order in which they were first heard of. */
void observer_each_writer(const struct observer *observer, writer_visit_function *visit, void *context);

#endif
