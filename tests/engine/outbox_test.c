/* What leaves in how many transactions, and under which fence, on a real Redis that is made to wait. */
#include "engine/outbox.h"

#include "engine/log.h"
#include "tests/engine/redis_fixture.h"

static struct event_base *base;
static struct outbox *outbox;
static struct metrics *metrics;
static struct redis_fixture redis;
static struct redis_address address;
static int fenced;

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

static void on_fenced(void *context)
{
    (void)context;
    fenced++;
    event_base_loopbreak(base);
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

static void expect_stored(const char *field, const char *wanted)
{
    redisReply *reply = redisCommand(redis.control, "HGET lab.test/weir/positions %b", field, strlen(field));
    cr_assert_eq(reply->type, REDIS_REPLY_STRING, "%s", field);
    cr_expect_str_eq(reply->str, wanted);
    freeReplyObject(reply);
}

/* Opens the outbox and waits until it may begin; a number of 0 stands for no fence. */
static void open_outbox(uint64_t number)
{
    struct outbox_settings settings = {
        .server_name = "lab.test", .instance_name = "weir1", .address = &address, .keep = 100};
    struct outbox_callbacks callbacks = {.append_ahead = on_append_ahead,
                                         .loaded = on_loaded,
                                         .flow = on_flow,
                                         .drained = on_drained,
                                         .fenced = on_fenced};
    metrics = metrics_create();
    outbox = outbox_create(base, &settings, &callbacks, metrics);
    event_base_loop(base, EVLOOP_NONBLOCK);
    cr_expect_not(outbox_is_ready(outbox), "nothing happens before it is started");
    struct transaction_fence fence = {.key = number ? SLICE("lab.test/weir/fence/weir1") : SLICE_ABSENT,
                                      .number = number};
    outbox_start(outbox, &fence);
    event_base_dispatch(base);
    drain();
}

static void close_outbox(void)
{
    outbox_destroy(outbox);
    metrics_destroy(metrics);
}

static void command(const char *text)
{
    redisReply *reply = redisCommand(redis.control, text);
    cr_assert(reply && reply->type != REDIS_REPLY_ERROR, "%s: %s", text, reply ? reply->str : redis.control->errstr);
    freeReplyObject(reply);
}

static long published(void)
{
    redisReply *reply = redisCommand(redis.control, "INFO commandstats");
    const char *found = strstr(reply->str, "cmdstat_publish:calls=");
    long calls = found ? strtol(found + strlen("cmdstat_publish:calls="), NULL, 10) : 0;
    freeReplyObject(reply);
    return calls;
}

static void set_up(void)
{
    redis_fixture_start(&redis, NULL);
    log_threshold = LOG_ERROR;
    base = event_base_new();
    address = (struct redis_address){.unix_path = redis.socket};
    fenced = 0;
}

static void tear_down(void)
{
    event_base_free(base);
    redis_fixture_stop(&redis);
}

TestSuite(outbox, .init = set_up, .fini = tear_down, .timeout = 30);

Test(outbox, a_busy_redis_gets_fewer_transactions_with_all_that_is_in_them)
{
    open_outbox(0);
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
    expect_stored("weir1 events master", "99");
    expect_stored("weir1 presence_routes weir1", "98");

    /* What waits is bounded, also while nothing is answered. */
    kill(redis.process, SIGSTOP);
    for (int round = 0; round < 20000; round++)
        route("[\"@somebody:lab.test\",[]]");
    cr_expect_gt(outbox_counts(outbox).waiting, 5u);
    kill(redis.process, SIGCONT);
    drain();
    expect_stored("weir1 presence_routes weir1", "20098");

    close_outbox();
}

/* The last token of the stream of routes and the position, where `rows` events were judged. */
static void expect_rows(int rows)
{
    char number[16];
    snprintf(number, sizeof number, "%d", rows);
    expect_stored("weir1 presence_routes weir1", number);
    expect_stored("weir1 events master", number);
}

Test(outbox, a_fence_lets_its_own_number_through)
{
    command("SET lab.test/weir/fence/weir1 7");
    command("XGROUP CREATE lab.test/weir/requests weir 0 MKSTREAM");
    command("XADD lab.test/weir/requests 5-0 callback x");
    command("XREADGROUP GROUP weir weir1 STREAMS lab.test/weir/requests >");
    open_outbox(7);
    kill(redis.process, SIGSTOP);
    for (int row = 1; row <= 3000; row++) {
        outbox_route(outbox, SLICE("[\"a\"]")); /* all in one turn: far more arguments than Lua unpacks at once */
        outbox_position(outbox, STREAM_events, SLICE("master"), row);
    }
    outbox_settle_request(outbox, &(struct settled_request){.key = SLICE("lab.test/weir/requests"),
                                                            .group = SLICE("weir"),
                                                            .entry = SLICE("5-0"),
                                                            .reply_to = SLICE("replies"),
                                                            .message = SLICE("VERDICT q \"NOT\r\nSPAM\"")});
    event_base_loop(base, EVLOOP_NONBLOCK);
    kill(redis.process, SIGCONT);
    drain();
    expect_rows(3000);
    cr_expect_eq(redis_fixture_integer(&redis, "XLEN lab.test/weir/requests"), 0);
    cr_expect_eq(published(), 3003); /* and the POSITION of each stream at the beginning */
    redisReply *fence = redisCommand(redis.control, "GET lab.test/weir/fence/weir1");
    cr_expect_str_eq(fence->str, "7");
    freeReplyObject(fence);
    close_outbox();
    cr_expect_eq(fenced, 0);
}

Test(outbox, a_higher_number_keeps_everything_out)
{
    command("SET lab.test/weir/fence/weir1 7");
    open_outbox(7);
    outbox_position(outbox, STREAM_events, SLICE("master"), 1);
    route("[1]");
    drain();
    long before = published();
    command("INCR lab.test/weir/fence/weir1");
    outbox_position(outbox, STREAM_events, SLICE("master"), 2);
    route("[2]");
    while (!fenced)
        event_base_loop(base, EVLOOP_ONCE); /* the answer may have come with the row */
    cr_expect_eq(fenced, 1);
    cr_expect_not(outbox_is_ready(outbox));
    expect_rows(1);
    cr_expect_eq(published(), before);
    close_outbox();
}

Test(outbox, what_a_held_outbox_was_given_leaves_when_it_goes_on_and_only_once)
{
    command("SET lab.test/weir/fence/weir1 7");
    open_outbox(7);
    outbox_position(outbox, STREAM_events, SLICE("master"), 1);
    route("[1]"); /* on its way, and perhaps carried out, when the connection is dropped */
    outbox_hold(outbox, true);
    outbox_position(outbox, STREAM_events, SLICE("master"), 2);
    route("[2]");
    struct timeval pause = {.tv_usec = 300000}; /* longer than the link needs to be back */
    event_base_loopexit(base, &pause);
    event_base_dispatch(base);
    cr_expect_not(outbox_is_ready(outbox));
    outbox_hold(outbox, false);
    drain();
    expect_rows(2);
    cr_expect_eq(published(), 4);
    close_outbox();
    cr_expect_eq(fenced, 0);
}

Test(outbox, a_fence_that_is_gone_is_waited_for)
{
    command("SET lab.test/weir/fence/weir1 7");
    open_outbox(7);
    long before = published();
    command("DEL lab.test/weir/fence/weir1");
    log_threshold = LOG_ERROR + 1;
    outbox_position(outbox, STREAM_events, SLICE("master"), 1);
    route("[1]");
    struct timeval pause = {.tv_usec = 300000};
    event_base_loopexit(base, &pause);
    event_base_dispatch(base);
    cr_expect_eq(published(), before);
    command("SET lab.test/weir/fence/weir1 7");
    drain();
    expect_rows(1);
    close_outbox();
    cr_expect_eq(fenced, 0);
}

/* Where Redis refuses writes nothing may be published either, or it would be with each attempt. */
Test(outbox, a_fenced_transaction_that_is_refused_has_published_nothing)
{
    command("SET lab.test/weir/fence/weir1 7");
    open_outbox(7);
    long before = published();
    command("CONFIG SET maxmemory 1mb");
    log_threshold = LOG_ERROR + 1;
    outbox_position(outbox, STREAM_events, SLICE("master"), 1);
    route("[1]");
    struct timeval pause = {.tv_sec = 1, .tv_usec = 500000};
    event_base_loopexit(base, &pause);
    event_base_dispatch(base);
    cr_expect_eq(outbox_counts(outbox).waiting, 1u);
    cr_expect_eq(published(), before);
    command("CONFIG SET maxmemory 0");
    drain();
    expect_rows(1);
    cr_expect_eq(published(), before + 1);
    close_outbox();
}
