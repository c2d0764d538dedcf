/* A backtest on two cores against the same on one.
 *
 * The recorded stream and its bodies, ROUNDS times over with rising tokens and ids of their own, through the standard
 * chain from file to tally; both files uncompressed and in the page cache. The time is that of the backtest, from the
 * opening of the files on: compiling the chain and measuring the modules' costs is left out. FOLDER is where the files
 * go. */
#include <stdio.h>
#include <stdlib.h>

#include "bench/corpus.h"
#include "bench/figure.h"
#include "bench/rules.h"
#include "engine/backtest.h"
#include "engine/log.h"
#include "replication/recording.h"

#define ROUNDS 40u
#define ROUNDS_QUICK 12u
#define RUNS 9
/* Above all tokens of the recording. */
#define ROUND_TOKENS 1000000LL

struct work {
    struct configuration configuration;
    const char *recording;
    const char *bodies;
    uint64_t events, denied;
};

static double run(struct work *work, unsigned jobs)
{
    struct backtest_settings settings = {.configurations = {&work->configuration},
                                         .recordings = &work->recording,
                                         .recording_count = 1,
                                         .bodies = &work->bodies,
                                         .body_count = 1,
                                         .jobs = jobs};
    struct backtest_report report;
    struct buffer error = {0};
    if (!backtest_run(&settings, &report, &error))
        bench_fail("%s", buffer_string(&error));
    uint64_t denied = report.tally->kinds[BACKTEST_NEW][OUTCOME_DENIED];
    if (work->events && (report.tally->events != work->events || denied != work->denied))
        bench_fail("%u jobs judge otherwise than one", jobs);
    work->events = report.tally->events;
    work->denied = denied;
    double seconds = report.seconds;
    backtest_report_free(&report);
    return seconds;
}

/* The line with `inserted` behind the first `mark`; as it is without one. */
static void write_inserted(FILE *file, const char *line, const char *mark, unsigned inserted)
{
    const char *found = strstr(line, mark);
    size_t length = found ? (size_t)(found - line) + strlen(mark) : strlen(line);
    fwrite(line, 1, length, file);
    if (found)
        fprintf(file, "%04u%s", inserted, line + length);
}

/* `… "RDATA events WRITER TOKEN ROW"`: the token rises with the round, and the event's id is another. Announcements of
 * positions would be of the first round in each. */
static void write_line(FILE *file, const char *line, unsigned round)
{
    const char *command = strstr(line, "\"RDATA events ");
    const char *token = command ? strchr(command + strlen("\"RDATA events "), ' ') : NULL;
    if (strstr(line, "\"POSITION events "))
        return;
    if (!token) {
        fputs(line, file);
        return;
    }
    char *end;
    int64_t number = strtoll(token, &end, 10);
    fwrite(line, 1, (size_t)(token + 1 - line), file);
    if (number)
        fprintf(file, "%lld", (long long)number + (long long)round * ROUND_TOKENS);
    else
        end = (char *)(uintptr_t)(token + 1);
    write_inserted(file, end, "\\\"$", round);
}

static void write_body(FILE *file, const char *line, unsigned round)
{
    write_inserted(file, line, "\"event_id\" : \"$", round);
}

static void repeat(const char *from, const char *to, unsigned rounds,
                   void (*write)(FILE *file, const char *line, unsigned round))
{
    FILE *file = fopen(to, "w");
    char *line = NULL;
    size_t size = 0;
    for (unsigned round = 0; file && round < rounds; round++) {
        FILE *source = fopen(from, "r");
        if (!source)
            bench_fail("cannot read %s", from);
        while (getline(&line, &size, source) > 0)
            write(file, line, round);
        fclose(source);
    }
    free(line);
    if (!file || fclose(file) != 0)
        bench_fail("cannot write %s", to);
}

int main(int argument_count, char **arguments)
{
    if (argument_count < 4)
        bench_fail("usage: backtest_bench JSON DATA FOLDER");
    log_threshold = LOG_ERROR;
    char paths[4][256];
    static const char *const names[] = {CORPUS_NAME ".jsonl", CORPUS_NAME ".events.jsonl", "backtest.jsonl",
                                        "backtest.events.jsonl"};
    for (size_t index = 0; index < 4; index++)
        snprintf(paths[index], sizeof paths[index], "%s/%s", arguments[3], names[index]);
    unsigned rounds = bench_is_quick() ? ROUNDS_QUICK : ROUNDS;
    corpus_unpack(arguments[2], arguments[3]);
    repeat(paths[0], paths[2], rounds, write_line);
    repeat(paths[1], paths[3], rounds, write_body);
    struct work work = {.configuration = {.path = "bench",
                                          .server_name = CORPUS_SERVER,
                                          .instance_name = "weir1",
                                          .chain = rules_chain(RULES_ALL)},
                        .recording = paths[2],
                        .bodies = paths[3]};
    struct figure figure = {.name = "backtest_two_jobs",
                            .reference = "the same backtest with one job; our rate over its",
                            .unit = "events/s",
                            .bound = BOUND_AT_LEAST,
                            .limit = 1.8};
    for (unsigned number = 0; number <= bench_runs(RUNS); number++) {
        double first = run(&work, 2), one = run(&work, 1) + run(&work, 1), two = first + run(&work, 2);
        if (number)
            figure_add(&figure, one / two, 2 * (double)work.events / two);
    }
    fprintf(stderr, "bench: a backtest is %llu events, %llu denied\n", (unsigned long long)work.events,
            (unsigned long long)work.denied);
    if (work.denied == 0)
        bench_fail("nothing was denied: that is not the backtest that was meant");
    figure_report(&figure, arguments[1]);
    remove(paths[2]);
    remove(paths[3]);
    chain_destroy(work.configuration.chain);
    return 0;
}
