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
#include "base/utf8.h"
#include "filters/case_folding.h"
#include "filters/factor_filter.h"
#include "filters/glob.h"
#include "filters/pattern_confirm.h"
#include "filters/vectorscan.h"

enum part { PART_EXACT, PART_FOLDED, PART_UNICODE, PART_COUNT };

/* Room for folded text from the start: a Matrix event is no longer than that, so that scanning never grows it there. */
#define FOLDED_TEXT_CAPACITY 65536u

/* A glob with more `?` than this goes to PCRE2 alone: vectorscan's automaton of it would be huge. */
#define GLOB_SINGLE_MAXIMUM 128u

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

enum route { ROUTE_VECTORSCAN, ROUTE_PREFILTER, ROUTE_ALONE };

/* A pattern while the set is made. */
struct candidate {
    char *expression;
    size_t length;
    enum part part;
    enum route route;
    bool case_sensitive;
    bool utf8;                       /* the expression is one for UTF-8 mode */
    struct confirm_pattern *confirm; /* may be NULL while the route is ROUTE_VECTORSCAN */
};

struct builder {
    struct candidate *candidates;
    uint32_t count;
    pattern_error_function *report;
    void *context;
    bool failed;
};

static void report_error(struct builder *builder, uint32_t index, const char *message)
{
    builder->failed = true;
    if (builder->report)
        builder->report(builder->context, index, message);
}

/* Whether vectorscan is known to judge this expression otherwise than PCRE2: properties (\p{Greek} means script
 * extensions to PCRE2), POSIX classes ([[:upper:]] without case), and options in front ((*CRLF)). */
static bool differs(struct slice expression)
{
    if (slice_starts_with(expression, SLICE("(*")))
        return true;
    for (size_t index = 0; index + 1 < expression.length; index++) {
        const char *at = expression.data + index;
        bool class_name = index + 2 < expression.length && at[0] == '[' && at[1] == ':' &&
                          (at[2] == '^' || (at[2] >= 'a' && at[2] <= 'z'));
        if (class_name || (at[0] == '\\' && (at[1] == 'p' || at[1] == 'P')))
            return true;
    }
    return false;
}

static unsigned int flags_of(const struct candidate *candidate)
{
    unsigned int flags = HS_FLAG_SINGLEMATCH | HS_FLAG_ALLOWEMPTY;
    flags |= candidate->part == PART_UNICODE ? HS_FLAG_UTF8 | HS_FLAG_UCP : HS_FLAG_DOTALL;
    if (!candidate->case_sensitive)
        flags |= HS_FLAG_CASELESS;
    if (candidate->route == ROUTE_PREFILTER)
        flags |= HS_FLAG_PREFILTER;
    return flags;
}

static bool vectorscan_takes(const struct candidate *candidate)
{
    hs_expr_info_t *info = NULL;
    hs_compile_error_t *error = NULL;
    bool taken = hs_expression_info(candidate->expression, flags_of(candidate), &info, &error) == HS_SUCCESS;
    free(info);
    hs_free_compile_error(error);
    return taken;
}

static void choose_route(struct candidate *candidate)
{
    struct slice expression = slice_of(candidate->expression, candidate->length);
    candidate->route = ROUTE_ALONE;
    if (memchr(expression.data, '\0', expression.length) || differs(expression))
        return;
    for (candidate->route = ROUTE_VECTORSCAN; candidate->route != ROUTE_ALONE; candidate->route++) {
        if (vectorscan_takes(candidate))
            return;
    }
}

static void prepare_regex(struct builder *builder, uint32_t index, const struct pattern *pattern)
{
    struct candidate *candidate = &builder->candidates[index];
    candidate->part = PART_UNICODE;
    candidate->utf8 = true;
    candidate->expression = memory_copy_text(pattern->text.data, pattern->text.length);
    candidate->length = pattern->text.length;
    struct buffer error = {0};
    candidate->confirm = confirm_pattern_create(slice_of(candidate->expression, candidate->length), true,
                                                pattern->case_sensitive, &error);
    if (!candidate->confirm) {
        report_error(builder, index, buffer_string(&error));
    } else {
        choose_route(candidate);
        if (candidate->route == ROUTE_VECTORSCAN) {
            confirm_pattern_destroy(candidate->confirm);
            candidate->confirm = NULL;
        }
    }
    buffer_free(&error);
}

static void append_glob(struct candidate *candidate, struct buffer *expression, struct slice glob)
{
    size_t single = 0;
    for (size_t index = 0; index < glob.length; index++)
        single += glob.data[index] == '?';
    if (single > GLOB_SINGLE_MAXIMUM) {
        candidate->route = ROUTE_ALONE;
        candidate->utf8 = true;
        buffer_append_string(expression, "(?s)");
    }
    glob_append_glob(expression, glob, candidate->utf8);
}

static void prepare_bytes(struct candidate *candidate, const struct pattern *pattern)
{
    struct slice text = pattern->text;
    char *folded = NULL;
    candidate->part = pattern->case_sensitive ? PART_EXACT : PART_FOLDED;
    candidate->route = ROUTE_VECTORSCAN;
    if (!pattern->case_sensitive && !case_fold_is_ascii(text)) {
        folded = memory_allocate(text.length);
        text = slice_of(folded, case_fold_text(text, folded));
    }
    struct buffer expression = {0};
    if (pattern->syntax == PATTERN_GLOB)
        append_glob(candidate, &expression, text);
    else
        glob_append_literal(&expression, text);
    candidate->length = expression.length;
    candidate->expression = memory_copy_text(expression.data, expression.length);
    buffer_free(&expression);
    free(folded);
}

