/* The chain beside what reading the same events costs at the least: memcpy as the floor, simdjson's on-demand reader.
 *
 * All sides read the same copies of the bodies, each followed by the room that simdjson wants. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <yyjson.h>

#include "base/memory.h"
#include "bench/corpus.h"
#include "bench/figure.h"
#include "bench/rules.h"
#include "bench/simdjson_reader.h"

/* Passes of each side in one run, and runs. A pass is some milliseconds. */
#define ROUNDS 8
/* For memcpy, whose pass takes a quarter of one. */
#define COPY_ROUNDS 24
#define RUNS 15

#define PADDING 64

struct work {
    const struct corpus *corpus;
    struct slice *bodies;
    char *texts; /* that the bodies lie in */
    char *copy;  /* has room for the longest */
    struct judge *judge;
    void *library; /* of simdjson; NULL if there is none */
    const struct simdjson_reader *simdjson;
    void *simdjson_state;
    char *pool; /* of yyjson */
    size_t pool_size;
    uint64_t denied;
    uint64_t checksum; /* keeps the compiler from leaving work out */
};

static void pad_bodies(struct work *work)
{
    const struct corpus *corpus = work->corpus;
    work->bodies = memory_allocate(corpus->event_count * sizeof *work->bodies);
    work->texts = memory_allocate_zeroed(corpus->bodies_bytes + corpus->event_count * PADDING, 1);
    work->copy = memory_allocate(corpus->longest_body);
    char *place = work->texts;
    for (size_t index = 0; index < corpus->event_count; index++) {
        struct slice body = corpus->events[index].body;
        memcpy(place, body.data, body.length);
        work->bodies[index] = slice_of(place, body.length);
        place += body.length + PADDING;
    }
}

static void read_event(struct work *work, struct judge *judge, size_t index, struct event *event)
{
    *event = (struct event){.event_id = work->corpus->events[index].event_id};
    if (judge_read(judge, work->bodies[index], event) != EVENT_READ_OK)
        bench_fail("a recorded body could not be read");
}

static void read_and_judge(void *context)
{
    struct work *work = context;
    for (size_t index = 0; index < work->corpus->event_count; index++) {
        struct event event;
        read_event(work, work->judge, index, &event);
        const struct outcome *outcome = judge_event(work->judge, &event, JUDGE_BOTH);
        work->denied += outcome->kind != OUTCOME_PASSED;
    }
}

static void copy_alone(void *context)
{
    struct work *work = context;
    for (size_t index = 0; index < work->corpus->event_count; index++) {
        memcpy(work->copy, work->bodies[index].data, work->bodies[index].length);
        __asm__ volatile("" : : "r"(work->copy) : "memory"); /* the copy is wanted */
    }
}

static void parse_with_yyjson(void *context)
{
    struct work *work = context;
    for (size_t index = 0; index < work->corpus->event_count; index++) {
        struct slice body = work->bodies[index];
        yyjson_alc allocator;
        yyjson_alc_pool_init(&allocator, work->pool, work->pool_size);
        yyjson_doc *document =
            yyjson_read_opts((char *)(uintptr_t)body.data, body.length, YYJSON_READ_NOFLAG, &allocator, NULL);
        work->checksum += yyjson_doc_get_val_count(document);
    }
}

static void read_with_simdjson(void *context)
{
    struct work *work = context;
    for (size_t index = 0; index < work->corpus->event_count; index++) {
        struct simdjson_text texts[SIMDJSON_FIELDS];
        if (!work->simdjson->read(work->simdjson_state, work->bodies[index].data, work->bodies[index].length, texts))
            bench_fail("simdjson refused a recorded body");
        work->checksum += texts[SIMDJSON_SENDER].length + texts[SIMDJSON_BODY].length;
    }
}

/* Time over time. */
static void measure(struct work *work, struct figure *figure, figure_work *ours, figure_work *reference,
                    unsigned rounds, const char *json_path)
{
    for (unsigned run = 0; run <= bench_runs(RUNS); run++) {
        struct figure_pair pair = figure_measure(ours, reference, work, rounds);
        if (run > 0) /* the first warms caches and pools */
            figure_add(figure, pair.ours / pair.reference,
                       pair.ours * 1e9 / rounds / (double)work->corpus->event_count);
    }
    figure_report(figure, json_path);
}

static bool text_is(struct simdjson_text text, struct slice expected)
{
    return slice_equal(text.data ? slice_of(text.data, text.length) : SLICE_ABSENT, expected);
}

