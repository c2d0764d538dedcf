/* A thread beside the event loop for work that takes long: making and ending a chain. Jobs are done one after the
 * other, in the order in which they were given, at a lower priority than the loop's (nice 10), so that on one core
 * events come first. */
#ifndef WEIR_ENGINE_WORKER_H
#define WEIR_ENGINE_WORKER_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

struct worker;

struct worker_job {
    void (*work)(void *job); /* in the thread */
    void (*done)(void *job); /* then from the event loop, or from worker_destroy; NULL: nothing is left to do */
    /* In the thread, instead of `done`, when the loop is gone before the work is done. It frees what the job has. */
    void (*left)(void *job);
    void *job;
};

/* The thread begins with the first job. Where none can be had, the loop is held up and does the work itself. */
struct worker *worker_create(struct event_base *base);
void worker_do(struct worker *worker, const struct worker_job *job);
/* Whether any job waits or is under way. */
bool worker_is_busy(const struct worker *worker);
/* Waits until all jobs are done, but no longer than `patience_ms`: then the thread is left behind with what it still
 * has to do. */
void worker_destroy(struct worker *worker, int64_t patience_ms);

/* Whether a thread was left behind that still works: the process must then end without taking its libraries down. */
bool worker_left_behind(void);

#endif
