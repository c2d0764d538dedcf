/* Shared rates on a real Redis: two engines' ends decide as one table of buckets would, and Redis may stop, hang, and
 * forget. */
#include "engine/shared_rate.h"

#include <event2/event.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/keyed_hash.h"
#include "engine/clock.h"
#include "engine/worker.h"
#include "tests/engine/redis_fixture.h"

#define START INT64_C(1700000000000)
#define FAILED (-1)
#define REFUSED (-2)

struct side {
    struct metrics *metrics;
    struct shared_rate *rate;
    uint64_t answered; /* the last ticket */
    int status;        /* of it; FAILED without an answer */
    int answers;
};

static struct redis_fixture redis;
static struct redis_address address;
static struct event_base *base;
static struct side sides[2];

static void on_answered(void *context, uint64_t ticket, const struct service_answer *answer)
{
    struct side *side = context;
    side->answered = ticket;
    side->status = answer->arrived ? answer->status : FAILED;
    side->answers++;
}

static const struct shared_rates *interface(int number)
{
    return shared_rate_interface(sides[number].rate);
}

static uint64_t ask(int number, struct slice once, const struct shared_bucket *buckets, uint32_t count, int64_t now_ms)
{
    const char *refusal = NULL;
    const struct shared_question question = {.once = once, .buckets = buckets, .count = count, .now_ms = now_ms};
    uint64_t ticket = interface(number)->ask(interface(number)->context, &question, &refusal);
    cr_expect(ticket ? (ticket & SHARED_RATE_TICKET) != 0 : refusal != NULL);
    return ticket;
}

/* Runs the loop until this side has got so many answers; false after ten seconds. */
static bool wait_for(int number, int answers)
{
    uint64_t until = clock_now_ns() + UINT64_C(10000000000);
    while (sides[number].answers < answers && clock_now_ns() < until) {
        const struct timeval tick = {.tv_usec = 20000};
        event_base_loopexit(base, &tick);
        event_base_loop(base, EVLOOP_ONCE);
    }
    return sides[number].answers >= answers;
}

/* The answer to one question: the number that lacks, 0, FAILED, or REFUSED. */
static int outcome(int number, struct slice once, const struct shared_bucket *buckets, uint32_t count, int64_t now_ms)
{
    int answers = sides[number].answers;
    uint64_t ticket = ask(number, once, buckets, count, now_ms);
    if (!ticket)
        return REFUSED;
    cr_assert(wait_for(number, answers + 1));
    cr_expect_eq(sides[number].answered, ticket);
    return sides[number].status;
}

/* Asks until something else than a refusal comes: the connection is there. */
static void wait_until_asked(int number)
{
    const struct rate_limit limit = {1, 1, 1000000000};
    const struct shared_bucket bucket = {SLICE("waiting"), &limit, 1, 1};
    uint64_t until = clock_now_ns() + UINT64_C(20000000000);
    int status;
    while ((status = outcome(number, SLICE_ABSENT, &bucket, 1, START)) < 0 && clock_now_ns() < until) {
        const struct timeval tick = {.tv_usec = 20000};
        event_base_loopexit(base, &tick);
        event_base_dispatch(base);
    }
    cr_assert_eq(status, 0, "the side %d is not connected", number);
}

static void set_up(void)
{
    redis_fixture_start(&redis, NULL);
    address = (struct redis_address){.unix_path = redis.socket};
    base = event_base_new();
    for (int number = 0; number < 2; number++) {
        sides[number].metrics = metrics_create();
        sides[number].rate = shared_rate_create(base, sides[number].metrics, on_answered, &sides[number]);
        interface(number)->join(interface(number)->context);
        shared_rate_use(sides[number].rate, &address, "lab.test");
        wait_until_asked(number);
    }
}

static void tear_down(void)
{
    for (int number = 0; number < 2; number++) {
        interface(number)->leave(interface(number)->context);
        shared_rate_destroy(sides[number].rate);
        metrics_destroy(sides[number].metrics);
    }
    event_base_free(base);
    redis_fixture_stop(&redis);
}

TestSuite(shared_rate, .init = set_up, .fini = tear_down);

