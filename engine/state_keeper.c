/* The loop makes the text and takes the result, both on its timer; the thread only writes. What they share is in
 * `errand`, which lives on when the disk hangs beyond the patience of a stop: the thread is then left behind, and the
 * end of the process ends it. */
#include "engine/state_keeper.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/memory.h"
#include "engine/log.h"

#define WRITE_SECONDS 1

enum errand_state { ERRAND_NONE, ERRAND_GIVEN, ERRAND_DONE };

struct errand {
    pthread_mutex_t lock;
    pthread_cond_t given; /* a text to write, or the end */
    pthread_cond_t done;
    enum errand_state state;
    bool end;
    struct buffer path;
    struct buffer text; /* the thread's while an errand is given, else the loop's */
    int error;          /* of the errand that is done; 0: written */
    const char *step;
};

static const struct metric_definition writes_metric = {"weir_state_file_writes_total", METRIC_COUNTER,
                                                       "Times the local state file was written.", NULL};
static const struct metric_definition failures_metric = {"weir_state_file_failures_total", METRIC_COUNTER,
                                                         "Times the local state file could not be written.", NULL};

struct state_keeper {
    struct state_owner owner;
    struct event *timer;
    struct positions_copy found;
    bool was_found;
    const struct positions_copy *positions;
    bool changed;
    bool failing; /* the last write failed, and it was said */
    struct errand *errand;
    pthread_t thread;
    uint64_t *writes, *failures;
};

static void *run_errands(void *argument)
{
    struct errand *errand = argument;
    pthread_mutex_lock(&errand->lock);
    for (;;) {
        while (errand->state != ERRAND_GIVEN && !errand->end)
            pthread_cond_wait(&errand->given, &errand->lock);
        if (errand->state != ERRAND_GIVEN)
            break;
        pthread_mutex_unlock(&errand->lock);
        const char *step = NULL;
        int error = state_file_replace(buffer_string(&errand->path), buffer_slice(&errand->text), &step);
        pthread_mutex_lock(&errand->lock);
        errand->error = error;
        errand->step = step;
        errand->state = ERRAND_DONE;
        pthread_cond_signal(&errand->done);
    }
    pthread_mutex_unlock(&errand->lock);
    return NULL;
}

static struct errand *errand_create(void)
{
    struct errand *errand = memory_allocate_zeroed(1, sizeof *errand);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&errand->lock, NULL);
    pthread_cond_init(&errand->given, NULL);
    pthread_cond_init(&errand->done, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return errand;
}

static void errand_destroy(struct errand *errand)
{
    pthread_mutex_destroy(&errand->lock);
    pthread_cond_destroy(&errand->given);
    pthread_cond_destroy(&errand->done);
    buffer_free(&errand->path);
    buffer_free(&errand->text);
    free(errand);
}

/* With the lock held. */
static void take_result(struct state_keeper *keeper)
{
    const struct errand *errand = keeper->errand;
    if (errand->state != ERRAND_DONE)
        return;
    keeper->errand->state = ERRAND_NONE;
    struct slice path = buffer_slice(&errand->path);
    if (errand->error) {
        ++*keeper->failures;
        keeper->changed = true;
        if (!keeper->failing)
            log_warning("the state file cannot be written: if Redis loses its data as well, events may be judged "
                        "twice or be missed; tried again every second, make room or correct the permissions",
                        LOG_TEXT("path", path), LOG_STRING("failed_to", errand->step),
                        LOG_STRING("reason", strerror(errand->error)));
    } else {
        ++*keeper->writes;
        if (keeper->failing)
            log_info("the state file can be written again", LOG_TEXT("path", path));
    }
    keeper->failing = errand->error != 0;
}

/* With the lock held, and no errand under way. */
static void give_errand(struct state_keeper *keeper)
{
    struct errand *errand = keeper->errand;
    keeper->changed = false;
    buffer_clear(&errand->text);
    state_file_append(&errand->text, &keeper->owner, keeper->positions);
    errand->state = ERRAND_GIVEN;
    pthread_cond_signal(&errand->given);
}

