/* The running engine behind a real Redis, against a bare hiredis subscriber that parses nothing.
 *
 * Both follow the same publisher on the same private redis-server, turn about, and so does an engine that has a standby
 * (`role: active`), whose transactions Redis checks. A run lasts from the publisher's first
 * command until the subscriber has counted the last message, or until the engine's stored position says that it has
 * judged the last event. What each process spent of the processor is told beside it, so that one sees what was the
 * limit.
 *
 * live_bench JSON DATA FOLDER WEIR: a redis-server listens on FOLDER/redis.sock, which must be short enough for a
 * socket's path. */
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/corpus.h"
#include "bench/figure.h"
#include "bench/processes.h"
#include "bench/publisher.h"
#include "engine/clock.h"

#define ROWS 800000
#define RUNS 9
#define PATIENCE_SECONDS 60
/* Each look costs Redis a command that the bare side does not. */
#define POLL_NANOSECONDS 4000000
#define STORED_POSITIONS CORPUS_SERVER "/weir/positions"
#define STORED_EVENTS "weir1 events " PUBLICATION_WRITER
#define STORED_VERDICTS "weir1 verdicts weir1"

/* Of some hundred in each hundred thousand rows: verdicts are published, but they are not what is measured. */
static const char *const denied_types[] = {"m.room.server_acl", "m.policy.rule.user", "m.room.guest_access", NULL};

struct live {
    const char *weir;
    char socket_path[128];
    char configuration_path[160];
    char log_path[160];
    const struct publication *publication;
    redisContext *control;
    pid_t redis_process;
};

/* What one run took, in seconds. */
struct run {
    double wall;
    double consumer; /* processor time of the engine, or of the bare subscriber */
    double redis;
    double publisher;
};

static int64_t stored_token(struct live *live, const char *field)
{
    redisReply *reply = bench_ask(live->control, "HGET %s %b", STORED_POSITIONS, field, strlen(field));
    int64_t token = reply->type == REDIS_REPLY_STRING ? strtoll(reply->str, NULL, 10) : -1;
    freeReplyObject(reply);
    return token;
}

static struct run run_subscriber(struct live *live)
{
    redisContext *redis = bench_connect(live->socket_path);
    void *reply = redisCommand(redis, "SUBSCRIBE " CORPUS_SERVER);
    if (!reply)
        bench_fail("cannot subscribe: %s", redis->errstr);
    freeReplyObject(reply);
    struct publisher publisher = publisher_start(live->publication, live->socket_path);
    struct run run = {.redis = -bench_processor_seconds(live->redis_process),
                      .consumer = -bench_processor_seconds(getpid())};
    uint64_t started = clock_now_ns();
    publisher_go(&publisher);
    for (size_t left = live->publication->messages; left > 0; left--) {
        if (redisGetReply(redis, &reply) != REDIS_OK)
            bench_fail("the bare subscriber lost its connection: %s", redis->errstr);
        freeReplyObject(reply);
    }
    run.wall = bench_seconds_since(started);
    run.consumer += bench_processor_seconds(getpid());
    run.redis += bench_processor_seconds(live->redis_process);
    run.publisher = publisher_finish(&publisher);
    redisFree(redis);
    return run;
}

static bool is_subscribed(struct live *live)
{
    redisReply *reply = bench_ask(live->control, "PUBSUB NUMSUB " CORPUS_SERVER);
    bool subscribed = reply->elements == 2 && reply->element[1]->integer == 1;
    freeReplyObject(reply);
    return subscribed;
}

static pid_t start_engine(struct live *live)
{
    pid_t process = bench_start_engine(live->weir, live->configuration_path, live->log_path);
    uint64_t started = clock_now_ns();
    while (!is_subscribed(live)) {
        bench_check_engine(process, live->log_path);
        if (bench_seconds_since(started) > PATIENCE_SECONDS)
            bench_fail("the engine did not start: see %s", live->log_path);
        bench_pause(10 * 1000000);
    }
    bench_pause(100 * 1000000);
    return process;
}

/* A rate counts only if nothing was lost on the way. */
static void check_complete(struct live *live)
{
    redisReply *reply = bench_ask(live->control, "XLEN " CORPUS_SERVER "/weir/verdicts");
    int64_t verdicts = stored_token(live, STORED_VERDICTS);
    if (verdicts != ROWS || reply->integer != (long long)live->publication->denied)
        bench_fail("%" PRId64 " events judged of %d, %lld verdicts stored of %zu", verdicts, ROWS, reply->integer,
                   live->publication->denied);
    freeReplyObject(reply);
}

static void write_configuration(struct live *live, const char *role)
{
    FILE *file = fopen(live->configuration_path, "w");
    if (!file)
        bench_fail("cannot write %s", live->configuration_path);
    fprintf(file,
            "server_name: %s\nredis: {path: %s}\nhttp: false\nlog: {level: warning}\nrole: %s\n"
            "modules:\n  - module: event_types\n    config: {deny: [%s, %s, %s]}\n",
            CORPUS_SERVER, live->socket_path, role, denied_types[0], denied_types[1], denied_types[2]);
    fclose(file);
}