/* Both readers must hand out the same. */
static void compare_readers(struct work *work, const struct field_table *fields)
{
    uint32_t body = field_table_count(fields), formatted_body = body;
    for (uint32_t slot = 0; slot < field_table_count(fields); slot++) {
        if (slice_equal(field_table_key(fields, slot), SLICE("body")))
            body = slot;
        if (slice_equal(field_table_key(fields, slot), SLICE("formatted_body")))
            formatted_body = slot;
    }
    if (body == field_table_count(fields) || formatted_body == field_table_count(fields))
        bench_fail("the chain does not read the bodies of messages");
    for (size_t index = 0; index < work->corpus->event_count; index++) {
        struct event event;
        struct simdjson_text texts[SIMDJSON_FIELDS];
        read_event(work, work->judge, index, &event);
        if (!work->simdjson->read(work->simdjson_state, work->bodies[index].data, work->bodies[index].length, texts) ||
            !text_is(texts[SIMDJSON_SENDER], event.sender) || !text_is(texts[SIMDJSON_TYPE], event.type) ||
            !text_is(texts[SIMDJSON_ROOM_ID], event.room_id) ||
            !text_is(texts[SIMDJSON_BODY], event_content_string(&event, body)) ||
            !text_is(texts[SIMDJSON_FORMATTED_BODY], event_content_string(&event, formatted_body)))
            bench_fail("simdjson reads event %zu otherwise than we do", index);
    }
}

/* The shared object lies beside this program. */
static bool find_simdjson(struct work *work, const char *program)
{
    const char *name = strrchr(program, '/');
    char path[4096];
    snprintf(path, sizeof path, "%.*s/simdjson_reader.so", name ? (int)(name - program) : 1, name ? program : ".");
    work->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    work->simdjson = work->library ? dlsym(work->library, "simdjson_reader") : NULL;
    if (!work->simdjson)
        return false;
    if (work->simdjson->padding > PADDING)
        bench_fail("simdjson wants %zu bytes behind a body", work->simdjson->padding);
    work->simdjson_state = work->simdjson->create();
    return work->simdjson_state;
}

static void measure_reading(struct work *work, const char *program, const struct field_table *fields,
                            const char *json_path)
{
    struct figure floor = {.name = "chain_vs_memcpy",
                           .reference = "memcpy of the same bodies into one buffer; time over time",
                           .unit = "ns/event"};
    struct figure chain = {.name = "chain_vs_simdjson",
                           .reference = "simdjson on demand: sender, type, room_id and bodies; time over time",
                           .unit = "ns/event"};
    struct figure simdjson = {.name = "simdjson_vs_yyjson",
                              .reference = "yyjson_read_opts alone; simdjson's time over yyjson's",
                              .unit = "ns/event"};
    measure(work, &floor, read_and_judge, copy_alone, COPY_ROUNDS, json_path);
    if (!find_simdjson(work, program)) {
        fputs("bench: no simdjson here: chain_vs_simdjson and simdjson_vs_yyjson are left out\n", stderr);
        return;
    }
    fprintf(stderr, "bench: simdjson %s, %s\n", work->simdjson->version, work->simdjson->implementation());
    compare_readers(work, fields);
    measure(work, &chain, read_and_judge, read_with_simdjson, ROUNDS, json_path);
    measure(work, &simdjson, read_with_simdjson, parse_with_yyjson, ROUNDS, json_path);
}

int main(int argument_count, char **arguments)
{
    if (argument_count < 3)
        bench_fail("usage: reading_bench JSON DATA");
    struct corpus *corpus = corpus_load(arguments[2]);
    struct work work = {.corpus = corpus};
    pad_bodies(&work);
    work.pool_size = yyjson_read_max_memory_usage(corpus->longest_body, YYJSON_READ_NOFLAG) + 64;
    work.pool = memory_allocate(work.pool_size);
    struct chain *chain = rules_chain(RULES_ALL);
    work.judge = judge_create(chain);
    read_and_judge(&work);
    if (work.denied == 0 || work.denied == corpus->event_count)
        bench_fail("the chain denied %llu of %zu events: that measures nothing", (unsigned long long)work.denied,
                   corpus->event_count);
    measure_reading(&work, arguments[0], chain_fields(chain), arguments[1]);
    if (work.simdjson)
        work.simdjson->destroy(work.simdjson_state);
    judge_destroy(work.judge);
    chain_destroy(chain);
    free(work.pool);
    free(work.copy);
    free(work.texts);
    free(work.bodies);
    corpus_free(corpus);
    return work.simdjson && work.checksum == 0;
}
