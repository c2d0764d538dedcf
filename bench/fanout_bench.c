/* What Redis alone carries: lines published as fast as it takes them, to one, two and four bare subscribers. What grows
 * with their number is Redis's own processor time for a line; it has one core, and that core is the end of one Redis.
 *
 * fanout_bench JSON DATA FOLDER WEIR */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/figure.h"
#include "bench/processes.h"
#include "bench/publisher.h"
#include "engine/clock.h"

#define ROWS 300000
#define QUICK_ROWS 100000
#define RUNS 7
#define SUBSCRIBERS_MAXIMUM 4

static const size_t sizes[] = {1, 2, 4};
#define SIZES (sizeof sizes / sizeof *sizes)

/* Reads `messages` and ends; says that it is there through the pipe. */
static _Noreturn void subscribe(const char *socket_path, size_t messages, int there)
{
    redisContext *redis = redisConnectUnix(socket_path);
    void *reply = redis && !redis->err ? redisCommand(redis, "SUBSCRIBE " CORPUS_SERVER) : NULL;
    if (!reply || write(there, "s", 1) != 1)
        _exit(1);
    freeReplyObject(reply);
    for (; messages > 0; messages--) {
        if (redisGetReply(redis, &reply) != REDIS_OK)
            _exit(1);
        freeReplyObject(reply);
    }
    _exit(0);
}

static pid_t start_subscriber(const char *socket_path, size_t messages)
{
    int ends[2];
    char word;
    if (pipe(ends) != 0)
        bench_fail("cannot make a pipe");
    pid_t subscriber = fork();
    if (subscriber < 0)
        bench_fail("cannot start a subscriber");
    if (subscriber == 0)
        subscribe(socket_path, messages, ends[1]);
    close(ends[1]);
    if (read(ends[0], &word, 1) != 1)
        bench_fail("a subscriber cannot subscribe");
    close(ends[0]);
    return subscriber;
}

/* Nanoseconds of Redis's processor time for one published line. */
static double run(const char *socket_path, pid_t redis_process, const struct publication *publication, size_t count)
{
    pid_t subscribers[SUBSCRIBERS_MAXIMUM];
    for (size_t index = 0; index < count; index++)
        subscribers[index] = start_subscriber(socket_path, publication->messages);
    struct publisher publisher = publisher_start(publication, socket_path);
    double redis = -bench_processor_seconds(redis_process);
    uint64_t started = clock_now_ns();
    publisher_go(&publisher);
    for (size_t index = 0; index < count; index++) {
        int status;
        if (waitpid(subscribers[index], &status, 0) < 0 || status != 0)
            bench_fail("a subscriber lost its connection");
    }
    double seconds = bench_seconds_since(started);
    redis += bench_processor_seconds(redis_process);
    double busy = publisher_finish(&publisher);
    fprintf(stderr, "bench: %zu subscriber%s: %.0f lines/s; busy: redis %.0f %%, publisher %.0f %%\n", count,
            count > 1 ? "s" : "", (double)publication->messages / seconds, 100 * redis / seconds, 100 * busy / seconds);
    return redis * 1e9 / (double)publication->messages;
}

int main(int argument_count, char **arguments)
{
    static const char *const nothing[] = {NULL};
    if (argument_count < 5)
        bench_fail("usage: fanout_bench JSON DATA FOLDER WEIR");
    char socket_path[128];
    snprintf(socket_path, sizeof socket_path, "%s/redis.sock", arguments[3]);
    signal(SIGPIPE, SIG_IGN);
    struct corpus *corpus = corpus_load(arguments[2]);
    struct publication *publication = publication_create(corpus, bench_is_quick() ? QUICK_ROWS : ROWS, nothing);
    redisContext *control = bench_connect(socket_path);
    pid_t redis_process = bench_redis_process(control);
    freeReplyObject(bench_ask(control, "CONFIG SET client-output-buffer-limit %s", "pubsub 0 0 0"));
    static struct sweep sweep = {.name = "redis_fanout",
                                 .title = "Redis alone, by number of subscribers",
                                 .x_name = "subscribers",
                                 .unit = "ns/line",
                                 .reference = "the same with one subscriber",
                                 .law = LAW_LINEAR};
    struct sweep_point *points[SIZES];
    for (size_t index = 0; index < SIZES; index++)
        points[index] = sweep_point(&sweep, (double)sizes[index]);
    for (unsigned number = 0; number < bench_runs(RUNS); number++) {
        double costs[SIZES];
        for (size_t turn = 0; turn < SIZES; turn++) {
            size_t index = number % 2 ? SIZES - 1 - turn : turn;
            costs[index] = run(socket_path, redis_process, publication, sizes[index]);
        }
        for (size_t index = 0; index < SIZES; index++)
            sweep_add(points[index], costs[index] / costs[0], costs[index]);
    }
    sweep_report(&sweep, arguments[1]);
    redisFree(control);
    publication_free(publication);
    corpus_free(corpus);
    return 0;
}
