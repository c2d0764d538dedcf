/* A replay from file to verdicts, against yyjson alone parsing every line of the same two files.
 *
 * A replay of the recording with its bodies: both files opened, read, indexed, judged and the rows of denied events
 * written to /dev/null; only the chain is compiled before. yyjson's side reads the files by the same means (the
 * recording line by line, the bodies whole) and parses each line into one pool. FOLDER is where the uncompressed files
 * go. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/json_pool.h"
#include "bench/corpus.h"
#include "bench/figure.h"
#include "bench/rules.h"
#include "engine/log.h"
#include "engine/replay.h"
#include "replication/body_file.h"
#include "replication/recording.h"

#define ROUNDS 3
#define RUNS 11

struct work {
    struct chain *chain;
    const char *recording;
    const char *bodies;
    unsigned jobs;
    int output;
    struct json_pool pool;
    struct replay_summary summary;
    uint64_t lines_parsed;
    uint64_t checksum;
};

static void replay(void *context)
{
    struct work *work = context;
    struct buffer error = {0};
    struct replay_settings settings = {.chain = work->chain,
                                       .server_name = CORPUS_SERVER,
                                       .instance_name = "weir1",
                                       .recording = work->recording,
                                       .bodies = work->bodies,
                                       .jobs = work->jobs,
                                       .output = work->output};
    if (!replay_run(&settings, &work->summary, &error))
        bench_fail("%s", buffer_string(&error));
}

static void open_bodies(void *context)
{
    struct work *work = context;
    struct buffer error = {0};
    struct body_file *bodies = body_file_open(work->bodies, &error);
    if (!bodies)
        bench_fail("%s", buffer_string(&error));
    body_file_close(bodies);
}

static void parse_line(struct work *work, struct slice line)
{
    yyjson_doc *document = json_pool_read(&work->pool, line, YYJSON_READ_NOFLAG);
    if (!document)
        bench_fail("a recorded line is not JSON");
    work->checksum += yyjson_doc_get_val_count(document);
    work->lines_parsed++;
}

static void parse_recording(struct work *work)
{
    struct buffer error = {0};
    struct line_reader *lines = line_reader_open(work->recording, &error);
    struct slice line;
    if (!lines)
        bench_fail("%s", buffer_string(&error));
    while (line_reader_next(lines, &line, &error) == LINE_OK)
        parse_line(work, line);
    line_reader_close(lines);
}

static void parse_bodies(struct work *work)
{
    struct buffer content = {0};
    struct buffer error = {0};
    if (!recording_load(work->bodies, BODY_FILE_MAXIMUM, &content, NULL, &error))
        bench_fail("%s", buffer_string(&error));
    const char *cursor = content.data;
    const char *end = content.data + content.length;
    while (cursor < end) {
        const char *line_end = memchr(cursor, '\n', (size_t)(end - cursor));
        if (!line_end)
            line_end = end;
        parse_line(work, slice_of(cursor, (size_t)(line_end - cursor)));
        cursor = line_end + 1;
    }
    buffer_free(&content);
}

static void parse_alone(void *context)
{
    struct work *work = context;
    work->lines_parsed = 0;
    parse_recording(work);
    parse_bodies(work);
}

static void measure(struct work *work, const char *json_path)
{
    struct figure rate = {.name = "replay_vs_yyjson",
                          .reference = "rate of yyjson alone over every line of the same two files",
                          .unit = "lines/s",
                          .bound = BOUND_AT_LEAST,
                          .limit = 0.6};
    struct figure opening = {
        .name = "replay_bodies_share", .reference = "the whole replay; opening and indexing the bodies", .unit = "ms"};
    struct figure two_jobs = {.name = "replay_two_jobs_vs_yyjson",
                              .reference = "rate of yyjson alone, on one core, over every line of the same two files",
                              .unit = "lines/s",
                              .bound = BOUND_AT_LEAST,
                              .limit = 1.0};
    for (unsigned run = 0; run <= bench_runs(RUNS); run++) {
        work->jobs = 2;
        struct figure_pair both = figure_measure(replay, parse_alone, work, ROUNDS);
        work->jobs = 1;
        struct figure_pair pair = figure_measure(replay, parse_alone, work, ROUNDS);
        struct figure_pair opened = figure_measure(open_bodies, parse_alone, work, 1);
        if (run == 0)
            continue;
        double lines = (double)work->lines_parsed * ROUNDS;
        figure_add(&two_jobs, both.reference / both.ours, lines / both.ours);
        figure_add(&rate, pair.reference / pair.ours, lines / pair.ours);
        figure_add(&opening, opened.ours * ROUNDS / pair.ours, opened.ours * 1e3);
    }
    const struct observer_counts *counts = &work->summary.counts;
    if (counts->denied == 0 || counts->bodies_missing > counts->judged / 20 || counts->bad_lines > 0)
        bench_fail("%llu events denied, %llu bodies missing, %llu bad lines: that is not the replay that was meant",
                   (unsigned long long)counts->denied, (unsigned long long)counts->bodies_missing,
                   (unsigned long long)counts->bad_lines);
    fprintf(stderr, "bench: a replay is %llu messages, %llu events judged, %llu denied; yyjson parses %llu lines\n",
            (unsigned long long)work->summary.messages, (unsigned long long)counts->judged,
            (unsigned long long)counts->denied, (unsigned long long)work->lines_parsed);
    figure_report(&rate, json_path);
    figure_report(&two_jobs, json_path);
    figure_report(&opening, json_path);
}

int main(int argument_count, char **arguments)
{
    if (argument_count < 4)
        bench_fail("usage: replay_bench JSON DATA FOLDER");
    log_threshold = LOG_ERROR; /* the recording holds events of a purged room, whose bodies are missing */
    const char *folder = arguments[3];
    char recording[256];
    char bodies[256];
    corpus_unpack(arguments[2], folder);
    snprintf(recording, sizeof recording, "%s/" CORPUS_NAME ".jsonl", folder);
    snprintf(bodies, sizeof bodies, "%s/" CORPUS_NAME ".events.jsonl", folder);
    struct chain *chain = rules_chain(RULES_ALL);
    struct work work = {
        .chain = chain, .recording = recording, .bodies = bodies, .output = open("/dev/null", O_WRONLY)};
    measure(&work, arguments[1]);
    close(work.output);
    json_pool_free(&work.pool);
    chain_destroy(chain);
    return work.checksum == 0;
}
