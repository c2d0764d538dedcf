/* A pattern whose set was kept has passed PCRE2 when the set was made, and its route is known: nothing is compiled of
 * it but what PCRE2 confirms. */
#include "filters/pattern_build.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "filters/case_folding.h"
#include "filters/glob.h"
#include "filters/kept_set.h"
#include "filters/pattern_confirm.h"
#include "filters/vectorscan.h"

/* A glob with more `?` than this goes to PCRE2 alone: vectorscan's automaton of it would be huge. */
#define GLOB_SINGLE_MAXIMUM 128u

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
    if (builder->kept)
        return;
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

static void prepare_one(struct builder *builder, uint32_t index, const struct pattern *pattern)
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
    if (builder->kept)
        builder->candidates[index].route = builder->kept->routes[index];
}

void pattern_build_prepare(struct builder *builder, const struct pattern *patterns)
{
    builder->candidates = memory_allocate_zeroed(builder->count, sizeof *builder->candidates);
    for (uint32_t index = 0; index < builder->count; index++)
        prepare_one(builder, index, &patterns[index]);
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

void pattern_build_compile(struct builder *builder, hs_database_t *databases[static PART_COUNT])
{
    for (enum part part = 0; part < PART_COUNT; part++)
        compile_part(builder, part, &databases[part]);
}

/* Whether vectorscan has a pattern of the part. */
static bool has_database(const struct builder *builder, enum part part)
{
    for (uint32_t index = 0; index < builder->count; index++)
        if (builder->candidates[index].part == part && builder->candidates[index].route != ROUTE_ALONE)
            return true;
    return false;
}

const char *pattern_build_load(const struct builder *builder, hs_database_t *databases[static PART_COUNT])
{
    for (enum part part = 0; part < PART_COUNT; part++) {
        struct slice kept = builder->kept->databases[part];
        if (has_database(builder, part) != (kept.length > 0))
            return "its databases are not those of its patterns";
        if (kept.length && hs_deserialize_database(kept.data, kept.length, &databases[part]) != HS_SUCCESS)
            return "vectorscan does not take its database";
    }
    return NULL;
}

bool pattern_build_confirm(struct builder *builder, uint32_t index)
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

void pattern_build_free(struct builder *builder)
{
    for (uint32_t index = 0; builder->candidates && index < builder->count; index++) {
        free(builder->candidates[index].expression);
        confirm_pattern_destroy(builder->candidates[index].confirm);
    }
    free(builder->candidates);
    builder->candidates = NULL;
}
