#include "engine/redis_link.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "engine/log.h"
#include "redis_fixture.h"

#define QUICK ((struct redis_link_times){2000, 200, 600, 20, 100})

struct owner {
    struct event_base *base;
    struct redis_link *link;
    int ready;
    int lost;
    char reason[512];
    int subscribed;
    size_t messages;
    size_t message_bytes;
    char last_message[256];
    char last_channel[256];
    size_t replies;
    long long last_integer;
    bool in_order;
    size_t wanted_messages;
    size_t wanted_replies;
    bool reset_in_reply;
    bool stop_when_lost;
    bool subscribe;
};

static void on_ready(void *context)
{
    struct owner *owner = context;
    owner->ready++;
    if (owner->subscribe)
        redis_link_command(owner->link, (struct slice[]){SLICE("SUBSCRIBE"), SLICE("a"), SLICE("b")}, 3);
    else
        event_base_loopbreak(owner->base);
}

static void on_lost(void *context, const char *reason)
{
    struct owner *owner = context;
    owner->lost++;
    snprintf(owner->reason, sizeof owner->reason, "%s", reason);
    if (owner->stop_when_lost)
        event_base_loopbreak(owner->base);
}

static void on_message(void *context, struct slice channel, struct slice data)
{
    struct owner *owner = context;
    owner->message_bytes += data.length;
    snprintf(owner->last_channel, sizeof owner->last_channel, "%.*s", (int)channel.length, channel.data);
    snprintf(owner->last_message, sizeof owner->last_message, "%.*s", (int)(data.length > 200 ? 200 : data.length),
             data.data);
    if (++owner->messages == owner->wanted_messages)
        event_base_loopbreak(owner->base);
}

static void on_subscribed(void *context, struct slice channel)
{
    struct owner *owner = context;
    owner->subscribed++;
    if (slice_equal(channel, SLICE("b")))
        event_base_loopbreak(owner->base);
}

static void on_reply(void *context, const redisReply *reply)
{
    struct owner *owner = context;
    owner->replies++;
    if (reply->type == REDIS_REPLY_INTEGER) {
        owner->in_order = owner->in_order && reply->integer == owner->last_integer + 1;
        owner->last_integer = reply->integer;
    }
    if (owner->reset_in_reply) {
        owner->reset_in_reply = false;
        redis_link_reset(owner->link, "the owner wants it");
        cr_expect_not(redis_link_is_ready(owner->link));
    }
    if (owner->replies == owner->wanted_replies)
        event_base_loopbreak(owner->base);
}

static void on_deadline(evutil_socket_t socket, short events, void *context)
{
    (void)socket;
    (void)events;
    cr_log_error("the loop ran for %s", "too long");
    event_base_loopbreak(context);
}

static void run(struct owner *owner)
{
    struct timeval limit = {10, 0};
    struct event *deadline = evtimer_new(owner->base, on_deadline, owner->base);
    event_add(deadline, &limit);
    event_base_dispatch(owner->base);
    event_free(deadline);
}

static void begin(struct owner *owner, const struct redis_address *address, bool subscribe)
{
    log_threshold = LOG_ERROR;
    owner->base = event_base_new();
    owner->subscribe = subscribe;
    owner->in_order = true;
    struct redis_link_callbacks callbacks = {owner, on_ready, on_lost, NULL, on_subscribed, on_reply, NULL};
    if (subscribe)
        callbacks.message = on_message;
    owner->link = redis_link_create(owner->base, address, "test", &callbacks);
    redis_link_set_times(owner->link, &QUICK);
    run(owner);
}

static void end(struct owner *owner)
{
    redis_link_destroy(owner->link);
    event_base_free(owner->base);
}

static void increment(struct owner *owner)
{
    redis_link_command(owner->link, (struct slice[]){SLICE("INCR"), SLICE("n")}, 2);
}

