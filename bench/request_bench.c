/* The request path of the running engine, against a bare ping-pong: the same worker asks, over the same Redis, by the
 * same commands, a process that answers every request with the same word.
 *
 * request_bench JSON DATA FOLDER WEIR */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "bench/http_asker.h"
#include "bench/processes.h"
#include "bench/request_load.h"
#include "engine/clock.h"

#define RUNS 12
#define REQUESTS_A_RUN 1000
/* The sides take turns so often that they share whatever else the machine does, down to a scheduler's time slice. */
#define REQUESTS_A_TURN 10
#define BARE_SERVER "bare.test"
#define OPEN_SECONDS 1.5
#define OPEN_QUICK_SECONDS 0.3
#define PATIENCE_SECONDS 30
#define ENGINES 2
/* A rate of which less than this is answered in its time is one that cannot be followed. */
#define FOLLOWED 0.95
/* Requests on their way of a worker that keeps the engine busy, and how many one core must answer a second. */
#define IN_FLIGHT 512
#define CORE_RATE 50000

/* A stream that is drained holds more than an engine queues, of one worker, and nobody is to be turned away. */
#define DRAINED "queue: 200000, claim_after: 1m"

static const double rates[] = {1000, 2000, 5000, 10000, 20000, 50000};
#define REQUESTS_MAXIMUM ((size_t)(50000 * OPEN_SECONDS))

struct request_bench {
    const char *weir;
    const char *json_path;
    const char *folder;
    char socket_path[128];
    char configuration_paths[ENGINES][160];
    char log_paths[ENGINES][160];
    int http_port;
    redisContext *control;
    struct corpus *corpus;
    uint32_t *nanoseconds; /* REQUESTS_MAXIMUM */
};

static void write_configuration(struct request_bench *bench, size_t engine)
{
    snprintf(bench->configuration_paths[engine], sizeof bench->configuration_paths[engine], "%s/engine%zu.yaml",
             bench->folder, engine);
    snprintf(bench->log_paths[engine], sizeof bench->log_paths[engine], "%s/weir.log", bench->folder);
    FILE *file = fopen(bench->configuration_paths[engine], "w");
    if (!file)
        bench_fail("cannot write %s", bench->configuration_paths[engine]);
    fprintf(file,
            "server_name: " CORPUS_SERVER "\ninstance_name: weir%zu\nredis: {path: %s}\nlog: {level: warning}\n"
            "modules:\n  - module: event_types\n    config: {deny: [m.room.server_acl]}\n",
            engine + 1, bench->socket_path);
    if (engine == 0)
        fprintf(file, "http: {listen: \"127.0.0.1:%d\"}\nrequests: {http: true, " DRAINED "}\n", bench->http_port);
    else
        fprintf(file, "http: false\nrequests: {" DRAINED "}\n");
    fclose(file);
}

/* Waits until as many clients block on a stream as should. */
static void await_blocked(struct request_bench *bench, const pid_t *engines, size_t count, long wanted)
{
    uint64_t started = clock_now_ns();
    for (;;) {
        redisReply *reply = bench_ask(bench->control, "INFO clients");
        const char *blocked = strstr(reply->str, "blocked_clients:");
        bool ready = blocked && strtol(blocked + strlen("blocked_clients:"), NULL, 10) == wanted;
        freeReplyObject(reply);
        if (ready)
            return;
        for (size_t index = 0; index < count; index++)
            bench_check_engine(engines[index], bench->log_paths[index]);
        if (bench_seconds_since(started) > PATIENCE_SECONDS)
            bench_fail("the engine does not read requests: see %s", bench->log_paths[0]);
        bench_pause(10 * 1000000);
    }
}

/* One at a time. */

static void measure_one_at_a_time(struct request_bench *bench, struct request_side *ours, struct request_side *bare)
{
    struct figure median = {.name = "request_p50_vs_pingpong",
                            .reference = "median of a bare ping-pong of the same Redis commands, one at a time",
                            .unit = "us",
                            .bound = BOUND_AT_MOST,
                            .limit = 1.2};
    struct figure tail = {.name = "request_p99_vs_pingpong",
                          .reference = "99th percentile of that ping-pong",
                          .unit = "us",
                          .bound = BOUND_AT_MOST,
                          .limit = 1.5};
    struct request_side *sides[] = {ours, bare};
    uint32_t *times[] = {bench->nanoseconds, bench->nanoseconds + REQUESTS_A_RUN};
    for (unsigned number = 0; number <= bench_runs(RUNS); number++) {
        struct latency_curve curves[2];
        for (size_t done = 0, turn = 0; done < REQUESTS_A_RUN; turn++) {
            size_t side = (number + turn) % 2;
            request_one_at_a_time(sides[side], REQUESTS_A_TURN, times[side] + done);
            done += turn % 2 ? REQUESTS_A_TURN : 0;
        }
        for (size_t side = 0; side < 2; side++)
            request_percentiles(times[side], REQUESTS_A_RUN, &curves[side]);
        if (number == 0)
            continue;
        figure_add(&median, curves[0].percentiles[0] / curves[1].percentiles[0], curves[0].percentiles[0]);
        figure_add(&tail, curves[0].percentiles[4] / curves[1].percentiles[4], curves[0].percentiles[4]);
    }
    figure_report(&median, bench->json_path);
    figure_report(&tail, bench->json_path);
}

