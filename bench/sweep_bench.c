/* How the cost of an event grows with what a chain holds and with what events look like: each point of a sweep is the
 * time for reading and judging against that of yyjson alone on the same events.
 *
 * All points of a sweep are made first and then measured in turn, run by run, so that a slow minute falls on all of
 * them. A short run keeps the sizes that are marked. */
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "bench/hit_share.h"
#include "bench/judged.h"
#include "bench/pass_chain.h"
#include "bench/rules.h"
#include "bench/variants.h"

/* Passes of each side in one run of a point, and runs. A pass is some milliseconds. */
#define ROUNDS 2
#define RUNS 7

#define YYJSON_ALONE "yyjson_read_opts alone, default flags, pool reused, same events"

struct size {
    unsigned x;
    bool short_run;
};

/* A sweep whose points are made but not measured. */
struct grown {
    struct sweep sweep;
    struct judged *points[SWEEP_POINTS_MAXIMUM];
    struct chain *chains[SWEEP_POINTS_MAXIMUM]; /* to be destroyed with the point, or NULL */
};

struct bench {
    const struct corpus *corpus;
    const char *json_path;
    struct chain *standard;
    struct corpus_event *passing; /* recorded events that the standard chain lets pass */
    size_t passing_count;
};

static bool wanted(const struct size *size)
{
    return size->short_run || !bench_is_quick();
}

static void grow(struct grown *grown, double x, const struct judged_settings *settings, bool own_chain)
{
    size_t place = grown->sweep.count;
    sweep_point(&grown->sweep, x);
    grown->points[place] = judged_create(settings);
    grown->chains[place] = own_chain ? settings->chain : NULL;
}

/* A point whose chain is its own, over all recorded events. */
static void grow_chain(struct grown *grown, double x, const struct bench *bench, struct chain *chain)
{
    struct judged_settings settings = {bench->corpus->events, bench->corpus->event_count, chain, ROWS_NONE};
    grow(grown, x, &settings, true);
}

/* Measures all points, reports and frees them. */
static void finish(struct grown *grown, const char *json_path)
{
    for (unsigned run = 0; run <= bench_runs(RUNS); run++) {
        for (size_t place = 0; place < grown->sweep.count; place++) {
            struct figure_pair pair = judged_measure(grown->points[place], ROUNDS);
            double each = pair.ours * 1e9 / ROUNDS / (double)judged_count(grown->points[place]);
            if (run > 0) /* the first one warms caches and pools */
                sweep_add(&grown->sweep.points[place], pair.ours / pair.reference, each);
        }
    }
    sweep_report(&grown->sweep, json_path);
    for (size_t place = 0; place < grown->sweep.count; place++) {
        judged_destroy(grown->points[place]);
        chain_destroy(grown->chains[place]);
    }
    free(grown);
}

static struct grown *start(struct sweep sweep)
{
    struct grown *grown = memory_allocate_zeroed(1, sizeof *grown);
    grown->sweep = sweep;
    grown->sweep.unit = "ns/event";
    grown->sweep.reference = YYJSON_ALONE;
    return grown;
}

static void sweep_modules(const struct bench *bench)
{
    static const struct size sizes[] = {{1, true},   {2, false},  {5, false}, {10, true},
                                        {20, false}, {50, false}, {100, true}};
    struct grown *grown = start((struct sweep){.name = "chain_by_modules",
                                               .title = "Chain, by number of modules that look at nothing",
                                               .x_name = "modules",
                                               .law = LAW_LINEAR});
    for (size_t index = 0; index < sizeof sizes / sizeof *sizes; index++) {
        if (wanted(&sizes[index]))
            grow_chain(grown, sizes[index].x, bench, pass_chain(sizes[index].x, 0));
    }
    finish(grown, bench->json_path);
}

/* Compiling 100,000 globs or 10,000 expressions takes the pattern library half a minute and more: those sweeps end
 * before. */
