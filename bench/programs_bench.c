/* The chain beside what people judge events with today, in languages of their own: a loop in JavaScript, as bots have
 * it, and Synapse's chain with modules in Python.
 *
 * Both get the same bodies and rules as we do, in files; each must deny the very events that we deny. */
#include <stdio.h>
#include <stdlib.h>

#include "bench/child.h"
#include "bench/corpus.h"
#include "bench/figure.h"
#include "bench/rules.h"
#include "engine/clock.h"

/* Scripts are in the folder that the bench is run from, that of the source. */
#define NODE_SCRIPT "bench/node_reference.js"
#define SYNAPSE_SCRIPT "bench/synapse_reference.py"
/* Debian's own: it has the packages that Synapse needs. */
#define PYTHON "/usr/bin/python3"

#define NODE_RUNS 12
#define SYNAPSE_RUNS 8
/* Synapse judges some two thousand events a second. */
#define SYNAPSE_EVENTS 1000
#define SYNAPSE_EVENTS_QUICK 200
#define SYNAPSE_LIMIT 500
/* Our passes in a run take at least this long. */
#define OUR_SECONDS 0.03

struct work {
    const struct corpus *corpus;
    struct judge *judge;
    size_t stride;   /* the child gets every stride-th event */
    uint64_t denied; /* of those */
    uint64_t places; /* the sum of their places in what the child gets */
    unsigned rounds;
};

/* Seconds of a pass over all events, whatever the child gets: a small part of them would lie in our caches. */
static double judge_once(struct work *work)
{
    uint64_t start = clock_now_ns();
    work->denied = work->places = 0;
    for (size_t index = 0; index < work->corpus->event_count; index++) {
        struct event event = {.event_id = work->corpus->events[index].event_id};
        if (judge_read(work->judge, work->corpus->events[index].body, &event) != EVENT_READ_OK)
            bench_fail("a recorded body could not be read");
        const struct outcome *outcome = judge_event(work->judge, &event, JUDGE_BOTH);
        if (outcome->kind == OUTCOME_PASSED || index % work->stride != 0)
            continue;
        work->denied++;
        work->places += index / work->stride;
    }
    return (double)(clock_now_ns() - start) / 1e9;
}

/* Seconds that an event takes us. */
static double judge_rounds(struct work *work)
{
    double seconds = 0;
    for (unsigned round = 0; round < work->rounds; round++)
        seconds += judge_once(work);
    return seconds / work->rounds / (double)work->corpus->event_count;
}

static size_t child_events(const struct work *work)
{
    return (work->corpus->event_count + work->stride - 1) / work->stride;
}

