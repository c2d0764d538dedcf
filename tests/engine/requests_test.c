/* What keeps the group in order, on a real Redis. How requests are answered, tests/integration/requests_test.py tests.
 */
#include "engine/requests.h"

#include "engine/clock.h"
#include "engine/log.h"
#include "tests/engine/redis_fixture.h"

static struct event_base *base;
static struct metrics *metrics;
static struct outbox *outbox;
static struct chain *chain;
static struct questions *questions;
static struct requests *requests;
static struct redis_fixture redis;
static struct redis_address address;

static void on_loaded(void *context)
{
    (void)context;
    event_base_loopbreak(base);
}

static void on_flow(void *context, bool stop)
{
    (void)context, (void)stop;
}

static void command(const char *text)
{
    redisReply *reply = redisCommand(redis.control, text);
    cr_assert(reply && reply->type != REDIS_REPLY_ERROR, "%s: %s", text, reply ? reply->str : redis.control->errstr);
    freeReplyObject(reply);
}

/* Whether the group has a consumer of that name. */
static bool has_consumer(const char *name)
{
    redisReply *reply = redisCommand(redis.control, "XINFO CONSUMERS hs/weir/requests weir");
    bool found = false;
    for (size_t index = 0; index < reply->elements; index++)
        found = found || strcmp(reply->element[index]->element[1]->str, name) == 0;
    freeReplyObject(reply);
    return found;
}

static void run_for(int milliseconds)
{
    struct timeval time = {milliseconds / 1000, milliseconds % 1000 * 1000};
    event_base_loopexit(base, &time);
    event_base_dispatch(base);
}

static void set_up(void)
{
    struct outbox_settings outbox_settings = {
        .server_name = "hs", .instance_name = "weir1", .address = &address, .keep = 100};
    struct outbox_callbacks callbacks = {.loaded = on_loaded, .flow = on_flow};
    redis_fixture_start(&redis, NULL);
    log_threshold = LOG_ERROR;
    base = event_base_new();
    address = (struct redis_address){.unix_path = redis.socket};
    metrics = metrics_create();
    chain = chain_create(&(struct chain_settings){.server_name = "hs"});
    cr_assert(chain_seal(chain, NULL, NULL));
    questions = questions_create(base, chain, &(struct questions_settings){.waiting = 10}, metrics);
    outbox = outbox_create(base, &outbox_settings, &callbacks, metrics);
    outbox_start(outbox, &(struct transaction_fence){0});
    event_base_dispatch(base);
}

static void tear_down(void)
{
    requests_destroy(requests);
    questions_destroy(questions);
    chain_destroy(chain);
    outbox_destroy(outbox);
    metrics_destroy(metrics);
    event_base_free(base);
    redis_fixture_stop(&redis);
}

TestSuite(requests, .init = set_up, .fini = tear_down, .timeout = 60);

static void open_requests(void)
{
    struct requests_settings settings = {.server_name = "hs",
                                         .instance_name = "weir1",
                                         .address = &address,
                                         .batch = 10,
                                         .queue = 100,
                                         .stream = 1000,
                                         .tries = 3,
                                         .claim_after_ms = 3600000,
                                         .forget_after_ms = 300};
    requests = requests_create(base, &settings, questions, outbox, metrics);
}

Test(requests, engines_that_are_gone_and_left_nothing_leave_the_group)
{
    command("XGROUP CREATE hs/weir/requests weir 0 MKSTREAM");
    command("XGROUP CREATECONSUMER hs/weir/requests weir gone");
    command("XGROUP CREATECONSUMER hs/weir/requests weir weir1");
    command("XADD hs/weir/requests * callback x");
    command("XREADGROUP GROUP weir left COUNT 1 STREAMS hs/weir/requests >");
    open_requests();
    run_for(100);
    cr_expect(has_consumer("gone"));
    uint64_t until = clock_now_ns() + UINT64_C(20000000000);
    while (has_consumer("gone") && clock_now_ns() < until)
        run_for(50);
    cr_expect_not(has_consumer("gone"));
    cr_expect(has_consumer("left"), "what it left would be lost with it");
    cr_expect(has_consumer("weir1"));
}

Test(requests, a_redis_that_does_not_let_it_is_asked_once)
{
    command("ACL SETUSER default -eval");
    open_requests();
    run_for(1500);
    redisReply *reply = redisCommand(redis.control, "ACL LOG");
    cr_expect_eq(reply->elements, 1);
    freeReplyObject(reply);
    reply = redisCommand(redis.control, "INFO commandstats");
    const char *counted = strstr(reply->str, "cmdstat_eval:");
    cr_assert_not_null(counted);
    cr_expect_not_null(strstr(counted, "rejected_calls=1,"));
    freeReplyObject(reply);
}

Test(requests, they_are_idle_when_a_read_has_ended)
{
    open_requests();
    run_for(300);
    cr_expect_not(requests_is_idle(requests));
    requests_pause(requests, true);
    uint64_t until = clock_now_ns() + UINT64_C(20000000000);
    while (!requests_is_idle(requests) && clock_now_ns() < until)
        run_for(50);
    cr_expect(requests_is_idle(requests));
}