static void sweep_patterns(const struct bench *bench)
{
    static const struct {
        const char *name;
        const char *title;
        enum pattern_syntax syntax;
        unsigned most;
    } kinds[] = {
        {"chain_by_literals", "Keywords, by number of literals", PATTERN_LITERAL, 100000},
        {"chain_by_globs", "Keywords, by number of globs (more than 10,000 take long to compile)", PATTERN_GLOB, 10000},
        {"chain_by_regexes", "Keywords, by number of regular expressions (more than 3,000 take long to compile)",
         PATTERN_REGEX, 3000}};
    static const struct size sizes[] = {{10, true},    {30, false},   {100, false},   {300, true},
                                        {1000, false}, {3000, false}, {10000, false}, {100000, false}};
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
        struct grown *grown = start((struct sweep){.name = kinds[kind].name,
                                                   .title = kinds[kind].title,
                                                   .x_name = "patterns",
                                                   .law = LAW_LOGARITHMIC,
                                                   .logarithmic_axis = true});
        for (size_t index = 0; index < sizeof sizes / sizeof *sizes && sizes[index].x <= kinds[kind].most; index++) {
            struct rules_module module;
            if (!wanted(&sizes[index]))
                continue;
            module = rules_patterns(kinds[kind].syntax, sizes[index].x);
            grow_chain(grown, sizes[index].x, bench, rules_chain_of(&module, 1));
        }
        finish(grown, bench->json_path);
    }
}

/* Each event comes from another sender, so that a list's memory is touched all over, as real traffic does. */
static void sweep_ids(const struct bench *bench)
{
    static const struct size sizes[] = {{10, false},     {100, false},    {1000, false},    {10000, true},
                                        {100000, false}, {1000000, true}, {10000000, false}};
    struct variants *events = variants_of_senders(bench->corpus->events, bench->corpus->event_count);
    struct grown *grown = start((struct sweep){.name = "chain_by_ids",
                                               .title = "Sender list, by number of ids; every event of another sender",
                                               .x_name = "ids",
                                               .law = LAW_LOGARITHMIC,
                                               .logarithmic_axis = true});
    for (size_t index = 0; index < sizeof sizes / sizeof *sizes; index++) {
        if (!wanted(&sizes[index]))
            continue;
        struct rules_module module = rules_senders(sizes[index].x);
        struct judged_settings settings = {events->events, events->count, rules_chain_of(&module, 1), ROWS_NONE};
        grow(grown, sizes[index].x, &settings, true);
    }
    finish(grown, bench->json_path);
    variants_free(events);
}

/* The same number of bytes for each size, so that the caches have the same to do. */
#define SIZE_BYTES (4u << 20)

static void sweep_size(const struct bench *bench, enum variants_text text, const char *name, const char *title)
{
    static const struct size sizes[] = {{200, true},   {400, false},   {800, false},   {1600, true}, {3200, false},
                                        {6400, false}, {12800, false}, {25600, false}, {64000, true}};
    struct variants *variants[sizeof sizes / sizeof *sizes] = {NULL};
    struct grown *grown = start(
        (struct sweep){.name = name, .title = title, .x_name = "bytes", .law = LAW_LINEAR, .logarithmic_axis = true});
    for (size_t index = 0; index < sizeof sizes / sizeof *sizes; index++) {
        if (!wanted(&sizes[index]))
            continue;
        variants[index] =
            variants_of_size(bench->passing, bench->passing_count, sizes[index].x, SIZE_BYTES / sizes[index].x, text);
        struct judged_settings settings = {variants[index]->events, variants[index]->count, bench->standard, ROWS_NONE};
        grow(grown, sizes[index].x, &settings, false);
    }
    finish(grown, bench->json_path);
    for (size_t index = 0; index < sizeof sizes / sizeof *sizes; index++)
        variants_free(variants[index]);
}

static const struct size shares[] = {{0, true}, {25, false}, {50, true}, {75, false}, {100, true}};
#define SHARES (sizeof shares / sizeof *shares)

/* Recorded events that the other modules let pass, so that the list of senders alone decides how many are denied: it
 * holds the senders of half of them, and each share is mixed from the two halves. */
