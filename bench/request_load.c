/* All times of a run are kept and sorted, so that its percentiles are exact: a histogram with logarithmic buckets is
 * for those who cannot keep them. */
#include "bench/request_load.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "bench/processes.h"
#include "engine/clock.h"

#define GRACE_NS 5000000000u
#define IDLE_NS 1000000
#define ENTRIES_AT_ONCE 500
/* Bytes of a message of several answers, as the engine bounds it. */
#define LINES_MAXIMUM ((size_t)64 << 10)

void request_side_open(struct request_side *side, const char *name, const char *server_name, const char *socket_path,
                       const struct corpus *corpus)
{
    *side = (struct request_side){.name = name, .corpus = corpus};
    snprintf(side->key, sizeof side->key, "%s/weir/requests", server_name);
    snprintf(side->reply_to, sizeof side->reply_to, "%s/weir/replies/bench", server_name);
    side->asking = bench_connect(socket_path);
    side->listening = bench_connect(socket_path);
    freeReplyObject(bench_ask(side->listening, "SUBSCRIBE %s", side->reply_to));
}

void request_side_close(struct request_side *side)
{
    redisFree(side->asking);
    redisFree(side->listening);
}

/* Asking. */

/* Appends the command of the request `id` about the next recorded event. */
static void append_request(struct request_side *side, size_t id)
{
    static const char deadline[] = "9999999999999";
    struct slice body = side->corpus->events[side->next_event++ % side->corpus->event_count].body;
    struct buffer args = {0};
    char digits[24];
    int digits_length = snprintf(digits, sizeof digits, "%zu", id);
    buffer_append_string(&args, "{\"event\":");
    buffer_append_slice(&args, body);
    buffer_append_char(&args, '}');
    const char *arguments[] = {"XADD", side->key,  "*",        "callback",     "check_event_for_spam",
                               "args", args.data,  "reply_to", side->reply_to, "id",
                               digits, "deadline", deadline,   "lines",        "1"};
    const size_t lengths[] = {
        4, strlen(side->key),   1, 8, 20, 4, args.length, 8, strlen(side->reply_to), 2, (size_t)digits_length,
        8, sizeof deadline - 1, 5, 1};
    int count = sizeof arguments / sizeof *arguments;
    redisAppendCommandArgv(side->asking, side->lines ? count : count - 2, arguments, lengths);
    buffer_free(&args);
}

static void write_out(redisContext *redis)
{
    for (int done = 0; !done;)
        if (redisBufferWrite(redis, &done) != REDIS_OK)
            bench_fail("cannot ask: %s", redis->errstr);
}

/* The id in `VERDICT <id> …`. */
static size_t answered_id(const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3 || strncmp(reply->element[2]->str, "VERDICT ", 8) != 0)
        bench_fail("an answer that is none");
    return strtoul(reply->element[2]->str + 8, NULL, 10);
}

static void *wait_reply(redisContext *redis)
{
    void *reply = NULL;
    if (redisGetReply(redis, &reply) != REDIS_OK)
        bench_fail("lost the connection: %s", redis->errstr);
    return reply;
}

void request_one_at_a_time(struct request_side *side, size_t count, uint32_t *nanoseconds)
{
    for (size_t id = 0; id < count; id++) {
        append_request(side, id);
        uint64_t left = clock_now_ns();
        write_out(side->asking);
        redisReply *answer = wait_reply(side->listening);
        nanoseconds[id] = (uint32_t)(clock_now_ns() - left);
        if (answered_id(answer) != id)
            bench_fail("an answer to another request");
        freeReplyObject(answer);
        freeReplyObject(wait_reply(side->asking));
    }
}

/* The open loop. */

struct open_loop {
    struct request_side *side;
    double interval_ns;
    uint64_t started;
    size_t count, sent, answered;
    uint32_t *nanoseconds;
    uint64_t last_ns; /* when the last answer came */
};

static uint64_t planned(const struct open_loop *loop, size_t id)
{
    return loop->started + (uint64_t)((double)id * loop->interval_ns);
}

static void send_due(struct open_loop *loop, uint64_t now)
{
    size_t before = loop->sent;
    while (loop->sent < loop->count && planned(loop, loop->sent) <= now)
        append_request(loop->side, loop->sent++);
    if (loop->sent > before)
        write_out(loop->side->asking);
}

