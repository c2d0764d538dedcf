/* The fifty expressions through our keywords module, and one by one through PCRE2 with JIT.
 *
 * Reading is no part of it: every event keeps a reader of its own, so that all of them stay read at once and both sides
 * look at the same bytes. PCRE2 is used as plainly and as fast as it can be: machine code called directly, no checks of
 * the text, no limits. */
#include <stdio.h>
#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/memory.h"
#include "bench/corpus.h"
#include "bench/figure.h"
#include "bench/rules.h"

/* Passes of each side in one run, and runs. PCRE2's passes take some twenty milliseconds. */
#define ROUNDS 3
#define RUNS 15

#define KEYWORDS 1u /* the module's place in the chain */
#define BODY_SLOT 0

struct work {
    struct chain *chain;
    struct judge *judge;
    struct event_reader **readers;
    struct event *events;
    size_t count;
    pcre2_code **codes;
    size_t code_count;
    pcre2_jit_stack *stack;
    pcre2_match_data *match;
    pcre2_match_context *context;
    uint64_t denied_by_judge;
    uint64_t denied_by_pcre2;
};

static void judge_events(void *context)
{
    struct work *work = context;
    work->denied_by_judge = 0;
    for (size_t index = 0; index < work->count; index++) {
        const struct outcome *outcome = judge_event(work->judge, &work->events[index], JUDGE_BOTH);
        work->denied_by_judge += outcome->kind != OUTCOME_PASSED;
    }
}

static bool any_matches(const struct work *work, struct slice text)
{
    for (size_t index = 0; index < work->code_count; index++)
        if (pcre2_jit_match(work->codes[index], (PCRE2_SPTR)text.data, text.length, 0, PCRE2_NO_UTF_CHECK, work->match,
                            work->context) >= 0)
            return true;
    return false;
}

static void match_texts(void *context)
{
    struct work *work = context;
    work->denied_by_pcre2 = 0;
    for (size_t index = 0; index < work->count; index++) {
        struct slice text = event_content_string(&work->events[index], BODY_SLOT);
        work->denied_by_pcre2 += slice_present(text) && any_matches(work, text);
    }
}

/* With the options that give an expression the meaning it has in our engine: Unicode, case-insensitive. */
static void compile_patterns(struct work *work)
{
    json_t *configuration = rules_configuration(KEYWORDS);
    json_t *patterns = json_object_get(configuration, "patterns");
    work->code_count = json_array_size(patterns);
    work->codes = memory_allocate_zeroed(work->code_count, sizeof(pcre2_code *));
    for (size_t index = 0; index < work->code_count; index++) {
        const char *pattern = json_string_value(json_array_get(patterns, index));
        int code;
        PCRE2_SIZE offset;
        work->codes[index] = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                                           PCRE2_UTF | PCRE2_UCP | PCRE2_CASELESS, &code, &offset, NULL);
        if (!work->codes[index] || pcre2_jit_compile(work->codes[index], PCRE2_JIT_COMPLETE) != 0)
            bench_fail("PCRE2 does not compile %s", pattern);
    }
    json_decref(configuration);
    work->match = pcre2_match_data_create(1, NULL);
    work->context = pcre2_match_context_create(NULL);
    work->stack = pcre2_jit_stack_create(32 << 10, 512 << 10, NULL);
    if (!work->match || !work->context || !work->stack)
        bench_fail("PCRE2 has no memory");
    pcre2_jit_stack_assign(work->context, NULL, work->stack);
}

static void read_events(struct work *work, const struct corpus *corpus)
{
    const struct field_table *fields = chain_fields(work->chain);
    if (field_table_count(fields) != 1 || !slice_equal(field_table_key(fields, BODY_SLOT), SLICE("body")))
        bench_fail("the keywords are looked for in more than `body`");
    work->count = corpus->event_count;
    work->events = memory_allocate_zeroed(work->count, sizeof *work->events);
    work->readers = memory_allocate_zeroed(work->count, sizeof(struct event_reader *));
    for (size_t index = 0; index < work->count; index++) {
        work->events[index].event_id = corpus->events[index].event_id;
        work->readers[index] = event_reader_create(fields);
        if (event_reader_read(work->readers[index], corpus->events[index].body, &work->events[index]) != EVENT_READ_OK)
            bench_fail("a recorded body could not be read");
    }
}

static void free_work(struct work *work)
{
    for (size_t index = 0; index < work->code_count; index++)
        pcre2_code_free(work->codes[index]);
    free((void *)work->codes);
    pcre2_match_context_free(work->context);
    pcre2_match_data_free(work->match);
    pcre2_jit_stack_free(work->stack);
    for (size_t index = 0; index < work->count; index++)
        event_reader_destroy(work->readers[index]);
    free((void *)work->readers);
    free(work->events);
    judge_destroy(work->judge);
    chain_destroy(work->chain);
}

int main(int argument_count, char **arguments)
{
    if (argument_count < 3)
        bench_fail("usage: pcre2_bench JSON DATA");
    struct figure figure = {.name = "chain_vs_pcre2",
                            .reference = "PCRE2 with JIT, one by one, on the same texts; our rate over its",
                            .unit = "events/s"};
    struct corpus *corpus = corpus_load(arguments[2]);
    struct work work = {.chain = rules_chain(1u << KEYWORDS)};
    work.judge = judge_create(work.chain);
    read_events(&work, corpus);
    compile_patterns(&work);
    for (unsigned run = 0; run <= bench_runs(RUNS); run++) {
        struct figure_pair pair = figure_measure(judge_events, match_texts, &work, ROUNDS);
        if (run > 0) /* the first warms caches */
            figure_add(&figure, pair.reference / pair.ours, (double)(work.count * ROUNDS) / pair.ours);
    }
    if (work.denied_by_judge == 0 || work.denied_by_judge != work.denied_by_pcre2)
        bench_fail("our keywords deny %llu events, PCRE2's %llu", (unsigned long long)work.denied_by_judge,
                   (unsigned long long)work.denied_by_pcre2);
    figure_report(&figure, arguments[1]);
    free_work(&work);
    corpus_free(corpus);
    return 0;
}
