/* Judging a recording's events on several threads, with their rows in the order of the stream.
 *
 * One thread reads the lines and hands each event over (replay_jobs_event). Events are gathered in batches; each batch
 * is judged as a whole by one of the jobs, each of which has a judge of its own, and the rows of finished batches are
 * given out in their order. The thread that reads is the first job: it judges when there is no room for more, and when
 * there is nothing more to read. What waits is bounded. */
#ifndef WEIR_ENGINE_REPLAY_JOBS_H
#define WEIR_ENGINE_REPLAY_JOBS_H

#include "engine/observer.h"
#include "replication/body_file.h"

struct replay_jobs;

struct replay_jobs_settings {
    struct chain *chain;     /* chain_concurrent */
    unsigned jobs;           /* from 2 to LANES_MAXIMUM */
    const char *bodies_path; /* read by a job while the first lines are read; NULL: there are no bodies */
    /* Makes of a verdict what is to be given out; called by all jobs at once. */
    void (*append)(void *context, const struct verdict *verdict, struct buffer *rows);
    /* Gives rows out; called by the thread that reads, in the order of the stream. */
    void (*output)(void *context, struct slice rows);
    void *context;
};

struct replay_jobs *replay_jobs_create(const struct replay_jobs_settings *settings);
/* Ends the jobs without judging what still waits. */
void replay_jobs_destroy(struct replay_jobs *jobs);

/* The next event of the stream; its slices are copied. False if the bodies could not be read: nothing is judged then.
 */
bool replay_jobs_event(struct replay_jobs *jobs, const struct event_row *row, struct slice writer, int64_t token,
                       bool alone);
/* Returns when every event was judged and all rows were given out; without `judge` what still waits is left. The jobs
 * then end. False with a sentence in `error` if the bodies could not be read. */
bool replay_jobs_finish(struct replay_jobs *jobs, bool judge, struct buffer *error);
/* Behind replay_jobs_finish: whether the file of bodies broke off (line_reader_cut_short). */
bool replay_jobs_bodies_cut_short(const struct replay_jobs *jobs);
/* Behind replay_jobs_finish: adds what was counted while judging, and by module (`room` of them). */
void replay_jobs_add_counts(const struct replay_jobs *jobs, struct observer_counts *counts, uint64_t *denials,
                            uint32_t room);

#endif