static void take_answers(struct open_loop *loop)
{
    redisContext *redis = loop->side->listening;
    void *reply = NULL;
    if (redisBufferRead(redis) != REDIS_OK)
        bench_fail("lost the connection: %s", redis->errstr);
    uint64_t now = clock_now_ns();
    while (redisGetReplyFromReader(redis, &reply) == REDIS_OK && reply) {
        size_t id = answered_id(reply);
        if (id >= loop->sent)
            bench_fail("an answer to a request that was not sent");
        uint64_t took = now - planned(loop, id);
        loop->nanoseconds[loop->answered++] = took < UINT32_MAX ? (uint32_t)took : UINT32_MAX;
        loop->last_ns = now;
        freeReplyObject(reply);
    }
}

static void drop_replies(redisContext *redis)
{
    void *reply = NULL;
    if (redisBufferRead(redis) != REDIS_OK)
        bench_fail("lost the connection: %s", redis->errstr);
    while (redisGetReplyFromReader(redis, &reply) == REDIS_OK && reply)
        freeReplyObject(reply);
}

double request_open_loop(struct request_side *side, double rate, size_t count, uint32_t *nanoseconds, size_t *answered)
{
    struct open_loop loop = {
        .side = side, .interval_ns = 1e9 / rate, .started = clock_now_ns() + IDLE_NS, .count = count};
    loop.nanoseconds = nanoseconds;
    struct pollfd sockets[] = {{side->listening->fd, POLLIN, 0}, {side->asking->fd, POLLIN, 0}};
    uint64_t give_up = planned(&loop, count) + GRACE_NS;
    for (uint64_t now = clock_now_ns(); loop.answered < count && now < give_up; now = clock_now_ns()) {
        send_due(&loop, now);
        uint64_t next = loop.sent < count ? planned(&loop, loop.sent) : now + IDLE_NS;
        now = clock_now_ns();
        struct timespec wait = {.tv_nsec = next > now ? (long)(next - now < IDLE_NS ? next - now : IDLE_NS) : 0};
        if (ppoll(sockets, 2, &wait, NULL) <= 0)
            continue;
        if (sockets[0].revents)
            take_answers(&loop);
        if (sockets[1].revents)
            drop_replies(side->asking);
    }
    *answered = loop.answered;
    if (loop.answered == 0)
        bench_fail("nothing was answered at %.0f requests a second", rate);
    return (double)loop.answered * 1e9 / (double)(loop.last_ns - loop.started);
}

/* The closed loop. */

struct closed_loop {
    struct request_side *side;
    size_t count, sent, answered;
};

static void take_lines(struct closed_loop *loop)
{
    redisContext *redis = loop->side->listening;
    void *object = NULL;
    if (redisBufferRead(redis) != REDIS_OK)
        bench_fail("lost the connection: %s", redis->errstr);
    while (redisGetReplyFromReader(redis, &object) == REDIS_OK && object) {
        const redisReply *reply = object;
        if (answered_id(reply) >= loop->sent)
            bench_fail("an answer to a request that was not sent");
        loop->answered++;
        for (const char *line = reply->element[2]->str; (line = strchr(line, '\n')); line++)
            loop->answered++;
        freeReplyObject(object);
    }
}

double request_closed_loop(struct request_side *side, size_t in_flight, size_t count)
{
    struct closed_loop loop = {.side = side, .count = count};
    struct pollfd sockets[] = {{side->listening->fd, POLLIN, 0}, {side->asking->fd, POLLIN, 0}};
    uint64_t started = clock_now_ns();
    while (loop.answered < count) {
        size_t before = loop.sent;
        while (loop.sent < count && loop.sent - loop.answered < in_flight)
            append_request(side, loop.sent++);
        if (loop.sent > before)
            write_out(side->asking);
        if (poll(sockets, 2, GRACE_NS / 1000000) <= 0)
            bench_fail("%zu requests were not answered", loop.sent - loop.answered);
        if (sockets[0].revents)
            take_lines(&loop);
        if (sockets[1].revents)
            drop_replies(side->asking);
    }
    return (double)count * 1e9 / (double)(clock_now_ns() - started);
}

void request_fill(struct request_side *side, size_t count)
{
    for (size_t id = 0; id < count; id++) {
        append_request(side, id);
        if (id % 512 && id + 1 < count)
            continue;
        write_out(side->asking);
        for (size_t replies = id % 512 ? id % 512 : (id ? 512 : 1); replies > 0; replies--)
            freeReplyObject(wait_reply(side->asking));
    }
}

/* Answering. */

