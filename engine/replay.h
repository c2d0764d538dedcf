/* A recording judged from file to file: the same path from the line on as the running engine, without Redis. */
#ifndef WEIR_ENGINE_REPLAY_H
#define WEIR_ENGINE_REPLAY_H

#include <event2/event.h>

#include "engine/observer.h"
#include "engine/presence_router.h"

struct replay_settings {
    struct chain *chain;
    const char *server_name;   /* messages of other channels are passed over */
    const char *instance_name; /* ours, whose echoes are passed over */
    const char *recording;     /* a path, or "-" */
    const char *bodies;        /* path of their file; NULL: only modules that need no body are asked */
    unsigned jobs;             /* threads that judge; see replay_jobs_possible */
    int output;                /* file descriptor for the rows; -1: none are written */
    bool all;                  /* rows of events that passed, too */
    bool routes;               /* rows of presence routes, too */
    bool judge_rejected;
    bool judge_outliers;
    bool ask_as_synapse;
    /* The loop in which the chain's services work, and where it is told who gets their answers (observer_answered)
     * while the replay runs. A line is not read before the last one's events are judged, so that the rows keep the
     * order of the stream. NULL: there are no services, and a question to one fails. */
    struct event_base *base;
    struct observer **answers_to;
};

/* How many threads a replay with these settings may use, `settings->jobs` at most; `*reason` says why if it is fewer,
 * and is NULL otherwise. */
unsigned replay_jobs_possible(const struct replay_settings *settings, const char **reason);

#define REPLAY_MODULES_MAXIMUM 256

struct replay_summary {
    struct observer_counts counts;
    struct presence_router_counts presence;
    uint64_t messages;                        /* lines of the recording that are messages */
    uint64_t other_channels;                  /* of those, on channels that are not ours */
    uint64_t gaps;                            /* that the recording tells of */
    uint64_t bad_records;                     /* lines that are no recorded messages */
    uint64_t denials[REPLAY_MODULES_MAXIMUM]; /* by place in the chain */
    bool bodies_failed;                       /* the bodies could not be read, so that nothing was judged */
    double seconds;
};

/* False with a sentence in `error` if the recording or the bodies cannot be read or a row cannot be written; the
 * summary then tells how far it came. */
bool replay_run(const struct replay_settings *settings, struct replay_summary *summary, struct buffer *error);

#endif