Test(shared_rate, both_pay_from_one_bucket)
{
    const struct rate_limit limit = {10, 60000, 3};
    const struct shared_bucket bucket = {SLICE("rule/@a:x"), &limit, 1, 7};
    cr_expect_eq(outcome(0, SLICE_ABSENT, &bucket, 1, START), 0);
    cr_expect_eq(outcome(1, SLICE_ABSENT, &bucket, 1, START), 0);
    cr_expect_eq(outcome(0, SLICE_ABSENT, &bucket, 1, START), 0);
    cr_expect_eq(outcome(0, SLICE_ABSENT, &bucket, 1, START), 7);
    cr_expect_eq(outcome(1, SLICE_ABSENT, &bucket, 1, START + 5999), 7);
    cr_expect_eq(outcome(1, SLICE_ABSENT, &bucket, 1, START + 6000), 0);
    cr_expect_eq(outcome(0, SLICE_ABSENT, &bucket, 1, START + 6001), 7);
    redisReply *reply = redisCommand(redis.control, "GET lab.test/weir/rates/rule/@a:x");
    cr_expect_str_eq(reply->str, "1700000024000:0");
    freeReplyObject(reply);
    long long expiry = redis_fixture_integer(&redis, "PTTL lab.test/weir/rates/rule/@a:x");
    cr_expect(expiry > 5000 && expiry <= 19000, "%lld", expiry);
}

/* Whatever the limits, costs and times, the two decide as base/rate_table.h does alone. */
Test(shared_rate, as_exact_as_a_table)
{
    static const struct rate_limit limits[] = {{7, 1000, 5},      {3, 10007, 1000}, {3999999, 1000, 4000000},
                                               {1, 604800000, 2}, {997, 99991, 50}, {20, 60000, 30}};
    for (size_t row = 0; row < sizeof limits / sizeof *limits; row++) {
        struct rate_limit limit = limits[row];
        struct rate_table *table = rate_table_create(&limit, 1024);
        int64_t now_ms = START;
        int passed = 0;
        for (uint64_t step = 0; step < 300; step++) {
            char key[32];
            uint64_t number = keyed_hash(slice_of((const char *)&step, sizeof step), row);
            int64_t full_ms = limit.burst * limit.period_ms / limit.count;
            now_ms += (int64_t)(number >> 40) % (full_ms / 32 + 2);
            int64_t cost = 1 + (int64_t)(number >> 20 & 0xfffff) % (limit.burst < 4 ? limit.burst : limit.burst / 2);
            uint64_t who = number % 3 + 1;
            snprintf(key, sizeof key, "%zu/%d", row, (int)who);
            const struct shared_bucket bucket = {slice_from_string(key), &limit, cost, 1};
            bool took = rate_table_take(table, who, cost, now_ms);
            cr_assert_eq(outcome((int)(step & 1), SLICE_ABSENT, &bucket, 1, now_ms), !took, "row %zu, step %d", row,
                         (int)step);
            passed += took;
        }
        cr_expect(passed > 5 && passed < 300, "row %zu: %d", row, passed);
        rate_table_destroy(table);
    }
}

Test(shared_rate, all_or_none_pay)
{
    const struct rate_limit small = {1, 60000, 1}, large = {1, 60000, 2};
    const struct shared_bucket both[] = {{SLICE("l/a"), &large, 1, 1}, {SLICE("s/a"), &small, 1, 2}};
    cr_expect_eq(outcome(0, SLICE_ABSENT, both, 2, START), 0);
    cr_expect_eq(outcome(1, SLICE_ABSENT, both, 2, START), 2);
    cr_expect_eq(outcome(0, SLICE_ABSENT, both, 2, START), 2);
    cr_expect_eq(outcome(1, SLICE_ABSENT, both, 1, START), 0, "what was refused took nothing");
    cr_expect_eq(outcome(1, SLICE_ABSENT, both, 2, START), 1);
}

Test(shared_rate, what_counts_once_gets_its_answer_again)
{
    const struct rate_limit limit = {1, 60000, 2};
    const struct shared_bucket bucket = {SLICE("r/a"), &limit, 1, 4};
    for (int time = 0; time < 3; time++) {
        cr_expect_eq(outcome(time % 2, SLICE("event/$1"), &bucket, 1, START), 0);
        cr_expect_eq(outcome(time % 2, SLICE("event/$2"), &bucket, 1, START), 0);
        cr_expect_eq(outcome(time % 2, SLICE("event/$3"), &bucket, 1, START), 4);
    }
    cr_expect_eq(outcome(0, SLICE("event/$3"), &bucket, 1, START + 3600000), 4);
    cr_expect_eq(outcome(0, SLICE("event/$4"), &bucket, 1, START + 3600000), 0);
    long long expiry = redis_fixture_integer(&redis, "PTTL lab.test/weir/rates/event/$1");
    cr_expect(expiry > 200000 && expiry <= 300000, "%lld", expiry);
}

/* An engine whose clock is a day ahead empties a bucket for the others for no longer than it takes to fill. */
Test(shared_rate, a_clock_far_ahead_locks_nobody_out)
{
    const struct rate_limit limit = {2, 1000, 4};
    const struct shared_bucket bucket = {SLICE("r/a"), &limit, 1, 1};
    cr_expect_eq(outcome(0, SLICE_ABSENT, &bucket, 1, START + 86400000), 0);
    cr_expect_eq(outcome(1, SLICE_ABSENT, &bucket, 1, START), 1);
    cr_expect_eq(outcome(1, SLICE_ABSENT, &bucket, 1, START + 499), 1);
    cr_expect_eq(outcome(1, SLICE_ABSENT, &bucket, 1, START + 500), 0);
    cr_expect_eq(outcome(1, SLICE_ABSENT, &bucket, 1, START + 501), 1);
}