static struct run run_engine(struct live *live, const char *role)
{
    write_configuration(live, role);
    freeReplyObject(bench_ask(live->control, "FLUSHALL"));
    pid_t process = start_engine(live);
    struct publisher publisher = publisher_start(live->publication, live->socket_path);
    struct run run = {.redis = -bench_processor_seconds(live->redis_process),
                      .consumer = -bench_processor_seconds(process)};
    uint64_t started = clock_now_ns();
    publisher_go(&publisher);
    while (stored_token(live, STORED_EVENTS) < live->publication->last_token) {
        if (waitpid(process, NULL, WNOHANG) != 0 || bench_seconds_since(started) > PATIENCE_SECONDS) {
            kill(process, SIGKILL);
            bench_fail("the engine did not get to the last event: see %s", live->log_path);
        }
        bench_pause(POLL_NANOSECONDS);
    }
    run.wall = bench_seconds_since(started);
    run.consumer += bench_processor_seconds(process);
    run.redis += bench_processor_seconds(live->redis_process);
    run.publisher = publisher_finish(&publisher);
    check_complete(live);
    bench_stop_engine(process, live->log_path);
    return run;
}

static void print_run(const char *name, unsigned number, const struct run *run)
{
    fprintf(stderr, "bench: %-10s run %u: %.0f lines/s; busy: redis %.0f %%, consumer %.0f %%, publisher %.0f %%\n",
            name, number, ROWS / run->wall, 100 * run->redis / run->wall, 100 * run->consumer / run->wall,
            100 * run->publisher / run->wall);
}

static void measure(struct live *live, const char *json_path)
{
    struct figure rate = {.name = "live_vs_subscriber",
                          .reference = "rate of a bare hiredis subscriber that parses nothing, same publisher",
                          .unit = "lines/s",
                          .bound = BOUND_AT_LEAST,
                          .limit = 0.95};
    struct figure processor = {.name = "live_processor_per_line",
                               .reference = "processor time of the bare subscriber for a message",
                               .unit = "ns/line"};
    struct figure redis = {.name = "live_redis_per_line",
                           .reference = "processor time of Redis for a message to the bare subscriber",
                           .unit = "ns/line"};
    struct figure pair = {.name = "live_active_vs_alone",
                          .reference = "rate of an engine without a role, whose transactions are not fenced",
                          .unit = "lines/s",
                          .bound = BOUND_AT_LEAST,
                          .limit = 0.9};
    struct figure pair_redis = {.name = "live_active_redis_per_line",
                                .reference = "processor time of Redis for a line with an engine without a role",
                                .unit = "ns/line"};
    for (unsigned number = 0; number <= bench_runs(RUNS); number++) {
        struct run bare;
        struct run engine;
        struct run active;
        if (number % 2) {
            active = run_engine(live, "active");
            bare = run_subscriber(live);
        }
        engine = run_engine(live, "alone");
        if (number % 2 == 0) {
            bare = run_subscriber(live);
            active = run_engine(live, "active");
        }
        if (number == 0)
            continue;
        print_run("subscriber", number, &bare);
        print_run("engine", number, &engine);
        print_run("active", number, &active);
        figure_add(&rate, bare.wall / engine.wall, ROWS / engine.wall);
        figure_add(&processor, engine.consumer / bare.consumer, engine.consumer * 1e9 / ROWS);
        figure_add(&redis, engine.redis / bare.redis, engine.redis * 1e9 / ROWS);
        figure_add(&pair, engine.wall / active.wall, ROWS / active.wall);
        figure_add(&pair_redis, active.redis / engine.redis, active.redis * 1e9 / ROWS);
    }
    figure_report(&rate, json_path);
    figure_report(&processor, json_path);
    figure_report(&redis, json_path);
    figure_report(&pair, json_path);
    figure_report(&pair_redis, json_path);
}

static void open_redis(struct live *live)
{
    live->control = bench_connect(live->socket_path);
    /* By default Redis drops a subscriber that is behind by 32 MB; both shall get every message. */
    freeReplyObject(bench_ask(live->control, "CONFIG SET client-output-buffer-limit %s", "pubsub 0 0 0"));
    live->redis_process = bench_redis_process(live->control);
}

int main(int argument_count, char **arguments)
{
    if (argument_count < 5)
        bench_fail("usage: live_bench JSON DATA FOLDER WEIR");
    struct live live = {.weir = arguments[4]};
    snprintf(live.socket_path, sizeof live.socket_path, "%s/redis.sock", arguments[3]);
    snprintf(live.configuration_path, sizeof live.configuration_path, "%s/weir.yaml", arguments[3]);
    snprintf(live.log_path, sizeof live.log_path, "%s/weir.log", arguments[3]);
    signal(SIGPIPE, SIG_IGN);
    struct corpus *corpus = corpus_load(arguments[2]);
    struct publication *publication = publication_create(corpus, ROWS, denied_types);
    live.publication = publication;
    fprintf(stderr, "bench: %zu messages, %.0f bytes a command; %zu rows will be denied\n", publication->messages,
            (double)publication->commands.length / (double)publication->messages, publication->denied);
    open_redis(&live);
    measure(&live, arguments[1]);
    redisFree(live.control);
    publication_free(publication);
    corpus_free(corpus);
    return 0;
}
