/* Three databases, because the three kinds of pattern want different things of vectorscan:
 *
 * exact    literals and globs that compare with case, as bytes of the text itself;
 * folded   those that compare without, as bytes of the case-folded text (filters/case_folding.h says why);
 * unicode  regular expressions in vectorscan's UTF-8 mode.
 *
 * Each pattern takes the cheapest route that gives PCRE2's verdict: vectorscan alone; vectorscan's prefilter, which may
 * report too much but never too little, confirmed by PCRE2; PCRE2 alone. What PCRE2 would refuse is an error even where
 * vectorscan would take it, so that a configuration means one thing on every machine.
 *
 * Before all that, a text without any factor of any pattern is not searched at all (filters/factor_filter.h).
 *
 * Known difference: vectorscan's tables are those of Unicode 7. A regular expression on its own route does not know
 * letters and cases that came later (`\w` on Tangut, caseless Georgian); literals and globs do. Where the two libraries
 * differ for other reasons (script names, POSIX classes, caseless \p{Lu}), differs() sends the pattern to PCRE2. */
#include "filters/pattern_set.h"

#include <stdlib.h>

#include "base/lane.h"
#include "base/memory.h"
#include "filters/case_folding.h"
#include "filters/factor_filter.h"
#include "filters/kept_set.h"
#include "filters/pattern_build.h"
#include "filters/pattern_confirm.h"
#include "filters/vectorscan.h"

/* Room for folded text from the start: a Matrix event is no longer than that, so that scanning never grows it there. */
#define FOLDED_TEXT_CAPACITY 65536u

/* Smaller sets are compiled in less time than they are worth on the disk. */
#define KEPT_FROM 16u

/* A pattern that PCRE2 has the last word on. */
struct confirmed {
    struct confirm_pattern *pattern;
    uint32_t index;
    enum part part;
};

struct pattern_set {
    hs_database_t *databases[PART_COUNT]; /* NULL if the part has no pattern for vectorscan */
    const struct vectorscan *vectorscan;
    hs_scratch_t *scratch;
    bool uses_folded;
    struct buffer folded;
    struct confirmed *confirmed; /* in the order of their indices */
    uint32_t confirmed_count;
    uint32_t *confirmed_place; /* by index of the pattern: its place above, or PATTERN_NONE */
    uint64_t *alone;           /* bits by place: always to be tried */
    uint64_t *pending;         /* bits by place: to be tried on this text */
    size_t bit_words;
    struct confirm_context *confirm;
    uint32_t steps;               /* of `confirm` in every lane; 0: as it has them */
    struct factor_filter *filter; /* NULL: every text is searched */
    uint32_t best;                /* of the scan under way */
    uint64_t limit_hits;
    /* The set as other lanes have it: the same databases, and their own of what a scan changes. [0] is unused. */
    struct pattern_set *lanes[LANES_MAXIMUM];
};

static void collect_confirmed(struct builder *builder, struct pattern_set *set)
{
    uint32_t count = 0;
    for (uint32_t index = 0; index < builder->count; index++)
        count += builder->candidates[index].route != ROUTE_VECTORSCAN;
    set->bit_words = (count + 63) / 64;
    set->confirmed = memory_allocate_zeroed(count, sizeof *set->confirmed);
    set->confirmed_place = memory_allocate_zeroed(builder->count, sizeof *set->confirmed_place);
    set->alone = memory_allocate_zeroed(set->bit_words, sizeof *set->alone);
    set->pending = memory_allocate_zeroed(set->bit_words, sizeof *set->pending);
    if (count)
        set->confirm = confirm_context_create();
    for (uint32_t index = 0; index < builder->count; index++) {
        struct candidate *candidate = &builder->candidates[index];
        set->uses_folded |= candidate->part == PART_FOLDED;
        set->confirmed_place[index] = PATTERN_NONE;
        if (candidate->route == ROUTE_VECTORSCAN || !pattern_build_confirm(builder, index))
            continue;
        uint32_t place = set->confirmed_count++;
        set->confirmed_place[index] = place;
        set->confirmed[place] = (struct confirmed){candidate->confirm, index, candidate->part};
        candidate->confirm = NULL;
        if (candidate->route == ROUTE_ALONE)
            set->alone[place / 64] |= (uint64_t)1 << place % 64;
    }
}