static void set_timer(struct state_keeper *keeper)
{
    struct timeval pause = {.tv_sec = WRITE_SECONDS};
    if (!event_pending(keeper->timer, EV_TIMEOUT, NULL))
        event_add(keeper->timer, &pause);
}

static void on_timer(evutil_socket_t socket, short what, void *argument)
{
    (void)socket, (void)what;
    struct state_keeper *keeper = argument;
    pthread_mutex_lock(&keeper->errand->lock);
    take_result(keeper);
    if (keeper->errand->state == ERRAND_NONE && keeper->changed)
        give_errand(keeper);
    bool again = keeper->changed || keeper->errand->state != ERRAND_NONE;
    pthread_mutex_unlock(&keeper->errand->lock);
    if (again)
        set_timer(keeper);
}

static void read_found(struct state_keeper *keeper)
{
    const char *path = buffer_string(&keeper->errand->path);
    const char *problem;
    enum state_file_status status = state_file_read(path, &keeper->owner, &keeper->found, &problem);
    keeper->was_found = status == STATE_FILE_READ;
    if (status == STATE_FILE_UNUSABLE)
        log_warning("the state file of an earlier run cannot be used; passed over, and written anew",
                    LOG_STRING("path", path), LOG_STRING("reason", problem));
}

struct state_keeper *state_keeper_open(struct event_base *base, const char *directory, const struct state_owner *owner,
                                       struct metrics *metrics)
{
    if (!directory)
        return NULL;
    struct state_keeper *keeper = memory_allocate_zeroed(1, sizeof *keeper);
    keeper->owner = *owner;
    keeper->errand = errand_create();
    state_file_append_path(&keeper->errand->path, directory, owner);
    read_found(keeper);
    keeper->timer = event_new(base, -1, 0, on_timer, keeper);
    keeper->writes = metrics_register(metrics, &writes_metric, 1, NULL, NULL);
    keeper->failures = metrics_register(metrics, &failures_metric, 1, NULL, NULL);
    if (pthread_create(&keeper->thread, NULL, run_errands, keeper->errand) != 0)
        abort(); /* as without memory: there is nothing to go on with */
    return keeper;
}

const struct positions_copy *state_keeper_found(const struct state_keeper *keeper)
{
    return keeper && keeper->was_found ? &keeper->found : NULL;
}

void state_keeper_changed(struct state_keeper *keeper, const struct positions_copy *positions)
{
    if (!keeper)
        return;
    keeper->positions = positions;
    if (keeper->changed)
        return;
    keeper->changed = true;
    set_timer(keeper);
}

/* With the lock held. False if the disk hangs. */
static bool await_errand(struct errand *errand, const struct timespec *until)
{
    int waited = 0;
    while (errand->state == ERRAND_GIVEN && waited != ETIMEDOUT)
        waited = pthread_cond_timedwait(&errand->done, &errand->lock, until);
    return errand->state != ERRAND_GIVEN;
}

void state_keeper_close(struct state_keeper *keeper, int64_t patience_ms)
{
    if (!keeper)
        return;
    struct errand *errand = keeper->errand;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += patience_ms / 1000 + 1;
    pthread_mutex_lock(&errand->lock);
    bool idle = await_errand(errand, &until);
    take_result(keeper);
    if (idle && keeper->changed) {
        give_errand(keeper);
        idle = await_errand(errand, &until);
        take_result(keeper);
    }
    errand->end = true;
    pthread_cond_signal(&errand->given);
    pthread_mutex_unlock(&errand->lock);
    if (idle) {
        pthread_join(keeper->thread, NULL);
        errand_destroy(errand);
    } else {
        log_warning("the disk of the state file does not answer; stops without waiting for it");
        pthread_detach(keeper->thread);
    }
    event_free(keeper->timer);
    positions_copy_free(&keeper->found);
    free(keeper);
}