static struct slice field_of(const redisReply *fields, const char *name)
{
    for (size_t index = 0; index + 1 < fields->elements; index += 2)
        if (strcmp(fields->element[index]->str, name) == 0)
            return slice_of(fields->element[index + 1]->str, fields->element[index + 1]->len);
    return SLICE("");
}

/* A command that names all entries: XACK or XDEL. */
static void append_named(redisContext *redis, const char *key, const redisReply *entries, bool acknowledge)
{
    const char *arguments[ENTRIES_AT_ONCE + 3] = {acknowledge ? "XACK" : "XDEL", key, "weir"};
    size_t lengths[ENTRIES_AT_ONCE + 3] = {4, strlen(key), 4};
    size_t count = acknowledge ? 3 : 2;
    for (size_t index = 0; index < entries->elements; index++, count++) {
        arguments[count] = entries->element[index]->element[0]->str;
        lengths[count] = entries->element[index]->element[0]->len;
    }
    redisAppendCommandArgv(redis, (int)count, arguments, lengths);
}

static size_t publish(redisContext *redis, struct slice reply_to, struct buffer *message)
{
    if (message->length == 0)
        return 0;
    redisAppendCommand(redis, "PUBLISH %b %b", reply_to.data, reply_to.length, message->data, message->length);
    buffer_clear(message);
    return 1;
}

/* Appends MULTI … EXEC for what was read; returns how many answers Redis will give. All ask on one channel. */
static size_t append_answers(redisContext *redis, const char *key, const redisReply *entries)
{
    static struct buffer message;
    size_t replies = 4;
    struct slice reply_to = SLICE("");
    redisAppendCommand(redis, "MULTI");
    for (size_t index = 0; index < entries->elements; index++) {
        const redisReply *fields = entries->element[index]->element[1];
        struct slice id = field_of(fields, "id");
        reply_to = field_of(fields, "reply_to");
        if (message.length)
            buffer_append_char(&message, '\n');
        buffer_append_format(&message, "VERDICT %.*s \"NOT_SPAM\"", (int)id.length, id.data);
        if (field_of(fields, "lines").length == 0 || message.length > LINES_MAXIMUM)
            replies += publish(redis, reply_to, &message);
    }
    replies += publish(redis, reply_to, &message);
    append_named(redis, key, entries, true);
    append_named(redis, key, entries, false);
    redisAppendCommand(redis, "EXEC");
    return replies;
}

static _Noreturn void respond(const char *socket_path, const char *key)
{
    redisContext *redis = redisConnectUnix(socket_path);
    size_t replies = 0;
    if (!redis || redis->err)
        _exit(1);
    for (;;) {
        void *reply = NULL;
        redisAppendCommand(redis, "XREADGROUP GROUP weir bench COUNT %d BLOCK 5000 STREAMS %s >", ENTRIES_AT_ONCE, key);
        for (; replies > 0; replies--) {
            if (redisGetReply(redis, &reply) != REDIS_OK)
                _exit(1);
            freeReplyObject(reply);
        }
        if (redisGetReply(redis, &reply) != REDIS_OK)
            _exit(1);
        const redisReply *read = reply;
        if (read->type == REDIS_REPLY_ARRAY && read->elements == 1)
            replies = append_answers(redis, key, read->element[0]->element[1]);
        freeReplyObject(reply);
    }
}

pid_t request_responder_start(const char *socket_path, const char *key)
{
    redisContext *redis = bench_connect(socket_path);
    freeReplyObject(bench_ask(redis, "XGROUP CREATE %s weir 0 MKSTREAM", key));
    redisFree(redis);
    pid_t responder = fork();
    if (responder < 0)
        bench_fail("cannot start the responder");
    if (responder == 0)
        respond(socket_path, key);
    return responder;
}

/* Percentiles. */

static int compare(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

void request_percentiles(uint32_t *nanoseconds, size_t count, struct latency_curve *curve)
{
    static const double places[] = {0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1};
    double sum = 0;
    qsort(nanoseconds, count, sizeof *nanoseconds, compare);
    for (size_t index = 0; index < count; index++)
        sum += nanoseconds[index];
    for (size_t place = 0; place < sizeof places / sizeof *places; place++) {
        size_t index = (size_t)(places[place] * (double)count);
        curve->percentiles[place] = (double)nanoseconds[index < count ? index : count - 1] / 1000;
    }
    curve->percentiles[7] = sum / (double)count / 1000;
    curve->count = count;
}