/* Saturated. */

static void measure_saturated(struct request_bench *bench, struct request_side *ours, struct request_side *bare,
                              pid_t engine, pid_t responder)
{
    struct figure rate = {.name = "request_saturated",
                          .reference = "rate of a bare responder, by the same commands",
                          .unit = "requests/s",
                          .bound = BOUND_AT_LEAST,
                          .limit = 0.6};
    struct figure core = {.name = "request_saturated_core",
                          .reference = "50,000 requests a second on one core of the engine",
                          .unit = "requests/s",
                          .bound = BOUND_AT_LEAST,
                          .limit = 1};
    struct request_side *sides[] = {ours, bare};
    pid_t processes[] = {engine, responder};
    pid_t redis_process = bench_redis_process(bench->control);
    size_t count = bench_is_quick() ? 20000 : 100000;
    ours->lines = bare->lines = true;
    for (unsigned number = 0; number <= bench_runs(8); number++) {
        double reached[2], answerer[2], redis[2];
        for (unsigned turn = 0; turn < 2; turn++) {
            unsigned side = (number + turn) % 2;
            answerer[side] = -bench_processor_seconds(processes[side]);
            redis[side] = -bench_processor_seconds(redis_process);
            reached[side] = request_closed_loop(sides[side], IN_FLIGHT, count);
            double share = reached[side] / (double)count;
            answerer[side] = share * (answerer[side] + bench_processor_seconds(processes[side]));
            redis[side] = share * (redis[side] + bench_processor_seconds(redis_process));
        }
        if (number == 0)
            continue;
        figure_add(&rate, reached[0] / reached[1], reached[0]);
        figure_add(&core, reached[0] / answerer[0] / CORE_RATE, reached[0] / answerer[0]);
        for (unsigned side = 0; side < 2; side++)
            fprintf(stderr, "bench: saturated, %-9s: %.0f requests/s; busy: redis %.0f %%, whoever answers %.0f %%\n",
                    sides[side]->name, reached[side], 100 * redis[side], 100 * answerer[side]);
    }
    ours->lines = bare->lines = false;
    figure_report(&rate, bench->json_path);
    figure_report(&core, bench->json_path);
}

/* At fixed rates. */

/* False: the rate could not be followed. */
static bool measure_rate(struct request_bench *bench, struct request_side *side, double rate)
{
    struct latency_curve curve = {.name = "request", .side = side->name, .rate = rate};
    size_t answered;
    size_t count = (size_t)(rate * (bench_is_quick() ? OPEN_QUICK_SECONDS : OPEN_SECONDS));
    curve.reached = request_open_loop(side, rate, count, bench->nanoseconds, &answered);
    request_percentiles(bench->nanoseconds, answered, &curve);
    latency_report(&curve, bench->json_path);
    bool followed = answered == count && curve.reached >= FOLLOWED * rate;
    fprintf(stderr, "bench: %-9s at %6.0f/s: p50 %.0f, p99 %.0f, p99.9 %.0f us%s\n", side->name, rate,
            curve.percentiles[0], curve.percentiles[4], curve.percentiles[5], followed ? "" : "; it could not follow");
    return followed;
}

static void measure_rates(struct request_bench *bench, struct request_side *ours, struct request_side *bare)
{
    bool follows[2] = {true, true};
    for (size_t index = 0; index < sizeof rates / sizeof *rates; index++) {
        if (bench_is_quick() && index % 2)
            continue;
        for (unsigned turn = 0; turn < 2; turn++) {
            unsigned side = (unsigned)(index + turn) % 2;
            if (follows[side])
                follows[side] = measure_rate(bench, side ? bare : ours, rates[index]);
        }
    }
}

/* Over HTTP. */

static void measure_http(struct request_bench *bench)
{
    struct http_asker *asker = http_asker_open(bench->http_port);
    size_t count = bench_is_quick() ? REQUESTS_A_RUN / 2 : 2 * REQUESTS_A_RUN;
    uint64_t started = clock_now_ns();
    for (size_t index = 0; index < count; index++) {
        uint64_t left = clock_now_ns();
        http_asker_ask(asker, bench->corpus->events[index % bench->corpus->event_count].body);
        bench->nanoseconds[index] = (uint32_t)(clock_now_ns() - left);
    }
    struct latency_curve curve = {
        .name = "request_http", .side = "weir", .reached = (double)count / bench_seconds_since(started)};
    request_percentiles(bench->nanoseconds, count, &curve);
    latency_report(&curve, bench->json_path);
    fprintf(stderr, "bench: over HTTP, one at a time: p50 %.0f, p99 %.0f, p99.9 %.0f us\n", curve.percentiles[0],
            curve.percentiles[4], curve.percentiles[5]);
    http_asker_close(asker);
}