static void prepare(struct builder *builder, uint32_t index, const struct pattern *pattern)
{
    if (!pattern->text.data) {
        report_error(builder, index, "there is no pattern");
        return;
    }
    if (pattern->text.length > PATTERN_LENGTH_MAXIMUM) {
        struct buffer message = {0};
        buffer_append_format(&message, "the pattern has %zu bytes, more than the %u allowed", pattern->text.length,
                             PATTERN_LENGTH_MAXIMUM);
        report_error(builder, index, buffer_string(&message));
        buffer_free(&message);
        return;
    }
    if (!utf8_valid(pattern->text)) {
        report_error(builder, index, "the pattern is not valid UTF-8");
        return;
    }
    builder->candidates[index].case_sensitive = pattern->case_sensitive;
    if (pattern->syntax == PATTERN_REGEX)
        prepare_regex(builder, index, pattern);
    else
        prepare_bytes(&builder->candidates[index], pattern);
}

/* Lists what vectorscan is to take of a part; returns how many. */
static uint32_t gather(const struct builder *builder, enum part part, const char **expressions, unsigned int *flags,
                       unsigned int *ids)
{
    uint32_t count = 0;
    for (uint32_t index = 0; index < builder->count; index++) {
        const struct candidate *candidate = &builder->candidates[index];
        if (candidate->part != part || candidate->route == ROUTE_ALONE)
            continue;
        expressions[count] = candidate->expression;
        flags[count] = flags_of(candidate);
        ids[count++] = index;
    }
    return count;
}

/* After a refusal: the pattern it names takes the next route; where it names none, all of the part go to PCRE2. */
static void demote(struct builder *builder, const unsigned int *ids, uint32_t count, int refused)
{
    for (uint32_t place = 0; place < count; place++) {
        struct candidate *candidate = &builder->candidates[ids[place]];
        if (refused < 0 || candidate->part != PART_UNICODE)
            candidate->route = refused < 0 || (uint32_t)refused == place ? ROUTE_ALONE : candidate->route;
        else if ((uint32_t)refused == place)
            candidate->route++;
    }
}

static void compile_part(struct builder *builder, enum part part, hs_database_t **database)
{
    const char **expressions = memory_allocate_zeroed(builder->count, sizeof *expressions);
    unsigned int *flags = memory_allocate_zeroed(builder->count, sizeof *flags);
    unsigned int *ids = memory_allocate_zeroed(builder->count, sizeof *ids);
    for (;;) {
        uint32_t count = gather(builder, part, expressions, flags, ids);
        hs_compile_error_t *error = NULL;
        if (count == 0 || hs_compile_multi(expressions, flags, ids, count, HS_MODE_BLOCK,
                                           vectorscan_implementation()->platform, database, &error) == HS_SUCCESS)
            break;
        int refused = error && error->expression < (int)count ? error->expression : -1;
        hs_free_compile_error(error);
        demote(builder, ids, count, refused);
    }
    free(expressions);
    free(flags);
    free(ids);
}

/* The same expression in PCRE2. False, reported, if PCRE2 cannot take it either. */
static bool ensure_confirm(struct builder *builder, uint32_t index)
{
    struct candidate *candidate = &builder->candidates[index];
    struct buffer error = {0};
    if (!candidate->confirm)
        candidate->confirm = confirm_pattern_create(slice_of(candidate->expression, candidate->length), candidate->utf8,
                                                    candidate->case_sensitive, &error);
    if (candidate->confirm)
        confirm_pattern_optimise(candidate->confirm);
    else
        report_error(builder, index, buffer_string(&error));
    buffer_free(&error);
    return candidate->confirm != NULL;
}

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
        if (candidate->route == ROUTE_VECTORSCAN || !ensure_confirm(builder, index))
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

static void build(struct builder *builder, struct pattern_set *set)
{
    for (enum part part = 0; part < PART_COUNT; part++)
        compile_part(builder, part, &set->databases[part]);
    collect_confirmed(builder, set);
    allocate_scratch(set);
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

struct pattern_set *pattern_set_compile(const struct pattern *patterns, uint32_t count, pattern_error_function *report,
                                        void *context)
{
    struct builder builder = {.count = count, .report = report, .context = context};
    if (count > PATTERN_COUNT_MAXIMUM) {
        report_error(&builder, PATTERN_COUNT_MAXIMUM, "there are more patterns than the 1000000 allowed");
        return NULL;
    }
    builder.candidates = memory_allocate_zeroed(count, sizeof *builder.candidates);
    for (uint32_t index = 0; index < count; index++)
        prepare(&builder, index, &patterns[index]);
    struct pattern_set *set = memory_allocate_zeroed(1, sizeof *set);
    set->vectorscan = vectorscan_implementation();
    if (!builder.failed) {
        build(&builder, set);
        set->filter = factor_filter_create(patterns, count);
    }
    for (uint32_t index = 0; index < count; index++) {
        free(builder.candidates[index].expression);
        confirm_pattern_destroy(builder.candidates[index].confirm);
    }
    free(builder.candidates);
    if (builder.failed) {
        pattern_set_destroy(set);
        return NULL;
    }
    return set;
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