Test(redis_link, pipelined_commands_are_answered_in_order)
{
    struct redis_fixture redis;
    redis_fixture_start(&redis, NULL);
    struct redis_address address = {.unix_path = redis.socket};
    struct owner owner = {.wanted_replies = 10000};
    begin(&owner, &address, false);
    cr_assert_eq(owner.ready, 1);
    for (int count = 0; count < 10000; count++)
        increment(&owner);
    cr_expect_gt(redis_link_unsent(owner.link), 10000u * 20);
    run(&owner);
    cr_expect_eq(owner.replies, 10000u);
    cr_expect(owner.in_order);
    cr_expect_eq(redis_link_unsent(owner.link), 0u);
    end(&owner);
    redis_fixture_stop(&redis);
}

Test(redis_link, greets_with_user_password_and_database)
{
    struct redis_fixture redis;
    redis_fixture_start(&redis, "pass word");
    struct redis_address address = {
        .unix_path = redis.socket, .username = (char *)"default", .password = (char *)"pass word", .database = 3};
    struct owner owner = {.wanted_replies = 1};
    begin(&owner, &address, false);
    cr_assert_eq(owner.ready, 1, "%s", owner.reason);
    increment(&owner);
    run(&owner);
    freeReplyObject(redisCommand(redis.control, "SELECT 3"));
    cr_expect_eq(redis_fixture_integer(&redis, "EXISTS n"), 1);
    end(&owner);
    redis_fixture_stop(&redis);
}

Test(redis_link, refused_greetings_say_why)
{
    struct redis_fixture redis;
    redis_fixture_start(&redis, "right");
    struct {
        struct redis_address address;
        const char *words;
    } cases[] = {
        {{.unix_path = redis.socket, .password = (char *)"wrong"}, "Redis refused AUTH: WRONGPASS"},
        {{.unix_path = redis.socket}, "Redis refused PING: NOAUTH"},
        {{.unix_path = redis.socket, .password = (char *)"right", .database = 4711},
         "Redis refused SELECT: ERR DB index is out of range"},
        {{.unix_path = (char *)"/nonexistent/socket"}, "cannot connect to Redis: No such file or directory"},
        {{.host = (char *)"127.0.0.1", .port = 1}, "cannot connect to Redis: Connection refused"},
        {{.host = (char *)"no-such-host.invalid", .port = 1}, "cannot connect to Redis: "},
    };
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        struct owner owner = {.stop_when_lost = true};
        begin(&owner, &cases[index].address, index % 2 == 0);
        cr_expect_eq(owner.ready, 0);
        cr_expect_geq(owner.lost, 1);
        cr_expect_eq(strncmp(owner.reason, cases[index].words, strlen(cases[index].words)), 0, "%s", owner.reason);
        cr_expect_null(strstr(owner.reason, "wrong"));
        end(&owner);
    }
    redis_fixture_stop(&redis);
}

Test(redis_link, messages_arrive_large_and_small)
{
    struct redis_fixture redis;
    redis_fixture_start(&redis, NULL);
    struct redis_address address = {.unix_path = redis.socket};
    struct owner owner = {.wanted_messages = 2003};
    begin(&owner, &address, true);
    cr_assert_eq(owner.subscribed, 2);
    size_t large = 10u << 20;
    char *data = malloc(large);
    memset(data, 'x', large);
    for (int count = 0; count < 1000; count++)
        redisAppendCommand(redis.control, "PUBLISH a %b", data, (size_t)count);
    redisAppendCommand(redis.control, "PUBLISH b %b", data, large);
    redisAppendCommand(redis.control, "PUBLISH a %s", "");
    for (int count = 0; count < 1000; count++)
        redisAppendCommand(redis.control, "PUBLISH b %b", data, (size_t)count);
    redisAppendCommand(redis.control, "PUBLISH a %s", "the last one");
    int written = 0;
    while (!written)
        cr_assert_eq(redisBufferWrite(redis.control, &written), REDIS_OK);
    run(&owner);
    cr_expect_eq(owner.messages, 2003u);
    cr_expect_eq(owner.message_bytes, large + 2 * (999 * 1000 / 2) + 12);
    cr_expect_str_eq(owner.last_message, "the last one");
    cr_expect_str_eq(owner.last_channel, "a");
    free(data);
    end(&owner);
    redis_fixture_stop(&redis);
}