/* Two engines. */

static void signal_all(const pid_t *engines, size_t count, int number)
{
    for (size_t index = 0; index < count; index++)
        kill(engines[index], number);
}

/* Requests a second with which `count` engines drain a stream that was filled while they were held. Engines that begin
 * together share the load from the first request on. */
static double drain(struct request_bench *bench, struct request_side *side, size_t count, size_t requests)
{
    pid_t engines[ENGINES];
    double busy[ENGINES];
    for (size_t index = 0; index < count; index++)
        engines[index] = bench_start_engine(bench->weir, bench->configuration_paths[index], bench->log_paths[index]);
    await_blocked(bench, engines, count, (long)count);
    signal_all(engines, count, SIGSTOP);
    request_fill(side, requests);
    pid_t redis_process = bench_redis_process(bench->control);
    double redis = -bench_processor_seconds(redis_process);
    for (size_t index = 0; index < count; index++)
        busy[index] = -bench_processor_seconds(engines[index]);
    uint64_t started = clock_now_ns();
    signal_all(engines, count, SIGCONT);
    while (bench_ask_number(bench->control, "XLEN %s", side->key) > 0) {
        if (bench_seconds_since(started) > PATIENCE_SECONDS)
            bench_fail("requests are left: see %s", bench->log_paths[0]);
        bench_pause(2 * 1000000);
    }
    double seconds = bench_seconds_since(started);
    redis += bench_processor_seconds(redis_process);
    fprintf(stderr, "bench: %zu engine%s: %.0f requests/s; busy: redis %.0f %%", count, count > 1 ? "s" : "",
            (double)requests / seconds, 100 * redis / seconds);
    for (size_t index = 0; index < count; index++)
        fprintf(stderr, ", engine %.0f %%", 100 * (busy[index] + bench_processor_seconds(engines[index])) / seconds);
    fputc('\n', stderr);
    for (size_t index = 0; index < count; index++)
        bench_stop_engine(engines[index], bench->log_paths[index]);
    return (double)requests / seconds;
}

static void measure_two_engines(struct request_bench *bench, struct request_side *side)
{
    struct figure figure = {.name = "two_engines_vs_one",
                            .reference = "rate at which one engine drains the same stream of requests",
                            .unit = "requests/s",
                            .bound = BOUND_AT_LEAST,
                            .limit = 1.8};
    size_t requests = bench_is_quick() ? 20000 : 100000;
    for (unsigned number = 0; number < bench_runs(5); number++) {
        double one = 0;
        if (number % 2 == 0)
            one = drain(bench, side, 1, requests);
        double two = drain(bench, side, 2, requests);
        if (number % 2)
            one = drain(bench, side, 1, requests);
        figure_add(&figure, two / one, two);
    }
    figure_report(&figure, bench->json_path);
}

int main(int argument_count, char **arguments)
{
    if (argument_count < 5)
        bench_fail("usage: request_bench JSON DATA FOLDER WEIR");
    struct request_bench bench = {.json_path = arguments[1], .folder = arguments[3], .weir = arguments[4]};
    snprintf(bench.socket_path, sizeof bench.socket_path, "%s/redis.sock", bench.folder);
    signal(SIGPIPE, SIG_IGN);
    bench.http_port = http_asker_free_port();
    bench.corpus = corpus_load(arguments[2]);
    bench.control = bench_connect(bench.socket_path);
    bench.nanoseconds = memory_allocate_zeroed(REQUESTS_MAXIMUM, sizeof *bench.nanoseconds);
    freeReplyObject(bench_ask(bench.control, "FLUSHALL"));
    for (size_t engine = 0; engine < ENGINES; engine++)
        write_configuration(&bench, engine);
    struct request_side ours, bare;
    request_side_open(&ours, "weir", CORPUS_SERVER, bench.socket_path, bench.corpus);
    request_side_open(&bare, "ping-pong", BARE_SERVER, bench.socket_path, bench.corpus);
    pid_t responder = request_responder_start(bench.socket_path, bare.key);
    pid_t engine = bench_start_engine(bench.weir, bench.configuration_paths[0], bench.log_paths[0]);
    await_blocked(&bench, &engine, 1, 2);
    measure_one_at_a_time(&bench, &ours, &bare);
    measure_saturated(&bench, &ours, &bare, engine, responder);
    measure_rates(&bench, &ours, &bare);
    measure_http(&bench);
    bench_stop_engine(engine, bench.log_paths[0]);
    kill(responder, SIGKILL);
    waitpid(responder, NULL, 0);
    /* Nobody listens to the answers of a stream that is drained. */
    freeReplyObject(bench_ask(ours.listening, "UNSUBSCRIBE"));
    await_blocked(&bench, NULL, 0, 0);
    measure_two_engines(&bench, &ours);
    request_side_close(&ours);
    request_side_close(&bare);
    redisFree(bench.control);
    corpus_free(bench.corpus);
    free(bench.nanoseconds);
    return 0;
}
