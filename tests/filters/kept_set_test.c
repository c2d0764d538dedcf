#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "filters/kept_set.h"

/* A store of one set, in memory. */
struct shelf {
    struct buffer content;
    char name[KEPT_SET_NAME_SIZE];
    unsigned gets, puts, unusable;
    char problem[128];
};

static bool get(void *context, const char *name, struct buffer *content)
{
    struct shelf *shelf = context;
    shelf->gets++;
    if (strcmp(shelf->name, name) != 0)
        return false;
    buffer_append_slice(content, buffer_slice(&shelf->content));
    return true;
}

static void put(void *context, const char *name, struct slice content)
{
    struct shelf *shelf = context;
    shelf->puts++;
    snprintf(shelf->name, sizeof shelf->name, "%s", name);
    buffer_clear(&shelf->content);
    buffer_append_slice(&shelf->content, content);
}

static void unusable(void *context, const char *name, const char *problem)
{
    struct shelf *shelf = context;
    (void)name;
    shelf->unusable++;
    snprintf(shelf->problem, sizeof shelf->problem, "%s", problem);
}

/* Of every part and route: literals with and without case, globs (one for PCRE2 alone), and expressions that vectorscan
 * takes, prefilters, or leaves to PCRE2. */
#define WORDS 40
static struct pattern patterns[WORDS + 10];
static char texts[WORDS][32];
#define COUNT ((uint32_t)(sizeof patterns / sizeof *patterns))

static void make_patterns(void)
{
    static char questions[200];
    for (unsigned index = 0; index < WORDS; index++) {
        snprintf(texts[index], sizeof texts[index], "Buy pills%u now", index);
        patterns[index] = (struct pattern){slice_from_string(texts[index]), PATTERN_LITERAL, index % 2};
    }
    memset(questions, '?', sizeof questions - 1);
    patterns[WORDS] = (struct pattern){slice_from_string("*cheap*watch?"), PATTERN_GLOB, true};
    patterns[WORDS + 1] = (struct pattern){slice_from_string("*Straße*"), PATTERN_GLOB, false};
    patterns[WORDS + 2] = (struct pattern){slice_from_string(questions), PATTERN_GLOB, false};
    static const char *const expressions[] = {
        "fr[e3]{2}\\s+coins", "(a)b\\1c",        "(?<!not )casino", "\\bwin\\d+\\b",
        "\\p{Greek}{3}",      "^only at start$", "x(?=yz)"};
    for (size_t index = 0; index < sizeof expressions / sizeof *expressions; index++)
        patterns[WORDS + 3 + index] =
            (struct pattern){slice_from_string(expressions[index]), PATTERN_REGEX, index % 2 == 0};
}

static struct pattern_set *compile(struct shelf *shelf)
{
    const struct pattern_store store = {shelf, get, put, unusable};
    return pattern_set_compile_kept(patterns, COUNT, &store, NULL, NULL);
}

static const char *const samples[] = {
    "buy PILLS4 now",
    "Buy pills5 now",
    "buy pills5 now",
    "very cheap old watches",
    "in der STRASSE und Straße",
    "",
    "fr33 \tcoins",
    "FREE coins",
    "abac",
    "the casino",
    "not casino",
    "win12!",
    "only at start",
    "xyz",
    "xy",
    "αβγ",
    "nothing",
};

static void expect_same(struct pattern_set *one, struct pattern_set *other)
{
    char dots[200];
    for (size_t index = 0; index < sizeof samples / sizeof *samples; index++)
        cr_expect_eq(pattern_set_scan(one, slice_from_string(samples[index])),
                     pattern_set_scan(other, slice_from_string(samples[index])), "%s", samples[index]);
    memset(dots, '.', sizeof dots);
    cr_expect_eq(pattern_set_scan(other, slice_of(dots, 199)), WORDS + 2);
}

Test(kept_set, what_is_kept_matches_as_what_was_compiled)
{
    make_patterns();
    struct shelf shelf = {.gets = 0};
    struct pattern_set *compiled = compile(&shelf);
    cr_assert_not_null(compiled);
    cr_expect_eq(shelf.gets, 1);
    cr_expect_eq(shelf.puts, 1);
    struct pattern_set *kept = compile(&shelf);
    cr_assert_not_null(kept);
    cr_expect_eq(shelf.gets, 2);
    cr_expect_eq(shelf.puts, 1, "it was compiled again");
    cr_expect_eq(shelf.unusable, 0, "%s", shelf.problem);
    expect_same(compiled, kept);
    cr_expect_eq(pattern_set_scan(kept, SLICE("the casino")), WORDS + 5);
    pattern_set_destroy(compiled);
    pattern_set_destroy(kept);
    buffer_free(&shelf.content);
}