Test(redis_link, comes_back_when_killed_and_when_redis_restarts)
{
    struct redis_fixture redis;
    redis_fixture_start(&redis, NULL);
    struct redis_address address = {.unix_path = redis.socket};
    struct owner owner = {.wanted_messages = 1};
    begin(&owner, &address, true);
    cr_assert_eq(owner.subscribed, 2);
    cr_assert_eq(redis_fixture_integer(&redis, "CLIENT KILL TYPE pubsub"), 1);
    run(&owner);
    cr_expect_eq(owner.ready, 2);
    cr_expect_eq(owner.lost, 1);
    cr_expect_eq(owner.subscribed, 4);
    cr_expect_str_eq(owner.reason, "Redis closed the connection");
    redis_fixture_halt(&redis);
    redis_fixture_launch(&redis);
    run(&owner);
    cr_expect_eq(owner.ready, 3);
    cr_assert_eq(redis_fixture_integer(&redis, "PUBLISH b again"), 1);
    run(&owner);
    cr_expect_str_eq(owner.last_message, "again");
    end(&owner);
    redis_fixture_stop(&redis);
}

Test(redis_link, reset_within_a_callback_waits_for_its_end)
{
    struct redis_fixture redis;
    redis_fixture_start(&redis, NULL);
    struct redis_address address = {.unix_path = redis.socket};
    struct owner owner = {.reset_in_reply = true};
    begin(&owner, &address, false);
    for (int count = 0; count < 100; count++)
        increment(&owner);
    run(&owner); /* until ready again */
    cr_expect_eq(owner.ready, 2);
    cr_expect_eq(owner.lost, 1);
    cr_expect_eq(owner.replies, 1u);
    cr_expect_str_eq(owner.reason, "the owner wants it");
    owner.wanted_replies = 2;
    increment(&owner);
    run(&owner);
    cr_expect_eq(owner.replies, 2u);
    end(&owner);
    redis_fixture_stop(&redis);
}

static void on_pause_end(evutil_socket_t socket, short events, void *context)
{
    (void)socket;
    (void)events;
    event_base_loopbreak(context);
}

static void run_for(struct owner *owner, int milliseconds)
{
    struct timeval time = {milliseconds / 1000, milliseconds % 1000 * 1000};
    event_base_once(owner->base, -1, EV_TIMEOUT, on_pause_end, owner->base, &time);
    event_base_dispatch(owner->base);
}

Test(redis_link, idle_links_stay_and_their_pings_are_not_seen)
{
    struct redis_fixture redis;
    redis_fixture_start(&redis, NULL);
    struct redis_address address = {.unix_path = redis.socket};
    for (int subscribe = 0; subscribe < 2; subscribe++) {
        struct owner owner = {0};
        begin(&owner, &address, subscribe);
        run_for(&owner, 1500);
        cr_expect_eq(owner.lost, 0, "%s", owner.reason);
        cr_expect_eq(owner.replies, 0u);
        end(&owner);
    }
    redis_fixture_stop(&redis);
}

Test(redis_link, a_silent_redis_is_given_up)
{
    struct redis_fixture redis;
    redis_fixture_start(&redis, NULL);
    struct redis_address address = {.unix_path = redis.socket};
    struct owner owner = {.stop_when_lost = true};
    begin(&owner, &address, true);
    kill(redis.process, SIGSTOP);
    run(&owner);
    cr_expect_str_eq(owner.reason, "Redis was silent for too long");
    kill(redis.process, SIGCONT);
    end(&owner);
    redis_fixture_stop(&redis);
}

Test(redis_link, a_paused_link_reads_nothing_and_stays)
{
    struct redis_fixture redis;
    redis_fixture_start(&redis, NULL);
    struct redis_address address = {.unix_path = redis.socket};
    struct owner owner = {.wanted_messages = 1};
    begin(&owner, &address, true);
    redis_link_pause(owner.link, true);
    cr_assert_eq(redis_fixture_integer(&redis, "PUBLISH a one"), 1);
    run_for(&owner, 1000);
    cr_expect_eq(owner.messages, 0u);
    cr_expect_eq(owner.lost, 0);
    redis_link_pause(owner.link, false);
    run(&owner);
    cr_expect_eq(owner.messages, 1u);
    end(&owner);
    redis_fixture_stop(&redis);
}

