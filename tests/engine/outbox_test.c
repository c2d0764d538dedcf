/* What leaves in how many transactions, on a real Redis that is made to wait. */
#include "engine/outbox.h"

#include "engine/log.h"
#include "tests/engine/redis_fixture.h"

static struct event_base *base;
static struct outbox *outbox;

static void on_loaded(void *context)
{
    (void)context;
    event_base_loopbreak(base);
}

static void on_drained(void *context)
{
    (void)context;
    event_base_loopbreak(base);
}

static void on_flow(void *context, bool stop)
{
    (void)context, (void)stop;
    cr_expect_fail("nothing here is too much");
}

static void on_append_ahead(void *context, enum stream stream, struct slice writer, struct buffer *record)
{
    (void)context, (void)stream, (void)writer, (void)record;
}

static void position(int64_t token)
{
    outbox_position(outbox, STREAM_events, SLICE("master"), token);
    event_base_loop(base, EVLOOP_NONBLOCK);
}

static void route(const char *row)
{
    outbox_route(outbox, slice_from_string(row));
    event_base_loop(base, EVLOOP_NONBLOCK);
}

static void drain(void)
{
    outbox_drain(outbox);
    event_base_dispatch(base);
}

static void expect_stored(struct redis_fixture *redis, const char *field, const char *wanted)
{
    redisReply *reply = redisCommand(redis->control, "HGET lab.test/weir/positions %b", field, strlen(field));
    cr_assert_eq(reply->type, REDIS_REPLY_STRING, "%s", field);
    cr_expect_str_eq(reply->str, wanted);
    freeReplyObject(reply);
}

Test(outbox, a_busy_redis_gets_fewer_transactions_with_all_that_is_in_them, .timeout = 30)
{
    struct redis_fixture redis;
    redis_fixture_start(&redis, NULL);
    log_threshold = LOG_ERROR;
    base = event_base_new();
    struct metrics *metrics = metrics_create();
    struct redis_address address = {.unix_path = redis.socket};
    struct outbox_settings settings = {
        .server_name = "lab.test", .instance_name = "weir1", .address = &address, .keep = 100};
    struct outbox_callbacks callbacks = {
        .append_ahead = on_append_ahead, .loaded = on_loaded, .flow = on_flow, .drained = on_drained};
    outbox = outbox_create(base, &settings, &callbacks, metrics);
    outbox_start(outbox, &(struct transaction_fence){0});
    event_base_dispatch(base);
    drain();
    uint64_t before = outbox_counts(outbox).transactions;
    kill(redis.process, SIGSTOP);
    position(1);  /* leaves */
    position(2);  /* waits */
    route("[1]"); /* takes it along, behind one */
    cr_expect_eq(outbox_counts(outbox).waiting, 2u);
    for (int64_t token = 3; token < 100; token++) {
        position(token);
        route("[2]");
    }
    cr_expect_eq(outbox_counts(outbox).waiting, 2u);
    kill(redis.process, SIGCONT);
    drain();
    cr_expect_eq(outbox_counts(outbox).transactions - before, 3u);
    expect_stored(&redis, "weir1 events master", "99");
    expect_stored(&redis, "weir1 presence_routes weir1", "98");

    /* What waits is bounded, also while nothing is answered. */
    kill(redis.process, SIGSTOP);
    for (int round = 0; round < 20000; round++)
        route("[\"@somebody:lab.test\",[]]");
    cr_expect_gt(outbox_counts(outbox).waiting, 5u);
    kill(redis.process, SIGCONT);
    drain();
    expect_stored(&redis, "weir1 presence_routes weir1", "20098");

    outbox_destroy(outbox);
    metrics_destroy(metrics);
    event_base_free(base);
    redis_fixture_stop(&redis);
}