Test(kept_set, another_set_has_another_name)
{
    make_patterns();
    char name[KEPT_SET_NAME_SIZE], other[KEPT_SET_NAME_SIZE];
    kept_set_name(patterns, COUNT, name);
    cr_expect_eq(strlen(name), KEPT_SET_NAME_SIZE - 1);
    kept_set_name(patterns, COUNT - 1, other);
    cr_expect_str_neq(name, other);
    patterns[3].case_sensitive = !patterns[3].case_sensitive;
    kept_set_name(patterns, COUNT, other);
    cr_expect_str_neq(name, other);
    patterns[3].case_sensitive = !patterns[3].case_sensitive;
    patterns[3].syntax = PATTERN_GLOB;
    kept_set_name(patterns, COUNT, other);
    cr_expect_str_neq(name, other);
    patterns[3].syntax = PATTERN_LITERAL;
    kept_set_name(patterns, COUNT, other);
    cr_expect_str_eq(name, other);
    const struct pattern joined[] = {{SLICE("ab"), PATTERN_LITERAL, true}, {SLICE("c"), PATTERN_LITERAL, true}};
    const struct pattern parted[] = {{SLICE("a"), PATTERN_LITERAL, true}, {SLICE("bc"), PATTERN_LITERAL, true}};
    kept_set_name(joined, 2, name);
    kept_set_name(parted, 2, other);
    cr_expect_str_neq(name, other);
}

Test(kept_set, damage_is_seen_and_the_set_is_compiled_anew)
{
    make_patterns();
    struct shelf shelf = {.gets = 0};
    pattern_set_destroy(compile(&shelf));
    struct buffer whole = {0};
    struct kept_set kept;
    buffer_append_slice(&whole, buffer_slice(&shelf.content));
    for (size_t place = 0; place < whole.length; place += place < 512 ? 1 : 997) {
        whole.data[place] ^= 0x20;
        cr_expect_not_null(kept_set_read(buffer_slice(&whole), shelf.name, COUNT, &kept), "byte %zu", place);
        whole.data[place] ^= 0x20;
    }
    for (size_t length = 0; length < whole.length; length += length < 512 ? 1 : 997)
        cr_expect_not_null(kept_set_read(slice_of(whole.data, length), shelf.name, COUNT, &kept), "length %zu", length);
    cr_expect_null(kept_set_read(buffer_slice(&whole), shelf.name, COUNT, &kept));
    cr_expect_not_null(kept_set_read(buffer_slice(&whole), shelf.name, COUNT - 1, &kept));
    shelf.content.data[whole.length / 2] ^= 1;
    struct pattern_set *set = compile(&shelf);
    cr_assert_not_null(set);
    cr_expect_eq(shelf.unusable, 1);
    cr_expect_str_eq(shelf.problem, "its checksum does not fit: it is damaged");
    cr_expect_eq(shelf.puts, 2);
    cr_expect_eq(pattern_set_scan(set, SLICE("the casino")), WORDS + 5);
    pattern_set_destroy(set);
    buffer_free(&whole);
    buffer_free(&shelf.content);
}

/* With a checksum that fits: what vectorscan or the envelope finds wrong is no crash either. */
Test(kept_set, a_forged_envelope_is_refused)
{
    make_patterns();
    struct shelf shelf = {.gets = 0};
    pattern_set_destroy(compile(&shelf));
    struct buffer *content = &shelf.content;
    size_t head = content->length;
    struct kept_set kept;
    cr_assert_null(kept_set_read(buffer_slice(content), shelf.name, COUNT, &kept));
    head = (size_t)((const char *)kept.routes - content->data);
    content->data[head] = 7;
    cr_assert(kept_set_seal(content, NULL));
    cr_expect_str_eq(kept_set_read(buffer_slice(content), shelf.name, COUNT, &kept),
                     "one of its patterns has no route that there is");
    for (uint32_t index = 0; index < COUNT; index++)
        content->data[head + index] = ROUTE_ALONE;
    cr_assert(kept_set_seal(content, NULL));
    struct pattern_set *set = compile(&shelf);
    cr_assert_not_null(set);
    cr_expect_str_eq(shelf.problem, "its databases are not those of its patterns");
    pattern_set_destroy(set);
    content->data[head + COUNT] ^= 1; /* vectorscan's own magic number */
    cr_assert(kept_set_seal(content, NULL));
    set = compile(&shelf);
    cr_assert_not_null(set);
    cr_expect_str_eq(shelf.problem, "vectorscan does not take its database");
    pattern_set_destroy(set);
    buffer_free(content);
}

Test(kept_set, a_bad_pattern_is_reported_and_nothing_is_kept)
{
    make_patterns();
    struct shelf shelf = {.gets = 0};
    patterns[WORDS + 5].text = SLICE("(broken");
    cr_expect_null(compile(&shelf));
    cr_expect_eq(shelf.puts, 0);
}

Test(kept_set, small_sets_are_not_kept)
{
    make_patterns();
    struct shelf shelf = {.gets = 0};
    const struct pattern_store store = {&shelf, get, put, unusable};
    pattern_set_destroy(pattern_set_compile_kept(patterns, 10, &store, NULL, NULL));
    cr_expect_eq(shelf.gets + shelf.puts, 0);
}