static FILE *create(const char *folder, const char *name, char *path, size_t size)
{
    snprintf(path, size, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    if (!file)
        bench_fail("cannot write %s", path);
    return file;
}

static void write_bodies(const struct work *work, FILE *file)
{
    for (size_t index = 0; index < work->corpus->event_count; index += work->stride) {
        struct slice body = work->corpus->events[index].body;
        if (memchr(body.data, '\n', body.length))
            bench_fail("a recorded body has more than one line");
        fwrite(body.data, 1, body.length, file);
        fputc('\n', file);
    }
}

static void write_rules(FILE *file)
{
    json_t *rules = json_object();
    for (unsigned index = 0; index < RULES_MODULES; index++)
        json_object_set_new(rules, rules_module_name(index), rules_configuration(index));
    if (json_dumpf(rules, file, JSON_COMPACT) != 0)
        bench_fail("the rules cannot be written");
    json_decref(rules);
}

static void compare(const struct work *work, const struct child *child, const struct child_pass *pass)
{
    if (work->denied == 0 || pass->denied != work->denied || pass->places != work->places)
        bench_fail("%s denies %llu of %zu events, we %llu, or others", child->name, (unsigned long long)pass->denied,
                   child_events(work), (unsigned long long)work->denied);
}

/* Rate over rate: the child's time for an event over ours, which is taken half before and half after the child's. */
static void measure(struct work *work, struct child *child, struct figure *figure, unsigned runs, const char *json_path)
{
    work->rounds = 1 + (unsigned)(OUR_SECONDS / 2 / judge_once(work));
    for (unsigned run = 0; run < runs; run++) {
        double before = judge_rounds(work);
        struct child_pass pass = child_pass(child);
        double ours = (before + judge_rounds(work)) / 2;
        compare(work, child, &pass);
        figure_add(figure, pass.seconds / (double)child_events(work) / ours, 1 / ours);
    }
    figure_report(figure, json_path);
}

static void measure_child(struct work *work, struct child *child, struct figure *figure, unsigned runs,
                          const char *json_path)
{
    char text[400];
    struct child_pass first;
    if (child_ready(child, &first, text, sizeof text)) {
        fprintf(stderr, "bench: %s\n", text);
        judge_once(work);
        compare(work, child, &first);
        measure(work, child, figure, runs, json_path);
    } else {
        fprintf(stderr, "bench: %s is not whole here (%s): %s is left out\n", child->name, text, figure->name);
    }
    child_stop(child);
}

static void measure_node(struct work *work, const char *bodies, const char *rules, const char *json_path)
{
    struct figure figure = {.name = "chain_vs_node",
                            .reference = "JSON.parse, a Set and regular expressions in Node; our rate over its",
                            .unit = "events/s"};
    struct child child;
    if (child_start(&child, "Node", (const char *const[]){"node", NODE_SCRIPT, bodies, rules, NULL}))
        measure_child(work, &child, &figure, bench_runs(NODE_RUNS), json_path);
    else
        fputs("bench: no Node here: chain_vs_node is left out\n", stderr);
}

static void measure_synapse(struct work *work, const char *bodies, const char *rules, const char *json_path)
{
    struct figure figure = {.name = "chain_vs_synapse",
                            .reference = "Synapse's own chain with modules in Python; our rate over its",
                            .unit = "events/s",
                            .bound = BOUND_AT_LEAST,
                            .limit = SYNAPSE_LIMIT};
    const char *checkout = getenv("SYNAPSE_PATH");
    struct child child;
    if (!checkout || !*checkout)
        fputs("bench: no Synapse here (SYNAPSE_PATH): chain_vs_synapse is left out\n", stderr);
    else if (child_start(&child, "Synapse",
                         (const char *const[]){PYTHON, "-B", SYNAPSE_SCRIPT, checkout, bodies, rules, NULL}))
        measure_child(work, &child, &figure, bench_runs(SYNAPSE_RUNS), json_path);
    else
        fputs("bench: no " PYTHON " here: chain_vs_synapse is left out\n", stderr);
}

typedef void measure_program(struct work *work, const char *bodies, const char *rules, const char *json_path);

/* With some `wanted` events in files of the folder, spread over the recording: its first ones only create rooms. */
static void with_events(struct work *work, size_t wanted, measure_program *program, char **arguments)
{
    char bodies[4096], rules[4096];
    FILE *bodies_file = create(arguments[3], "bodies.jsonl", bodies, sizeof bodies);
    FILE *rules_file = create(arguments[3], "rules.json", rules, sizeof rules);
    work->stride = wanted < work->corpus->event_count ? work->corpus->event_count / wanted : 1;
    write_bodies(work, bodies_file);
    write_rules(rules_file);
    if (fclose(bodies_file) != 0 || fclose(rules_file) != 0)
        bench_fail("cannot write to %s", arguments[3]);
    program(work, bodies, rules, arguments[1]);
    remove(bodies);
    remove(rules);
}

int main(int argument_count, char **arguments)
{
    if (argument_count < 4)
        bench_fail("usage: programs_bench JSON DATA FOLDER");
    struct corpus *corpus = corpus_load(arguments[2]);
    struct chain *chain = rules_chain(RULES_ALL);
    struct work work = {.corpus = corpus, .judge = judge_create(chain)};
    with_events(&work, corpus->event_count, measure_node, arguments);
    with_events(&work, bench_is_quick() ? SYNAPSE_EVENTS_QUICK : SYNAPSE_EVENTS, measure_synapse, arguments);
    judge_destroy(work.judge);
    chain_destroy(chain);
    corpus_free(corpus);
    return 0;
}
