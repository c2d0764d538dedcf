/* Two leases on one job, on a real Redis whose keys are looked at and tampered with. */
#include "engine/lease.h"

#include "engine/log.h"
#include "tests/engine/redis_fixture.h"

#define LEASE "lab.test/weir/lease/weir1"
#define FENCE "lab.test/weir/fence/weir1"
#define LEASE_MS 300

struct side {
    struct lease *lease;
    int taken, doubts, sure, lost, released;
    uint64_t fence;
    char holder[64];
};

static struct redis_fixture redis;
static struct redis_address address;
static struct event_base *base;
static struct side sides[2];

static void on_taken(void *context, const struct transaction_fence *fence)
{
    struct side *side = context;
    side->taken++;
    side->fence = fence->number;
    cr_expect(slice_equal(fence->key, SLICE(FENCE)));
}

static void on_doubt(void *context, bool doubt)
{
    struct side *side = context;
    *(doubt ? &side->doubts : &side->sure) += 1;
}

static void on_lost(void *context, struct slice holder)
{
    struct side *side = context;
    side->lost++;
    snprintf(side->holder, sizeof side->holder, "%.*s", (int)holder.length, holder.data);
}

static void on_released(void *context)
{
    struct side *side = context;
    side->released++;
}

static void open_side(int number, bool first)
{
    struct side *side = &sides[number];
    struct lease_settings settings = {
        .server_name = "lab.test", .instance_name = "weir1", .address = &address, .lease_ms = LEASE_MS, .first = first};
    struct lease_callbacks callbacks = {
        .context = side, .taken = on_taken, .doubt = on_doubt, .lost = on_lost, .released = on_released};
    *side = (struct side){0};
    side->lease = lease_create(base, &settings, &callbacks);
}

static void set_up(void)
{
    redis_fixture_start(&redis, NULL);
    log_threshold = LOG_ERROR;
    address = (struct redis_address){.unix_path = redis.socket};
    base = event_base_new();
}

static void tear_down(void)
{
    for (size_t number = 0; number < 2; number++) {
        lease_destroy(sides[number].lease);
        sides[number].lease = NULL;
    }
    event_base_free(base);
    redis_fixture_stop(&redis);
}

static void on_tick(evutil_socket_t socket, short what, void *argument)
{
    (void)socket, (void)what, (void)argument;
}

/* Turns the loop until the count is there. */
static void wait_for(const int *count, int wanted, const char *what)
{
    struct event *tick = event_new(base, -1, EV_PERSIST, on_tick, NULL);
    struct timeval pause = {.tv_usec = 5000};
    event_add(tick, &pause);
    for (int turn = 0; turn < 2000 && *count < wanted; turn++)
        event_base_loop(base, EVLOOP_ONCE);
    event_free(tick);
    cr_assert_eq(*count, wanted, "%s", what);
}

static void turn_for_ms(int duration)
{
    struct timeval time = {.tv_sec = duration / 1000, .tv_usec = duration % 1000 * 1000};
    event_base_loopexit(base, &time);
    event_base_dispatch(base);
}

static void command(const char *text)
{
    redisReply *reply = redisCommand(redis.control, text);
    cr_assert(reply && reply->type != REDIS_REPLY_ERROR, "%s: %s", text, reply ? reply->str : redis.control->errstr);
    freeReplyObject(reply);
}

static void get(const char *key, char text[128])
{
    redisReply *reply = redisCommand(redis.control, "GET %s", key);
    snprintf(text, 128, "%s", reply->type == REDIS_REPLY_STRING ? reply->str : "");
    freeReplyObject(reply);
}

static uint64_t stored_fence(void)
{
    char text[128];
    get(FENCE, text);
    return strtoull(text, NULL, 10);
}

TestSuite(lease, .init = set_up, .fini = tear_down, .timeout = 60);

Test(lease, one_holds_and_renews_it_and_the_other_waits)
{
    open_side(0, true);
    wait_for(&sides[0].taken, 1, "taken");
    cr_expect_eq(sides[0].fence % 1000, 0u);
    cr_expect_gt(sides[0].fence, 0u);
    cr_expect_eq(stored_fence(), sides[0].fence);
    char holder[128], later[128];
    get(LEASE, holder);
    open_side(1, true);
    turn_for_ms(5 * LEASE_MS);
    get(LEASE, later);
    cr_expect_str_eq(holder, later);
    cr_expect(lease_is_held(sides[0].lease) && !lease_is_in_doubt(sides[0].lease));
    cr_expect_eq(lease_fence(sides[0].lease), sides[0].fence);
    cr_expect_not(lease_is_held(sides[1].lease));
    cr_expect_eq(lease_fence(sides[1].lease), 0u);
    cr_expect_eq(lease_waits_for(sides[1].lease), LEASE_WAITS_FOR_HOLDER);
    cr_expect_eq(sides[0].doubts + sides[0].lost + sides[1].taken, 0);
}

