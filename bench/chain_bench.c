/* From the raw JSON of an event to the chain's verdict, against yyjson alone on the same texts.
 *
 * Both sides keep one pool of memory and read the same bodies from memory, in the order of the stream, with the event
 * id at hand as the stream's row gives it. yyjson's side parses with its default flags and looks at nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <yyjson.h>

#include "base/memory.h"
#include "bench/corpus.h"
#include "bench/figure.h"
#include "bench/rules.h"

/* Passes of each side in one run, and runs. A pass is some milliseconds. */
#define ROUNDS 16
#define RUNS 15

struct work {
    const struct corpus *corpus;
    const struct chain *chain;
    struct judge *judge;
    char *pool;
    size_t pool_size;
    uint64_t denied;
    uint64_t checksum; /* keeps the compiler from leaving work out */
};

static void parse_with(struct work *work, yyjson_read_flag flags)
{
    for (size_t index = 0; index < work->corpus->event_count; index++) {
        struct slice body = work->corpus->events[index].body;
        yyjson_alc allocator;
        yyjson_alc_pool_init(&allocator, work->pool, work->pool_size);
        yyjson_doc *document = yyjson_read_opts((char *)(uintptr_t)body.data, body.length, flags, &allocator, NULL);
        work->checksum += yyjson_doc_get_val_count(document);
    }
}

static void parse_alone(void *context)
{
    parse_with(context, YYJSON_READ_NOFLAG);
}

static void read_event(struct work *work, size_t index, struct event *event)
{
    *event = (struct event){.event_id = work->corpus->events[index].event_id};
    if (judge_read(work->judge, work->corpus->events[index].body, event) != EVENT_READ_OK)
        bench_fail("a recorded body could not be read");
    work->checksum += event->sender.length;
}

static void read_alone(void *context)
{
    struct work *work = context;
    for (size_t index = 0; index < work->corpus->event_count; index++) {
        struct event event;
        read_event(work, index, &event);
    }
}

static void read_and_judge(void *context)
{
    struct work *work = context;
    for (size_t index = 0; index < work->corpus->event_count; index++) {
        struct event event;
        read_event(work, index, &event);
        work->denied += judge_event(work->judge, &event, JUDGE_BOTH)->kind != OUTCOME_PASSED;
    }
}

static void use_chain(struct work *work, const struct chain *chain)
{
    judge_destroy(work->judge);
    work->chain = chain;
    work->judge = judge_create(chain);
    work->denied = 0;
}

static double nanoseconds(const struct work *work, double seconds)
{
    return seconds * 1e9 / ROUNDS / (double)work->corpus->event_count;
}

/* The chain itself, and beside it what reading and parsing alone cost in the same runs. */
static void measure_chain(struct work *work, const char *json_path)
{
    struct figure chain = {.name = "chain_vs_yyjson",
                           .reference = "yyjson_read_opts alone, default flags, pool reused, same bodies",
                           .unit = "ns/event",
                           .bound = BOUND_AT_MOST,
                           .limit = 1.0};
    struct figure read = {.name = "read_ns_per_event", .reference = "yyjson alone, as above", .unit = "ns/event"};
    struct figure parse = {
        .name = "yyjson_ns_per_event", .reference = "itself; what chain_vs_yyjson divides by", .unit = "ns/event"};
    for (unsigned run = 0; run <= bench_runs(RUNS); run++) {
        struct figure_pair judged = figure_measure(read_and_judge, parse_alone, work, ROUNDS);
        struct figure_pair unjudged = figure_measure(read_alone, parse_alone, work, ROUNDS);
        if (run == 0) /* warms caches and pools */
            continue;
        figure_add(&chain, judged.ours / judged.reference, nanoseconds(work, judged.ours));
        figure_add(&read, unjudged.ours / unjudged.reference, nanoseconds(work, unjudged.ours));
        figure_add(&parse, 1, nanoseconds(work, judged.reference));
    }
    figure_report(&chain, json_path);
    figure_report(&read, json_path);
    figure_report(&parse, json_path);
}

/* What one module adds to reading the fields that it declares. */
static void measure_module(struct work *work, unsigned index, const char *json_path)
{
    char name[64];
    snprintf(name, sizeof name, "%s_ns_per_event", rules_module_name(index));
    struct figure figure = {.name = name, .reference = "reading its fields, without judging", .unit = "ns/event"};
    struct chain *chain = rules_chain(1u << index);
    use_chain(work, chain);
    for (unsigned run = 0; run <= bench_runs(RUNS); run++) {
        struct figure_pair pair = figure_measure(read_and_judge, read_alone, work, ROUNDS);
        if (run > 0)
            figure_add(&figure, pair.ours / pair.reference, nanoseconds(work, pair.ours - pair.reference));
    }
    figure_report(&figure, json_path);
    chain_destroy(chain);
}

int main(int argument_count, char **arguments)
{
    if (argument_count < 3)
        bench_fail("usage: chain_bench JSON DATA");
    struct corpus *corpus = corpus_load(arguments[2]);
    struct work work = {.corpus = corpus};
    work.pool_size = yyjson_read_max_memory_usage(corpus->longest_body, YYJSON_READ_NOFLAG) + 64;
    work.pool = memory_allocate(work.pool_size);
    struct chain *chain = rules_chain(RULES_ALL);
    use_chain(&work, chain);
    read_and_judge(&work);
    if (work.denied == 0 || work.denied == corpus->event_count)
        bench_fail("the chain denied %llu of %zu events: that measures nothing", (unsigned long long)work.denied,
                   corpus->event_count);
    fprintf(stderr, "bench: %zu events, %.0f bytes each; the chain denies %llu\n", corpus->event_count,
            (double)corpus->bodies_bytes / (double)corpus->event_count, (unsigned long long)work.denied);
    measure_chain(&work, arguments[1]);
    for (unsigned index = 0; index < RULES_MODULES; index++)
        measure_module(&work, index, arguments[1]);
    judge_destroy(work.judge);
    chain_destroy(chain);
    free(work.pool);
    corpus_free(corpus);
    return work.checksum == 0;
}
