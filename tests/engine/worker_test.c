/* Work beside the loop: in order, handed back on the loop, and left to the thread when the loop ends first. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/lane.h"
#include "engine/clock.h"
#include "engine/worker.h"

static pthread_t loop_thread;
static atomic_int worked, left;
static int done;
static int order[8];

struct job {
    int number;
    useconds_t microseconds;
    struct event_base *base; /* ended when it is done */
    struct worker *worker;   /* gets `next` when it is done */
    struct job *next;
};

static void work(void *argument)
{
    const struct job *job = argument;
    cr_expect_not(pthread_equal(pthread_self(), loop_thread));
    cr_expect_neq(lane_number, 0u);
    usleep(job->microseconds);
    atomic_fetch_add(&worked, 1);
}

static void leave(void *argument)
{
    (void)argument;
    atomic_fetch_add(&left, 1);
}

static void on_done(void *argument);

static void give(struct worker *worker, struct job *job)
{
    worker_do(worker, &(struct worker_job){.work = work, .done = on_done, .left = leave, .job = job});
}

static void on_done(void *argument)
{
    const struct job *job = argument;
    cr_expect(pthread_equal(pthread_self(), loop_thread));
    order[done++] = job->number;
    if (job->next)
        give(job->worker, job->next);
    if (job->base)
        event_base_loopbreak(job->base);
}

Test(worker, hands_back_in_order_on_the_loop)
{
    loop_thread = pthread_self();
    struct event_base *base = event_base_new();
    struct worker *worker = worker_create(base);
    struct job last = {.number = 4, .base = base};
    struct job jobs[] = {{.number = 1, .microseconds = 20000}, {.number = 2}, {.number = 3}};
    jobs[2].worker = worker;
    jobs[2].next = &last;
    cr_expect_not(worker_is_busy(worker));
    for (int index = 0; index < 3; index++)
        give(worker, &jobs[index]);
    cr_expect(worker_is_busy(worker));
    event_base_dispatch(base);
    cr_expect_eq(done, 4);
    for (int index = 0; index < 4; index++)
        cr_expect_eq(order[index], index + 1);
    cr_expect_not(worker_is_busy(worker));
    worker_destroy(worker, 1000);
    event_base_free(base);
    cr_expect_eq(left, 0);
    cr_expect_not(worker_left_behind());
}

Test(worker, a_stop_waits_for_what_is_left_to_do)
{
    loop_thread = pthread_self();
    struct event_base *base = event_base_new();
    struct worker *worker = worker_create(base);
    struct job last = {.number = 3};
    struct job jobs[] = {{.number = 1, .microseconds = 50000}, {.number = 2, .worker = worker, .next = &last}};
    give(worker, &jobs[0]);
    give(worker, &jobs[1]);
    worker_destroy(worker, 30000);
    cr_expect_eq(done, 3, "also what was given meanwhile");
    cr_expect_not(worker_left_behind());
    event_base_free(base);
}

Test(worker, a_stop_without_patience_leaves_the_thread_behind)
{
    loop_thread = pthread_self();
    struct event_base *base = event_base_new();
    struct worker *worker = worker_create(base);
    static struct job jobs[] = {{.number = 1, .microseconds = 1500000}, {.number = 2}};
    give(worker, &jobs[0]);
    give(worker, &jobs[1]);
    uint64_t begun = clock_now_ns();
    worker_destroy(worker, 20);
    cr_expect_lt(clock_now_ns() - begun, UINT64_C(1000000000));
    event_base_free(base);
    cr_expect_eq(done, 0);
    cr_expect(worker_left_behind());
    for (int wait = 0; worker_left_behind() && wait < 2000; wait++)
        usleep(10000);
    cr_expect_not(worker_left_behind());
    cr_expect_eq(worked, 2);
    cr_expect_eq(left, 2);
}

static void work_on_the_loop(void *argument)
{
    (void)argument;
    cr_expect(pthread_equal(pthread_self(), loop_thread));
    cr_expect_neq(lane_number, 0u);
    cr_expect_eq(done, 0, "handed back later");
    atomic_fetch_add(&worked, 1);
}

/* As a limit of a service's tasks would have it. */
Test(worker, without_a_thread_to_be_had_the_loop_works)
{
    loop_thread = pthread_self();
    struct event_base *base = event_base_new();
    struct worker *worker = worker_create(base);
    struct job job = {.number = 1, .base = base};
    struct rlimit before, none;
    getrlimit(RLIMIT_NPROC, &before);
    none = (struct rlimit){0, before.rlim_max};
    if (geteuid() == 0) /* for whom there is no limit */
        cr_assert_eq(setresuid(65534, 65534, 65534), 0);
    prctl(PR_SET_DUMPABLE, 1); /* the leak checker looks into this process */
    setrlimit(RLIMIT_NPROC, &none);
    worker_do(worker, &(struct worker_job){.work = work_on_the_loop, .done = on_done, .left = leave, .job = &job});
    setrlimit(RLIMIT_NPROC, &before);
    cr_expect_eq(worked, 1);
    cr_expect_eq(lane_number, 0u);
    event_base_dispatch(base);
    cr_expect_eq(done, 1);
    cr_expect_not(worker_is_busy(worker));
    worker_destroy(worker, 1000);
    event_base_free(base);
}

Test(worker, without_work_there_is_no_thread)
{
    struct event_base *base = event_base_new();
    worker_destroy(worker_create(base), 1000);
    worker_destroy(NULL, 1000);
    event_base_free(base);
}