Test(lease, who_leaves_gives_it_back_at_once_and_who_vanishes_when_it_runs_out)
{
    open_side(0, true);
    wait_for(&sides[0].taken, 1, "taken");
    open_side(1, false);
    turn_for_ms(50);
    lease_release(sides[0].lease);
    lease_release(sides[0].lease);
    wait_for(&sides[0].released, 1, "released");
    wait_for(&sides[1].taken, 1, "taken by the other");
    cr_expect_eq(sides[1].fence, sides[0].fence + 1);
    /* Nobody renews what is not there any more. */
    lease_destroy(sides[1].lease);
    sides[1].lease = NULL;
    lease_destroy(sides[0].lease);
    open_side(0, false);
    wait_for(&sides[0].taken, 1, "taken when it ran out");
    cr_expect_eq(stored_fence(), sides[1].fence + 1);
}

Test(lease, a_standby_is_never_the_first)
{
    open_side(1, false);
    turn_for_ms(3 * LEASE_MS);
    cr_expect_eq(sides[1].taken, 0);
    cr_expect_eq(lease_waits_for(sides[1].lease), LEASE_WAITS_FOR_FIRST);
    cr_expect_eq(redis_fixture_integer(&redis, "EXISTS " LEASE " " FENCE), 0);
    lease_release(sides[1].lease);
    wait_for(&sides[1].released, 1, "released, though there was nothing to release");
}

Test(lease, whoever_finds_another_holder_or_another_number_has_lost)
{
    open_side(0, true);
    wait_for(&sides[0].taken, 1, "taken");
    command("SET " LEASE " somebody PX 60000");
    wait_for(&sides[0].lost, 1, "lost to somebody");
    cr_expect_str_eq(sides[0].holder, "somebody");
    cr_expect_not(lease_is_held(sides[0].lease));
    command("DEL " LEASE);
    open_side(1, false);
    wait_for(&sides[1].taken, 1, "taken");
    command("DEL " LEASE);
    command("INCR " FENCE);
    wait_for(&sides[1].lost, 1, "lost to somebody who is gone");
    cr_expect_eq(redis_fixture_integer(&redis, "EXISTS " LEASE), 0);
}

Test(lease, a_redis_that_sleeps_makes_the_holder_doubt_and_its_answer_ends_that)
{
    open_side(0, true);
    wait_for(&sides[0].taken, 1, "taken");
    kill(redis.process, SIGSTOP);
    wait_for(&sides[0].doubts, 1, "doubt");
    cr_expect(lease_is_held(sides[0].lease) && lease_is_in_doubt(sides[0].lease));
    kill(redis.process, SIGCONT);
    wait_for(&sides[0].sure, 1, "the end of the doubt");
    cr_expect_eq(sides[0].lost, 0);
    cr_expect_eq(stored_fence(), sides[0].fence);
}

Test(lease, a_redis_that_lost_its_data_is_told_the_old_number)
{
    open_side(0, true);
    wait_for(&sides[0].taken, 1, "taken");
    open_side(1, false);
    redis_fixture_halt(&redis);
    wait_for(&sides[0].doubts, 1, "doubt");
    redis_fixture_launch(&redis);
    wait_for(&sides[0].sure, 1, "the end of the doubt");
    cr_expect_eq(stored_fence(), sides[0].fence);
    cr_expect_eq(sides[0].lost + sides[1].taken, 0);
    cr_expect_eq(redis_fixture_integer(&redis, "EXISTS " LEASE), 1);
}

Test(lease, keys_of_another_kind_are_refused_and_waited_for)
{
    command("LPUSH " FENCE " x");
    open_side(0, true);
    turn_for_ms(3 * LEASE_MS);
    cr_expect_eq(sides[0].taken, 0);
    cr_expect_eq(lease_waits_for(sides[0].lease), LEASE_WAITS_FOR_REDIS);
    command("DEL " FENCE);
    wait_for(&sides[0].taken, 1, "taken once it can be");
}