Test(shared_rate, a_flushed_script_is_sent_again)
{
    const struct rate_limit limit = {1, 60000, 10};
    const struct shared_bucket bucket = {SLICE("r/a"), &limit, 1, 1};
    for (int round = 0; round < 3; round++) {
        freeReplyObject(redisCommand(redis.control, "SCRIPT FLUSH"));
        int answers = sides[0].answers;
        for (int time = 0; time < 5; time++)
            cr_assert_neq(ask(0, SLICE_ABSENT, &bucket, 1, START), 0u);
        cr_assert(wait_for(0, answers + 5));
        cr_expect_eq(sides[0].status, round == 2);
    }
    cr_expect_eq(outcome(1, SLICE_ABSENT, &bucket, 1, START), 1, "ten of fifteen have passed");
}

Test(shared_rate, what_is_no_bucket_is_a_full_one_or_an_error)
{
    const struct rate_limit limit = {1, 60000, 1};
    const struct shared_bucket text = {SLICE("text"), &limit, 1, 1}, list = {SLICE("list"), &limit, 1, 1};
    freeReplyObject(redisCommand(redis.control, "SET lab.test/weir/rates/text nonsense"));
    freeReplyObject(redisCommand(redis.control, "RPUSH lab.test/weir/rates/list x"));
    cr_expect_eq(outcome(0, SLICE_ABSENT, &text, 1, START), 0);
    cr_expect_eq(outcome(0, SLICE_ABSENT, &text, 1, START), 1);
    cr_expect_eq(outcome(0, SLICE_ABSENT, &list, 1, START), FAILED);
    cr_expect_eq(outcome(0, SLICE_ABSENT, &text, 1, START), 1, "it goes on");
}

Test(shared_rate, without_redis_questions_fail_and_then_go_on)
{
    const struct rate_limit limit = {1, 60000, 100};
    const struct shared_bucket bucket = {SLICE("r/a"), &limit, 1, 1};
    /* It hangs: what is in flight fails in a moment, and what comes behind it at once. */
    kill(redis.process, SIGSTOP);
    uint64_t started = clock_now_ns();
    cr_expect_eq(outcome(0, SLICE_ABSENT, &bucket, 1, START), FAILED);
    cr_expect_lt(clock_now_ns() - started, UINT64_C(8000000000));
    cr_expect_eq(outcome(0, SLICE_ABSENT, &bucket, 1, START), REFUSED);
    kill(redis.process, SIGCONT);
    wait_until_asked(0);
    cr_expect_eq(outcome(0, SLICE_ABSENT, &bucket, 1, START), 0);
    /* It stops, and comes back empty. */
    redis_fixture_halt(&redis);
    for (int time = 0; time < 3; time++)
        cr_expect_lt(outcome(0, SLICE_ABSENT, &bucket, 1, START), 0);
    redis_fixture_launch(&redis);
    wait_until_asked(0);
    wait_until_asked(1);
    cr_expect_eq(outcome(0, SLICE_ABSENT, &bucket, 1, START), 0);
}

/* ---- an end that does not wait for a chain */

static atomic_bool gone, counted;

/* A module that is made and ended when the loop, and what it had, is gone. */
static void count_late(void *argument)
{
    const struct shared_rates *rates = argument;
    while (!atomic_load(&gone))
        usleep(1000);
    rates->join(rates->context);
    rates->leave(rates->context);
    atomic_store(&counted, true);
}

static void leave_job(void *argument)
{
    (void)argument;
}

Test(shared_rate_end, a_thread_left_behind_may_still_count)
{
    struct event_base *loop = event_base_new();
    struct metrics *metrics = metrics_create();
    struct shared_rate *rate = shared_rate_create(loop, metrics, on_answered, NULL);
    struct worker *worker = worker_create(loop);
    worker_do(worker, &(struct worker_job){.work = count_late,
                                           .left = leave_job,
                                           .job = (void *)(uintptr_t)shared_rate_interface(rate)});
    worker_destroy(worker, 10);
    cr_assert(worker_left_behind());
    shared_rate_destroy(rate);
    metrics_destroy(metrics);
    atomic_store(&gone, true);
    for (int wait = 0; worker_left_behind() && wait < 2000; wait++)
        usleep(10000);
    cr_expect(atomic_load(&counted));
    metrics = metrics_create();
    shared_rate_destroy(shared_rate_create(loop, metrics, on_answered, NULL));
    metrics_destroy(metrics);
    event_base_free(loop);
}
