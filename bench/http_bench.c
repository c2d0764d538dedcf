/* The HTTP API of the running engine under full load, against evhttp alone: the same 64 clients on kept connections ask
 * the same questions about recorded events of the engine, whose chain is the standard one (bench/rules.h), and of a
 * process that is nothing but evhttp and answers a constant.
 *
 * The rates are what the clients see, so that on two cores they say something only where the clients do not wait for a
 * core; the processor time of a request, taken from the servers' own clocks, says it everywhere.
 *
 * http_bench JSON DATA FOLDER WEIR */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "bench/figure.h"
#include "bench/http_asker.h"
#include "bench/http_load.h"
#include "bench/processes.h"
#include "bench/rules.h"

#define CONNECTIONS 64
#define RUNS 9
#define REQUESTS_A_RUN 20000
#define QUICK_REQUESTS_A_RUN 5000
/* The sides take turns so often that they share whatever else the machine does. */
#define REQUESTS_A_TURN 500
#define SECRET "bench-0123456789abcdef"
#define PATH "/v1/callbacks/check_event_for_spam"
#define CONSTANT "{\"value\":\"NOT_SPAM\"}"

struct http_bench {
    const char *json_path;
    const char *folder;
    char configuration_path[160];
    char log_path[160];
    int port;
    int bare_port;
    pid_t engine;
    pid_t bare;
    struct corpus *corpus;
    struct http_load *ours;
    struct http_load *theirs;
};

static void write_configuration(struct http_bench *bench)
{
    snprintf(bench->configuration_path, sizeof bench->configuration_path, "%s/http.yaml", bench->folder);
    snprintf(bench->log_path, sizeof bench->log_path, "%s/weir.log", bench->folder);
    FILE *file = fopen(bench->configuration_path, "w");
    if (!file)
        bench_fail("cannot write %s", bench->configuration_path);
    fprintf(file,
            "server_name: " CORPUS_SERVER "\nredis: {path: %s/redis.sock}\nlog: {level: warning}\n"
            "http: {listen: \"127.0.0.1:%d\", secret: " SECRET "}\nrequests: {http: true, publish: false}\n"
            "bodies: {file: " CORPUS_NAME ".events.jsonl}\nmodules:\n",
            bench->folder, bench->port);
    for (unsigned index = 0; index < RULES_MODULES; index++) {
        json_t *configuration = rules_configuration(index);
        char *text = json_dumps(configuration, 0);
        fprintf(file, "  - {module: %s, config: %s}\n", rules_module_name(index), text);
        free(text);
        json_decref(configuration);
    }
    fclose(file);
}

/* What one side took in a run, in seconds. */
struct side {
    pid_t process;
    struct http_load *load;
    double wall;
    double busy; /* processor time */
};

static void take_turn(struct side *side)
{
    double before = bench_processor_seconds(side->process);
    side->wall += http_load_run(side->load, REQUESTS_A_TURN);
    side->busy += bench_processor_seconds(side->process) - before;
}

static void measure(struct http_bench *bench)
{
    struct figure rate = {.name = "http_saturated_vs_evhttp",
                          .reference = "requests/s that evhttp alone answers with a constant, 64 connections",
                          .unit = "requests/s",
                          .bound = BOUND_AT_LEAST,
                          .limit = 0.8};
    struct figure busy = {
        .name = "http_processor_vs_evhttp", .reference = "processor time of a request in evhttp alone", .unit = "us"};
    const double requests = bench_is_quick() ? QUICK_REQUESTS_A_RUN : REQUESTS_A_RUN;
    double shares[2] = {0, 0};
    for (unsigned number = 0; number <= bench_runs(RUNS); number++) {
        struct side sides[] = {{.process = bench->engine, .load = bench->ours},
                               {.process = bench->bare, .load = bench->theirs}};
        for (unsigned turn = 0; turn < 2 * requests / REQUESTS_A_TURN; turn++)
            take_turn(&sides[(turn + number) % 2]);
        if (number == 0)
            continue;
        figure_add(&rate, sides[1].wall / sides[0].wall, requests / sides[0].wall);
        figure_add(&busy, sides[0].busy / sides[1].busy, sides[0].busy / requests * 1e6);
        for (size_t side = 0; side < 2; side++)
            shares[side] += sides[side].busy / sides[side].wall;
    }
    fprintf(stderr, "bench: busy while it answered: the engine %.0f %% of a core, evhttp alone %.0f %%\n",
            100 * shares[0] / (double)rate.runs, 100 * shares[1] / (double)rate.runs);
    fprintf(stderr, "bench: with a core of its own, by its processor time: %.0f requests/s, evhttp alone %.0f\n",
            1e6 / figure_value(&busy), 1e6 * figure_ratio(&busy) / figure_value(&busy));
    figure_report(&rate, bench->json_path);
    figure_report(&busy, bench->json_path);
}

int main(int argument_count, char **arguments)
{
    if (argument_count < 5)
        bench_fail("usage: http_bench JSON DATA FOLDER WEIR");
    struct http_bench bench = {.json_path = arguments[1], .folder = arguments[3]};
    signal(SIGPIPE, SIG_IGN);
    corpus_unpack(arguments[2], bench.folder);
    bench.corpus = corpus_load(arguments[2]);
    bench.port = http_asker_free_port();
    bench.bare_port = http_asker_free_port();
    write_configuration(&bench);
    bench.bare = http_load_bare_server(bench.bare_port, CONSTANT);
    bench.engine = bench_start_engine(arguments[4], bench.configuration_path, bench.log_path);
    bench.ours = http_load_open(bench.port, PATH, SECRET, CONNECTIONS, bench.corpus);
    bench.theirs = http_load_open(bench.bare_port, PATH, SECRET, CONNECTIONS, bench.corpus);
    measure(&bench);
    bench_check_engine(bench.engine, bench.log_path);
    bench_stop_engine(bench.engine, bench.log_path);
    kill(bench.bare, SIGKILL);
    waitpid(bench.bare, NULL, 0);
    http_load_close(bench.ours);
    http_load_close(bench.theirs);
    corpus_free(bench.corpus);
    return 0;
}