struct hits {
    struct corpus_event *mixed[SHARES];
    size_t count;                /* in each of them */
    struct chain *senders_first; /* the list is the first module, or the last one */
    struct chain *senders_last;
};

static void mix(const struct bench *bench, struct hits *hits)
{
    struct judged_settings settings = {.chain = hits->senders_first};
    struct judged *judged = judged_create(&settings);
    struct corpus_event *halves[2]; /* let pass, denied */
    size_t counts[2] = {0};
    for (size_t half = 0; half < 2; half++)
        halves[half] = memory_allocate_zeroed(bench->passing_count, sizeof *halves[half]);
    for (size_t index = 0; index < bench->passing_count; index++) {
        bool denied = !judged_passes(judged, &bench->passing[index]);
        halves[denied][counts[denied]++] = bench->passing[index];
    }
    hits->count = counts[0] < counts[1] ? counts[0] : counts[1];
    for (size_t share = 0; share < SHARES; share++) {
        size_t taken[2] = {0};
        hits->mixed[share] = memory_allocate_zeroed(hits->count, sizeof *hits->mixed[share]);
        for (size_t index = 0; index < hits->count; index++) {
            bool denied = (index + 1) * shares[share].x / 100 > index * shares[share].x / 100;
            hits->mixed[share][index] = halves[denied][taken[denied]++];
        }
    }
    free(halves[0]);
    free(halves[1]);
    judged_destroy(judged);
}

static void sweep_share(const struct bench *bench, const struct hits *hits, bool senders_first, enum judged_rows rows,
                        const char *name, const char *title)
{
    /* A denial by the last module saves nothing, and where all events have a row it has to be written anyway. */
    enum sweep_law law = senders_first && rows != ROWS_OF_ALL ? LAW_LINEAR : LAW_CONSTANT;
    struct grown *grown = start((struct sweep){.name = name, .title = title, .x_name = "per cent denied", .law = law});
    for (size_t index = 0; index < SHARES; index++) {
        if (!wanted(&shares[index]))
            continue;
        struct judged_settings settings = {hits->mixed[index], hits->count,
                                           senders_first ? hits->senders_first : hits->senders_last, rows};
        grow(grown, shares[index].x, &settings, false);
        struct judged *point = grown->points[grown->sweep.count - 1];
        judged_pass(point);
        if (judged_denied(point) != hits->count * shares[index].x / 100)
            bench_fail("%s: %zu of %zu events were denied instead of %u per cent", name, judged_denied(point),
                       hits->count, shares[index].x);
    }
    finish(grown, bench->json_path);
}

static void sweep_hits(const struct bench *bench)
{
    struct rules_module first[] = {hit_share_senders(bench->passing, bench->passing_count, 50), rules_keywords(),
                                   rules_domains()};
    struct rules_module last[] = {rules_keywords(), rules_domains(),
                                  hit_share_senders(bench->passing, bench->passing_count, 50)};
    struct hits hits = {.senders_first = rules_chain_of(first, 3), .senders_last = rules_chain_of(last, 3)};
    mix(bench, &hits);
    sweep_share(bench, &hits, true, ROWS_NONE, "chain_by_hits", "Chain, by share denied by its first module");
    sweep_share(bench, &hits, false, ROWS_NONE, "chain_by_hits_last", "Chain, by share denied by its last module");
    sweep_share(bench, &hits, true, ROWS_OF_DENIED, "chain_by_hits_recorded",
                "Chain and verdict rows of what is denied, by share denied by its first module");
    sweep_share(bench, &hits, true, ROWS_OF_ALL, "chain_by_hits_all_recorded",
                "Chain and verdict rows of all events, by share denied by its first module");
    for (size_t index = 0; index < SHARES; index++)
        free(hits.mixed[index]);
    chain_destroy(hits.senders_first);
    chain_destroy(hits.senders_last);
}

/* Two chains over the same events. */
struct contest {
    struct judged *ours;
    struct judged *reference;
};

