/* Texts that are like others: found from the wanted similarity on, and not much before, as far as the header says. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>

#include "filters/similar_texts.h"

#define SEED 11

static uint64_t group(struct similar_texts *texts, const char *text)
{
    return similar_texts_group(texts, slice_from_string(text), SEED, true);
}

Test(similar_texts, a_word_changed_is_the_same_group)
{
    struct similar_texts *texts = similar_texts_create(0.7, 1024);
    uint64_t first = group(texts, "earn5000adaywithoursecretcryptosystemjointhechannelnowandtellyourfriendsaboutit");
    cr_expect_eq(group(texts, "earn5000adaywithoursecretcryptosystemjointhechannelnowandtellyourfriendsaboutit"),
                 first);
    cr_expect_eq(group(texts, "earn7000adaywithoursecretcryptosystemjointhechannelnowandtellyourfriendsaboutit"),
                 first);
    cr_expect_eq(group(texts, "peterearn7000adaywithoursecretcryptosystemjointhechannelnowandtellyourfriendsaboutit"),
                 first);
    cr_expect_neq(group(texts, "hasanybodyseentheminutesofthelastmeetingicannotfindtheminthechannelanymoresorry"),
                  first);
    cr_expect_neq(group(texts, "earn"), first);
    cr_expect_eq(group(texts, "earn"), group(texts, "earn"));
    cr_expect_eq(group(texts, ""), group(texts, ""));
    similar_texts_destroy(texts);
}

static uint64_t next_random(uint64_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    return *random ^= *random << 17;
}

static void random_text(uint64_t *random, char *text, size_t length)
{
    for (size_t at = 0; at < length; at++)
        text[at] = (char)('a' + next_random(random) % 26);
    text[length] = '\0';
}

/* A pair of texts of `length` with about this share of runs in common: the second begins like the first. */
static double make_pair(uint64_t *random, size_t length, double similarity, char *first, char *second)
{
    random_text(random, first, length);
    random_text(random, second, length);
    double runs = (double)length - 5;
    double common = round(2 * runs * similarity / (1 + similarity));
    memcpy(second, first, (size_t)common + 5);
    return common / (2 * runs - common);
}

/* What is found of pairs whose similarity lies three standard errors above the wanted, and below it. */
Test(similar_texts, the_error_is_as_stated)
{
    enum { PAIRS = 400 };
    static const double wanted[] = {0.5, 0.6, 0.7, 0.8, 0.9};
    static const size_t lengths[] = {40, 150, 600, 4000};
    uint64_t random = 88172645463325252u;
    char first[4001], second[4001];
    for (size_t row = 0; row < sizeof wanted / sizeof *wanted; row++) {
        for (size_t size = 0; size < sizeof lengths / sizeof *lengths; size++) {
            double error = 3 * sqrt(wanted[row] * (1 - wanted[row]) / 128) + 1.0 / (double)lengths[size];
            int found_above = 0, found_below = 0;
            for (int pair = 0; pair < PAIRS; pair++) {
                struct similar_texts *texts = similar_texts_create(wanted[row], 64);
                make_pair(&random, lengths[size], wanted[row] + error, first, second);
                found_above += group(texts, first) == group(texts, second);
                make_pair(&random, lengths[size], wanted[row] - error, first, second);
                found_below += group(texts, first) == group(texts, second);
                similar_texts_destroy(texts);
            }
            cr_expect_geq(found_above, PAIRS * 95 / 100, "%.1f, %zu bytes: %d of %d", wanted[row], lengths[size],
                          found_above, PAIRS);
            cr_expect_leq(found_below, PAIRS * 2 / 100, "%.1f, %zu bytes: %d of %d", wanted[row], lengths[size],
                          found_below, PAIRS);
        }
    }
}

/* Others that came between do not hide a text, until it gives way itself. */
Test(similar_texts, holds_as_many_as_it_was_made_for)
{
    enum { CAPACITY = 4096, LENGTH = 120, LOOKED = 300 };
    static char kept[LOOKED][LENGTH + 1];
    struct similar_texts *texts = similar_texts_create(0.8, CAPACITY);
    uint64_t random = 1234567, groups[LOOKED];
    char text[LENGTH + 1];
    int found = 0;
    cr_expect_leq(similar_texts_memory(texts), CAPACITY * 240u + 64);
    for (int number = 0; number < LOOKED; number++) {
        random_text(&random, kept[number], LENGTH);
        groups[number] = group(texts, kept[number]);
    }
    for (int number = 0; number < CAPACITY * 3 / 4; number++) {
        random_text(&random, text, LENGTH);
        group(texts, text);
    }
    for (int number = 0; number < LOOKED; number++) {
        kept[number][7] = '0';
        found += similar_texts_group(texts, slice_from_string(kept[number]), SEED, false) == groups[number];
        kept[number][7] = '1';
        found += similar_texts_group(texts, slice_from_string(kept[number]), SEED, false) == groups[number];
    }
    cr_expect_geq(found, 2 * LOOKED * 95 / 100, "%d", found);
    for (int number = 0; number < 2 * CAPACITY; number++) {
        random_text(&random, text, LENGTH);
        group(texts, text);
    }
    for (int number = 0; number < LOOKED; number++)
        cr_expect_neq(similar_texts_group(texts, slice_from_string(kept[number]), SEED, false), groups[number]);
    similar_texts_destroy(texts);
}

/* What comes all the time stays, whatever came since it came first. */
Test(similar_texts, what_comes_again_is_held)
{
    struct similar_texts *texts = similar_texts_create(0.9, 64);
    uint64_t random = 99;
    char text[81];
    uint64_t first = group(texts, "onetextthatisalwaysthere0123456789onetextthatisalwaysthere");
    for (int number = 0; number < 2000; number++) {
        random_text(&random, text, 80);
        group(texts, text);
        if (number % 10 == 0)
            cr_assert_eq(group(texts, "onetextthatisalwaysthere0123456789onetextthatisalwaysthere"), first);
    }
    similar_texts_destroy(texts);
}

Test(similar_texts, a_snapshot_says_the_same)
{
    struct similar_texts *texts = similar_texts_create(0.6, 256), *restored = similar_texts_create(0.6, 256);
    struct buffer saved = {0};
    char text[81];
    uint64_t random = 5;
    for (int number = 0; number < 300; number++) {
        random_text(&random, text, 80);
        group(texts, text);
    }
    similar_texts_save(texts, &saved);
    group(restored, "something else altogether");
    cr_expect(similar_texts_restore(restored, buffer_slice(&saved)));
    random = 5;
    for (int number = 0; number < 300; number++) {
        random_text(&random, text, 80);
        text[40] = '0';
        cr_expect_eq(similar_texts_group(restored, slice_from_string(text), SEED, false),
                     similar_texts_group(texts, slice_from_string(text), SEED, false));
    }
    cr_expect_not(similar_texts_restore(restored, slice_of(saved.data, saved.length - 1)));
    cr_expect_not(similar_texts_restore(restored, SLICE("")));
    memset(saved.data + 8, 0, 8);
    cr_expect_not(similar_texts_restore(restored, buffer_slice(&saved)));
    buffer_free(&saved);
    similar_texts_destroy(texts);
    similar_texts_destroy(restored);
}