/* A server that is the test itself: a listening unix socket whose one connection gets `script` in single bytes. */
struct fake_server {
    char path[64];
    int listener;
    int connection;
    struct slice script;
    size_t sent;
    struct event *event;
};

static void on_fake_turn(evutil_socket_t socket, short events, void *context)
{
    struct fake_server *server = context;
    struct timeval soon = {0, 100};
    (void)socket;
    (void)events;
    if (server->connection < 0)
        server->connection = accept(server->listener, NULL, NULL);
    if (server->connection >= 0 && server->sent < server->script.length &&
        send(server->connection, server->script.data + server->sent, 1, MSG_NOSIGNAL) == 1)
        server->sent++;
    event_add(server->event, &soon);
}

static void run_fake(struct fake_server *server, struct owner *owner, struct slice script)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    snprintf(server->path, sizeof server->path, "/tmp/weir-fake-%d", (int)getpid());
    memcpy(local.sun_path, server->path, strlen(server->path) + 1);
    server->script = script;
    server->connection = -1;
    server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    cr_assert_eq(bind(server->listener, (struct sockaddr *)&local, sizeof local), 0);
    cr_assert_eq(listen(server->listener, 4), 0);
    struct redis_address address = {.unix_path = server->path};
    struct redis_link_callbacks callbacks = {owner, on_ready, on_lost, on_message, on_subscribed, NULL, NULL};
    log_threshold = LOG_ERROR;
    owner->base = event_base_new();
    owner->subscribe = true;
    server->event = evtimer_new(owner->base, on_fake_turn, server);
    on_fake_turn(-1, 0, server);
    owner->link = redis_link_create(owner->base, &address, "fake", &callbacks);
    redis_link_set_times(owner->link, &QUICK);
    run(owner);
    end(owner);
    event_free(server->event);
    close(server->listener);
    close(server->connection);
    unlink(server->path);
}

Test(redis_link, messages_in_single_bytes)
{
    struct fake_server server = {0};
    struct owner owner = {.wanted_messages = 2};
    run_fake(&server, &owner,
             SLICE("+PONG\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"
                   "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$5\r\nhello\r\n*2\r\n$4\r\npong\r\n$0\r\n\r\n"
                   "*3\r\n$7\r\nmessage\r\n$2\r\nbb\r\n$3\r\nnew\r\n"));
    cr_expect_eq(owner.lost, 0, "%s", owner.reason);
    cr_expect_eq(owner.messages, 2u);
    cr_expect_eq(owner.subscribed, 1);
    cr_expect_str_eq(owner.last_channel, "bb");
    cr_expect_str_eq(owner.last_message, "new");
}

Test(redis_link, bad_servers_are_left)
{
    struct {
        struct slice script;
        const char *words;
    } cases[] = {
        {SLICE("HTTP/1.1 400 Bad Request\r\n\r\n"), "what answers does not speak Redis's protocol"},
        {SLICE("-LOADING Redis is loading the dataset in memory\r\n"), "Redis refused PING: LOADING"},
        {SLICE("-ERR max number of clients reached\r\n"), "Redis refused PING: ERR max number of clients"},
        {SLICE("+PONG\r\n-ERR no such thing\r\n"), "Redis answered: ERR no such thing"},
        {SLICE("+PONG\r\n*2000000\r\n"), "Redis sent an answer with too many elements"},
        {SLICE("+PO"), "Redis accepted the connection and did not answer in time"},
    };
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        struct fake_server server = {0};
        struct owner owner = {.stop_when_lost = true};
        run_fake(&server, &owner, cases[index].script);
        cr_expect_eq(strncmp(owner.reason, cases[index].words, strlen(cases[index].words)), 0, "%zu: %s", index,
                     owner.reason);
    }
}
