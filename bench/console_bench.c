/* What two who listen to GET /v1/verdicts cost an engine at which 10,000 verdicts a second arrive, and as many as may:
 * ten times as many show the same price where a busy machine hides that of two.
 *
 * One engine, one publisher that keeps that rate, and windows of time in turn: nobody listens, two do, twenty do,
 * nobody again. Every event is refused by a module that looks at the row alone, so that each makes a row and the engine
 * does the least work it ever does for one: whatever the listeners cost, here it shows most. The two windows without
 * listeners are held against each other as well, which says how far a single pair is to be trusted.
 *
 * console_bench JSON DATA FOLDER WEIR: a redis-server listens on FOLDER/redis.sock. */
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/figure.h"
#include "bench/processes.h"
#include "engine/clock.h"

#define SERVER "lab.test"
#define VERDICTS_PER_SECOND 10000
#define BATCH 100 /* published at once */
#define WINDOW_NS 2500000000u
#define SETTLE_NS 300000000
#define LISTENERS_MAXIMUM 20u
#define RUNS 15
#define PATIENCE_SECONDS 60
#define STORED_VERDICTS "weir1 verdicts weir1"

struct setting {
    const char *weir;
    char redis_path[96], admin_path[96], configuration_path[96], log_path[96];
    redisContext *control;
    pid_t engine;
    pid_t publisher;
};

/* Until the bench ends, on which the system ends it too. */
static _Noreturn void publish(const char *redis_path)
{
    redisContext *redis = bench_connect(redis_path);
    int64_t token = 0;
    uint64_t next_ns = clock_now_ns();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    freeReplyObject(bench_ask(redis, "PUBLISH %s %s", SERVER, "POSITION events persister1 0 0"));
    for (;;) {
        for (int number = 0; number < BATCH; number++, token++) {
            char line[256];
            snprintf(line, sizeof line,
                     "RDATA events persister1 %" PRId64 " [\"ev\",[\"$GMDzTSDULMpbqUtvN6pEVkLcG9ZE8Q%" PRId64
                     "\",\"!MNFLrCQBMrbfxnHMMm:" SERVER "\",\"m.room.message\",null,null,null,null,false,false]]",
                     token + 1, 1000000 + token % 1000000);
            redisAppendCommand(redis, "PUBLISH %s %s", SERVER, line);
        }
        for (int number = 0; number < BATCH; number++) {
            void *reply;
            if (redisGetReply(redis, &reply) != REDIS_OK)
                _exit(1);
            freeReplyObject(reply);
        }
        next_ns += UINT64_C(1000000000) * BATCH / VERDICTS_PER_SECOND;
        struct timespec next = {.tv_sec = (time_t)(next_ns / 1000000000u), .tv_nsec = (long)(next_ns % 1000000000u)};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
    }
}