static void pass_ours(void *context)
{
    judged_pass(((struct contest *)context)->ours);
}

static void pass_reference(void *context)
{
    judged_pass(((struct contest *)context)->reference);
}

/* A chain with longer lists against the standard one. */
static void compare(const struct bench *bench, struct figure *figure, struct chain *chain)
{
    struct judged_settings settings = {bench->corpus->events, bench->corpus->event_count, chain, ROWS_NONE};
    struct contest contest = {.ours = judged_create(&settings)};
    settings.chain = bench->standard;
    contest.reference = judged_create(&settings);
    for (unsigned run = 0; run <= bench_runs(RUNS); run++) {
        struct figure_pair pair = figure_measure(pass_ours, pass_reference, &contest, 2 * ROUNDS);
        if (run > 0)
            figure_add(figure, pair.ours / pair.reference, pair.ours * 1e9 / (2 * ROUNDS) / (double)settings.count);
    }
    fprintf(stderr, "bench: %s: %zu events denied, %zu by the standard chain\n", figure->name,
            judged_denied(contest.ours), judged_denied(contest.reference));
    figure_report(figure, bench->json_path);
    judged_destroy(contest.ours);
    judged_destroy(contest.reference);
    chain_destroy(chain);
}

#define STANDARD_CHAIN "the standard chain: 10,000 ids, 50 regular expressions, 1,000 domains"

static void measure_long_lists(const struct bench *bench)
{
    struct rules_module literals[] = {rules_senders(1000000), rules_keywords(), rules_patterns(PATTERN_LITERAL, 9950),
                                      rules_domains()};
    struct figure figure = {.name = "chain_10k_patterns_vs_50",
                            .reference =
                                STANDARD_CHAIN "; ours: 1,000,000 ids, those 50 and 9,950 literals, 1,000 domains",
                            .unit = "ns/event",
                            .bound = BOUND_AT_MOST,
                            .limit = 2};
    compare(bench, &figure, rules_chain_of(literals, sizeof literals / sizeof *literals));
    if (bench_is_quick())
        return;
    struct rules_module expressions[] = {rules_senders(1000000), rules_expressions(1000), rules_domains()};
    struct figure regexes = {.name = "chain_1k_regexes_vs_50",
                             .reference =
                                 STANDARD_CHAIN "; ours: 1,000,000 ids, 1,000 regular expressions, 1,000 domains",
                             .unit = "ns/event"};
    compare(bench, &regexes, rules_chain_of(expressions, sizeof expressions / sizeof *expressions));
}

static void choose_passing(struct bench *bench)
{
    struct judged_settings settings = {.chain = bench->standard};
    struct judged *judged = judged_create(&settings);
    bench->passing = memory_allocate_zeroed(bench->corpus->event_count, sizeof *bench->passing);
    for (size_t index = 0; index < bench->corpus->event_count; index++) {
        if (judged_passes(judged, &bench->corpus->events[index]))
            bench->passing[bench->passing_count++] = bench->corpus->events[index];
    }
    judged_destroy(judged);
}

int main(int argument_count, char **arguments)
{
    if (argument_count < 3)
        bench_fail("usage: sweep_bench JSON DATA");
    struct corpus *corpus = corpus_load(arguments[2]);
    struct bench bench = {.corpus = corpus, .json_path = arguments[1], .standard = rules_chain(RULES_ALL)};
    choose_passing(&bench);
    measure_long_lists(&bench);
    sweep_modules(&bench);
    sweep_patterns(&bench);
    sweep_ids(&bench);
    sweep_size(&bench, TEXT_IN_BODY, "chain_by_size_scanned", "Chain, by size of the event: text in body");
    sweep_size(&bench, TEXT_IN_UNKNOWN_FIELD, "chain_by_size_skipped",
               "Chain, by size of the event: text in a field that no module reads");
    sweep_hits(&bench);
    free(bench.passing);
    chain_destroy(bench.standard);
    corpus_free(corpus);
    return 0;
}