static void allocate_scratch(struct pattern_set *set)
{
    for (enum part part = 0; part < PART_COUNT; part++) {
        if (set->databases[part] && hs_alloc_scratch(set->databases[part], &set->scratch) != HS_SUCCESS)
            abort(); /* out of memory, as in base/memory.c */
    }
    if (set->uses_folded)
        (void)buffer_reserve(&set->folded, FOLDED_TEXT_CAPACITY);
}

/* What a scan changes. */
static void free_scratch(struct pattern_set *set)
{
    hs_free_scratch(set->scratch);
    confirm_context_destroy(set->confirm);
    free(set->pending);
    buffer_free(&set->folded);
}

void pattern_set_limit_steps(struct pattern_set *set, uint32_t steps)
{
    set->steps = steps;
    if (set->confirm && steps)
        confirm_context_limit(set->confirm, steps);
}

/* A lane's slot is written by its own thread only. */
static struct pattern_set *own_lane(struct pattern_set *set)
{
    struct pattern_set **slot = &set->lanes[lane_number];
    if (lane_number == 0)
        return set;
    if (!*slot) {
        struct pattern_set *lane = memory_allocate_zeroed(1, sizeof *lane);
        memcpy(lane->databases, set->databases, sizeof lane->databases);
        lane->vectorscan = set->vectorscan;
        lane->uses_folded = set->uses_folded;
        lane->confirmed = set->confirmed;
        lane->confirmed_place = set->confirmed_place;
        lane->alone = set->alone;
        lane->bit_words = set->bit_words;
        lane->pending = memory_allocate_zeroed(set->bit_words, sizeof *lane->pending);
        lane->confirm = set->confirm ? confirm_context_create() : NULL;
        pattern_set_limit_steps(lane, set->steps);
        allocate_scratch(lane);
        *slot = lane;
    }
    return *slot;
}

static struct pattern_set *finish(struct builder *builder, struct pattern_set *set, const struct pattern *patterns)
{
    if (!builder->failed) {
        collect_confirmed(builder, set);
        allocate_scratch(set);
        set->filter = factor_filter_create(patterns, builder->count);
    }
    bool failed = builder->failed;
    pattern_build_free(builder);
    if (!failed)
        return set;
    pattern_set_destroy(set);
    return NULL;
}

static struct pattern_set *begin(void)
{
    struct pattern_set *set = memory_allocate_zeroed(1, sizeof *set);
    set->vectorscan = vectorscan_implementation();
    return set;
}

/* From what is kept under `name`; NULL, told to the store where it is not just missing, if that cannot be used. */
static struct pattern_set *load(const struct pattern *patterns, uint32_t count, const struct pattern_store *store,
                                const char *name)
{
    struct buffer content = {0};
    struct kept_set kept;
    struct pattern_set *set = NULL;
    if (store->get(store->context, name, &content)) {
        struct builder builder = {.count = count, .kept = &kept};
        const char *problem = kept_set_read(buffer_slice(&content), name, count, &kept);
        set = begin();
        if (!problem) {
            pattern_build_prepare(&builder, patterns);
            problem = pattern_build_load(&builder, set->databases);
        }
        builder.failed = builder.failed || problem;
        set = finish(&builder, set, patterns);
        if (!set)
            store->unusable(store->context, name, problem ? problem : "PCRE2 does not take one of its patterns");
    }
    buffer_free(&content);
    return set;
}

static void keep(const struct builder *builder, const struct pattern_set *set, const struct pattern_store *store,
                 const char *name)
{
    struct buffer content = {0};
    if (kept_set_append(name, builder->candidates, builder->count, set->databases, &content))
        store->put(store->context, name, buffer_slice(&content));
    buffer_free(&content);
}

static struct pattern_set *compile(const struct pattern *patterns, struct builder *builder,
                                   const struct pattern_store *store, const char *name)
{
    struct pattern_set *set = begin();
    pattern_build_prepare(builder, patterns);
    if (!builder->failed) {
        pattern_build_compile(builder, set->databases);
        if (store)
            keep(builder, set, store, name);
    }
    return finish(builder, set, patterns);
}