static int connect_to_admin(const char *path)
{
    static const char request[] = "GET /v1/verdicts HTTP/1.1\r\nHost: weir\r\n\r\n";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (connect(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        write(listener, request, sizeof request - 1) != (ssize_t)(sizeof request - 1))
        bench_fail("cannot listen at %s", path);
    return listener;
}

/* Reads until it is killed; ends by itself if it is not let in, or hung up on. */
static _Noreturn void listen_to_verdicts(const char *path)
{
    static const char status[] = "HTTP/1.1 200 ";
    static char text[1u << 18];
    int listener = connect_to_admin(path);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (read(listener, text, sizeof text) < (ssize_t)sizeof status || strncmp(text, status, sizeof status - 1) != 0)
        _exit(1);
    while (read(listener, text, sizeof text) > 0)
        continue;
    _exit(1);
}

static pid_t start_child(void (*work)(const char *path), const char *path)
{
    pid_t process = fork();
    if (process < 0)
        bench_fail("cannot start a process");
    if (process == 0)
        work(path);
    return process;
}

static void end_child(pid_t process, const char *what)
{
    int status;
    kill(process, SIGKILL);
    if (waitpid(process, &status, 0) != process || !WIFSIGNALED(status))
        bench_fail("%s has ended by itself", what);
}

static int64_t judged(struct setting *setting)
{
    redisReply *reply = bench_ask(setting->control, "HGET %s %b", SERVER "/weir/positions", STORED_VERDICTS,
                                  sizeof STORED_VERDICTS - 1);
    int64_t token = reply->type == REDIS_REPLY_STRING ? strtoll(reply->str, NULL, 10) : 0;
    freeReplyObject(reply);
    return token;
}

struct window {
    double verdict_ns; /* processor time of the engine for one verdict */
    double rate;
};

static struct window look(struct setting *setting, unsigned listener_count)
{
    pid_t listeners[LISTENERS_MAXIMUM];
    for (unsigned number = 0; number < listener_count; number++)
        listeners[number] = start_child(listen_to_verdicts, setting->admin_path);
    bench_pause(SETTLE_NS);
    uint64_t started = clock_now_ns();
    int64_t verdicts = -judged(setting);
    double processor = -bench_processor_seconds(setting->engine);
    while (clock_now_ns() - started < WINDOW_NS)
        bench_pause(50000000);
    processor += bench_processor_seconds(setting->engine);
    verdicts += judged(setting);
    double seconds = bench_seconds_since(started);
    for (unsigned number = 0; number < listener_count; number++)
        end_child(listeners[number], "a listener");
    if (verdicts <= 0)
        bench_fail("nothing was judged: see %s", setting->log_path);
    return (struct window){processor * 1e9 / (double)verdicts, (double)verdicts / seconds};
}

static void measure(struct setting *setting, const char *json_path)
{
    struct figure cost = {.name = "console_two_listeners",
                          .reference = "processor time of the engine for a verdict while nobody listens",
                          .unit = "ns/verdict",
                          .bound = BOUND_AT_MOST,
                          .limit = 1.02};
    struct figure many = {.name = "console_twenty_listeners",
                          .reference = cost.reference,
                          .unit = "ns/verdict",
                          .bound = BOUND_AT_MOST,
                          .limit = 1.2};
    struct figure equal = {.name = "console_equal_work",
                           .reference =
                               "the same in another window in which nobody listens: how far a pair is to be trusted",
                           .unit = "ns/verdict"};
    for (unsigned number = 0; number <= bench_runs(RUNS); number++) {
        struct window before = look(setting, 0), first = look(setting, number % 2 ? 2 : LISTENERS_MAXIMUM);
        struct window second = look(setting, number % 2 ? LISTENERS_MAXIMUM : 2), after = look(setting, 0);
        struct window two = number % 2 ? first : second, twenty = number % 2 ? second : first;
        double nobody = (before.verdict_ns + after.verdict_ns) / 2;
        if (number == 0)
            continue;
        fprintf(
            stderr,
            "bench: console run %u: %.0f verdicts/s; a verdict: %.0f ns, with two %.0f, with twenty %.0f, then %.0f\n",
            number, two.rate, before.verdict_ns, two.verdict_ns, twenty.verdict_ns, after.verdict_ns);
        figure_add(&cost, two.verdict_ns / nobody, two.verdict_ns);
        figure_add(&many, twenty.verdict_ns / nobody, twenty.verdict_ns);
        figure_add(&equal, after.verdict_ns / before.verdict_ns, after.verdict_ns);
    }
    figure_report(&cost, json_path);
    figure_report(&many, json_path);
    figure_report(&equal, json_path);
}

static void start(struct setting *setting, const char *folder)
{
    snprintf(setting->redis_path, sizeof setting->redis_path, "%s/redis.sock", folder);
    snprintf(setting->admin_path, sizeof setting->admin_path, "%s/admin.sock", folder);
    snprintf(setting->configuration_path, sizeof setting->configuration_path, "%s/console.yaml", folder);
    snprintf(setting->log_path, sizeof setting->log_path, "%s/console.log", folder);
    FILE *file = fopen(setting->configuration_path, "w");
    if (!file)
        bench_fail("cannot write %s", setting->configuration_path);
    fprintf(file,
            "server_name: " SERVER "\nredis: {path: %s}\nhttp: false\nadmin_socket: %s\nlog: {level: warning}\n"
            "publish: {keep: 10000}\nmodules: [{module: event_types, config: {deny: [m.room.message]}}]\n",
            setting->redis_path, setting->admin_path);
    fclose(file);
    setting->control = bench_connect(setting->redis_path);
    freeReplyObject(bench_ask(setting->control, "FLUSHALL"));
    setting->engine = bench_start_engine(setting->weir, setting->configuration_path, setting->log_path);
    uint64_t started = clock_now_ns();
    for (bool subscribed = false; !subscribed;) {
        bench_check_engine(setting->engine, setting->log_path);
        if (bench_seconds_since(started) > PATIENCE_SECONDS)
            bench_fail("the engine did not start: see %s", setting->log_path);
        bench_pause(10000000);
        redisReply *reply = bench_ask(setting->control, "PUBSUB NUMSUB " SERVER);
        subscribed = reply->elements == 2 && reply->element[1]->integer == 1;
        freeReplyObject(reply);
    }
    setting->publisher = start_child(publish, setting->redis_path);
}

int main(int argument_count, char **arguments)
{
    if (argument_count < 5)
        bench_fail("usage: console_bench JSON DATA FOLDER WEIR");
    struct setting setting = {.weir = arguments[4]};
    signal(SIGPIPE, SIG_IGN);
    start(&setting, arguments[3]);
    measure(&setting, arguments[1]);
    end_child(setting.publisher, "the publisher");
    bench_stop_engine(setting.engine, setting.log_path);
    redisFree(setting.control);
    return 0;
}
