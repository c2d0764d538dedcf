/* The loop is woken by an eventfd: libevent's own functions are not made for several threads here. What loop and thread
 * share is in `desk`, which belongs to the thread alone once it is left behind. */
#include "engine/worker.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/lane.h"
#include "base/memory.h"
#include "engine/log.h"

#define PRIORITY 10

/* Chains in use are asked in lane 0. */
#define WORKER_LANE (LANES_MAXIMUM - 1)

struct entry {
    TAILQ_ENTRY(entry) link;
    struct worker_job job;
};
TAILQ_HEAD(entries, entry);

struct desk {
    pthread_mutex_t lock;
    pthread_cond_t given; /* a job, or the end */
    pthread_cond_t idle;
    struct entries waiting, done;
    bool working;
    bool end;
    bool left; /* the loop is gone */
    int notice;
};

struct worker {
    struct desk *desk;
    struct event *event;
    pthread_t thread;
    bool started;
    uint32_t given; /* jobs whose `done` was not called yet */
};

static atomic_uint left_behind;

static struct entry *take(struct entries *entries)
{
    struct entry *entry = TAILQ_FIRST(entries);
    if (entry)
        TAILQ_REMOVE(entries, entry, link);
    return entry;
}

static void free_desk(struct desk *desk)
{
    pthread_mutex_destroy(&desk->lock);
    pthread_cond_destroy(&desk->given);
    pthread_cond_destroy(&desk->idle);
    close(desk->notice);
    free(desk);
}

/* With the lock held, which it gives up meanwhile. */
static void do_job(struct desk *desk, struct entry *entry)
{
    desk->working = true;
    pthread_mutex_unlock(&desk->lock);
    entry->job.work(entry->job.job);
    pthread_mutex_lock(&desk->lock);
    desk->working = false;
    if (desk->left) {
        entry->job.left(entry->job.job);
        free(entry);
        return;
    }
    const uint64_t one = 1;
    TAILQ_INSERT_TAIL(&desk->done, entry, link);
    ssize_t written = write(desk->notice, &one, sizeof one);
    (void)written; /* only a counter that is full: then the loop is woken anyhow */
}

static void *run(void *argument)
{
    struct desk *desk = argument;
    lane_number = WORKER_LANE;
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), PRIORITY);
    pthread_mutex_lock(&desk->lock);
    for (;;) {
        struct entry *entry = take(&desk->waiting);
        if (entry) {
            do_job(desk, entry);
            continue;
        }
        pthread_cond_signal(&desk->idle);
        if (desk->end)
            break;
        pthread_cond_wait(&desk->given, &desk->lock);
    }
    bool left = desk->left;
    pthread_mutex_unlock(&desk->lock);
    if (left) {
        free_desk(desk);
        atomic_fetch_sub(&left_behind, 1);
    }
    return NULL;
}

/* Hands back what is done. */
static void finish(struct worker *worker)
{
    for (;;) {
        pthread_mutex_lock(&worker->desk->lock);
        struct entry *entry = take(&worker->desk->done);
        pthread_mutex_unlock(&worker->desk->lock);
        if (!entry)
            return;
        worker->given--;
        if (entry->job.done)
            entry->job.done(entry->job.job);
        free(entry);
    }
}

static void on_notice(evutil_socket_t socket, short what, void *argument)
{
    (void)what;
    uint64_t count;
    ssize_t got = read(socket, &count, sizeof count);
    (void)got;
    finish(argument);
}

struct worker *worker_create(struct event_base *base)
{
    struct worker *worker = memory_allocate_zeroed(1, sizeof *worker);
    struct desk *desk = worker->desk = memory_allocate_zeroed(1, sizeof *desk);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&desk->lock, NULL);
    pthread_cond_init(&desk->given, NULL);
    pthread_cond_init(&desk->idle, &monotonic);
    pthread_condattr_destroy(&monotonic);
    TAILQ_INIT(&desk->waiting);
    TAILQ_INIT(&desk->done);
    desk->notice = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (desk->notice < 0)
        abort(); /* as without memory: there is nothing to go on with */
    worker->event = event_new(base, desk->notice, EV_READ | EV_PERSIST, on_notice, worker);
    event_add(worker->event, NULL);
    return worker;
}

/* Signals are the loop's. */
static void start_thread(struct worker *worker)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&worker->thread, NULL, run, worker->desk);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    worker->started = error == 0;
    if (error)
        log_warning("no thread can be begun; its work is done between two events, which wait for it",
                    LOG_STRING("reason", strerror(error)));
}

/* In the thread's place. What is done is handed back later all the same, by the event. */
static void work_here(struct worker *worker)
{
    struct entry *entry;
    unsigned lane = lane_number;
    lane_number = WORKER_LANE;
    pthread_mutex_lock(&worker->desk->lock);
    while ((entry = take(&worker->desk->waiting)))
        do_job(worker->desk, entry);
    pthread_mutex_unlock(&worker->desk->lock);
    lane_number = lane;
}

void worker_do(struct worker *worker, const struct worker_job *job)
{
    struct entry *entry = memory_allocate_zeroed(1, sizeof *entry);
    entry->job = *job;
    worker->given++;
    pthread_mutex_lock(&worker->desk->lock);
    TAILQ_INSERT_TAIL(&worker->desk->waiting, entry, link);
    pthread_cond_signal(&worker->desk->given);
    pthread_mutex_unlock(&worker->desk->lock);
    if (!worker->started)
        start_thread(worker);
    if (!worker->started)
        work_here(worker);
}

bool worker_is_busy(const struct worker *worker)
{
    return worker->given > 0;
}

static struct timespec in_ms(int64_t patience_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += patience_ms / 1000;
    until.tv_nsec += patience_ms % 1000 * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    return until;
}

static bool is_idle(const struct desk *desk)
{
    return !desk->working && TAILQ_EMPTY(&desk->waiting);
}

/* What is done may give further work. */
static void finish_all(struct worker *worker, int64_t patience_ms)
{
    struct timespec until = in_ms(patience_ms);
    struct desk *desk = worker->desk;
    bool idle = true;
    while (worker->given > 0 && idle) {
        pthread_mutex_lock(&desk->lock);
        while (!is_idle(desk) && idle)
            idle = pthread_cond_timedwait(&desk->idle, &desk->lock, &until) == 0 || is_idle(desk);
        pthread_mutex_unlock(&desk->lock);
        finish(worker);
    }
}

/* The thread's part; true if it is left behind. */
static bool end_thread(struct worker *worker)
{
    struct desk *desk = worker->desk;
    struct entry *entry;
    pthread_mutex_lock(&desk->lock);
    bool left = desk->left = !is_idle(desk);
    desk->end = true;
    if (left)
        atomic_fetch_add(&left_behind, 1);
    while ((entry = take(&desk->done))) { /* in the last moment */
        entry->job.left(entry->job.job);
        free(entry);
    }
    pthread_cond_signal(&desk->given);
    pthread_mutex_unlock(&desk->lock);
    if (left)
        pthread_detach(worker->thread);
    else
        pthread_join(worker->thread, NULL);
    return left;
}

void worker_destroy(struct worker *worker, int64_t patience_ms)
{
    if (!worker)
        return;
    finish_all(worker, patience_ms);
    event_free(worker->event);
    if (!worker->started || !end_thread(worker))
        free_desk(worker->desk);
    free(worker);
}

bool worker_left_behind(void)
{
    return atomic_load(&left_behind) > 0;
}