struct pattern_set *pattern_set_compile_kept(const struct pattern *patterns, uint32_t count,
                                             const struct pattern_store *store, pattern_error_function *report,
                                             void *context)
{
    struct builder builder = {.count = count, .report = report, .context = context};
    char name[KEPT_SET_NAME_SIZE] = "";
    if (count > PATTERN_COUNT_MAXIMUM) {
        if (report)
            report(context, PATTERN_COUNT_MAXIMUM, "there are more patterns than the 1000000 allowed");
        return NULL;
    }
    if (count < KEPT_FROM)
        store = NULL;
    struct pattern_set *set = NULL;
    if (store) {
        kept_set_name(patterns, count, name);
        set = load(patterns, count, store, name);
    }
    return set ? set : compile(patterns, &builder, store, name);
}

struct pattern_set *pattern_set_compile(const struct pattern *patterns, uint32_t count, pattern_error_function *report,
                                        void *context)
{
    return pattern_set_compile_kept(patterns, count, NULL, report, context);
}

void pattern_set_destroy(struct pattern_set *set)
{
    if (!set)
        return;
    for (enum part part = 0; part < PART_COUNT; part++)
        hs_free_database(set->databases[part]);
    for (unsigned lane = 1; lane < LANES_MAXIMUM; lane++) {
        if (set->lanes[lane])
            free_scratch(set->lanes[lane]);
        free(set->lanes[lane]);
    }
    free_scratch(set);
    for (uint32_t place = 0; place < set->confirmed_count; place++)
        confirm_pattern_destroy(set->confirmed[place].pattern);
    free(set->confirmed);
    free(set->confirmed_place);
    free(set->alone);
    factor_filter_destroy(set->filter);
    free(set);
}

static int on_match(unsigned int id, unsigned long long from, unsigned long long to, unsigned int flags, void *context)
{
    (void)from;
    (void)to;
    (void)flags;
    struct pattern_set *set = context;
    uint32_t place = set->confirmed_place[id];
    if (place != PATTERN_NONE)
        set->pending[place / 64] |= (uint64_t)1 << place % 64;
    else if (id < set->best)
        set->best = id;
    return set->best == 0;
}

/* Tries what is pending in the order of the indices, up to the best that vectorscan found by itself. */
static void confirm_pending(struct pattern_set *set, const struct slice *texts)
{
    for (size_t word = 0; word < set->bit_words; word++) {
        for (uint64_t bits = set->pending[word]; bits; bits &= bits - 1) {
            const struct confirmed *confirmed = &set->confirmed[word * 64 + (size_t)__builtin_ctzll(bits)];
            if (confirmed->index > set->best)
                return;
            enum confirm_status status =
                confirm_pattern_match(set->confirm, confirmed->pattern, texts[confirmed->part]);
            set->limit_hits += status == CONFIRM_LIMIT;
            if (status == CONFIRM_MATCH) {
                set->best = confirmed->index;
                return;
            }
        }
    }
}

static struct slice fold(struct pattern_set *set, struct slice text)
{
    if (case_fold_is_ascii(text))
        return text;
    buffer_clear(&set->folded);
    char *output = buffer_reserve(&set->folded, text.length);
    return slice_of(output, case_fold_text(text, output));
}

uint32_t pattern_set_scan(struct pattern_set *set, struct slice text)
{
    if (!text.data || text.length > UINT32_MAX || (set->filter && !factor_filter_passes(set->filter, text)))
        return PATTERN_NONE;
    set = own_lane(set);
    set->best = PATTERN_NONE;
    struct slice texts[PART_COUNT] = {text, set->uses_folded ? fold(set, text) : text, text};
    if (set->bit_words)
        memcpy(set->pending, set->alone, set->bit_words * sizeof *set->pending);
    for (enum part part = 0; part < PART_COUNT; part++) {
        if (set->databases[part])
            (void)set->vectorscan->scan(set->databases[part], texts[part].data, (unsigned int)texts[part].length, 0,
                                        set->scratch, on_match, set);
    }
    if (set->bit_words)
        confirm_pending(set, texts);
    return set->best;
}

uint64_t pattern_set_limit_hits(const struct pattern_set *set)
{
    uint64_t hits = set->limit_hits;
    for (unsigned lane = 1; lane < LANES_MAXIMUM; lane++)
        hits += set->lanes[lane] ? set->lanes[lane]->limit_hits : 0;
    return hits;
}
