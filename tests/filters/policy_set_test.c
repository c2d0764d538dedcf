/* The index of policy lists against the plain way: every rule held against every name, while rules come and go. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "filters/glob_match.h"
#include "filters/policy_set.h"

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

/* Short texts of few letters, so that they match each other often. */
static void write_text(char *text, const char *letters, size_t length, uint32_t *seed)
{
    for (size_t at = 0; at < length; at++)
        text[at] = letters[next_random(seed) % strlen(letters)];
    text[length] = '\0';
}

#define PLACES 300
#define LISTS 5u

struct model {
    bool there;
    char entity[64];
    int64_t ordering;
};

static void expect_same(const struct policy_set *set, struct model (*model)[PLACES], const char *name)
{
    struct policy_hits hits;
    bool any = policy_set_find(set, POLICY_USER, slice_from_string(name), &hits);
    uint64_t expected = 0;
    for (uint32_t list = 0; list < LISTS; list++) {
        const struct model *best = NULL;
        bool best_is_name = false;
        for (size_t place = 0; place < PLACES; place++) {
            const struct model *rule = &model[list][place];
            bool is_name = strpbrk(rule->entity, "*?") == NULL;
            if (!rule->there || !glob_matches(slice_from_string(rule->entity), slice_from_string(name)))
                continue;
            if (!best || is_name > best_is_name || (is_name == best_is_name && rule->ordering > best->ordering)) {
                best = rule;
                best_is_name = is_name;
            }
        }
        if (!best)
            continue;
        expected |= 1ull << list;
        cr_assert(any && hits.lists >> list & 1, "%s: %s is not found", name, best->entity);
        struct slice entity = policy_set_rule(set, hits.rules[list]).entity;
        cr_assert(slice_equal(entity, slice_from_string(best->entity)), "%s: %.*s instead of %s", name,
                  (int)entity.length, entity.data, best->entity);
    }
    cr_assert_eq(any ? hits.lists : 0, expected, "%s", name);
}

Test(policy_set, finds_what_the_plain_way_finds)
{
    static struct model model[LISTS][PLACES];
    const unsigned apply[LISTS] = {15, 15, 15, 15, 15};
    struct policy_guard guard;
    uint32_t seed = 7;
    policy_guard_open(&guard, &(struct text_list){0}, SLICE("own"));
    struct policy_set *set = policy_set_create(
        &(struct policy_set_settings){.lists = LISTS, .apply = apply, .capacity = 100000, .guard = guard});
    for (int64_t step = 1; step <= 20000; step++) {
        uint32_t list = next_random(&seed) % LISTS, number = next_random(&seed) % PLACES;
        struct model *rule = &model[list][number];
        char key[32];
        snprintf(key, sizeof key, "%u", number);
        rule->there = next_random(&seed) % 3 != 0;
        rule->ordering = step;
        write_text(rule->entity, next_random(&seed) % 2 ? "ab" : "aabb*?", 1 + next_random(&seed) % 20, &seed);
        struct policy_rule read = {.entity = slice_from_string(rule->entity)};
        struct policy_place place = {.list = list,
                                     .type = {POLICY_USER, 0},
                                     .state_key = slice_from_string(key),
                                     .event_id = slice_of((const char *)&step, sizeof step),
                                     .ordering = step};
        /* A rule for all users of the homeserver is refused, and the model knows no guard. */
        if (policy_guard_refuses(&guard, POLICY_USER, read.entity))
            rule->there = false;
        cr_assert(policy_set_put(set, &place, rule->there ? POLICY_RULE_READ : POLICY_RULE_EMPTY, &read));
        char name[32];
        write_text(name, "ab", 1 + next_random(&seed) % 20, &seed);
        if (step % 10 == 0)
            expect_same(set, model, name);
    }
    policy_set_destroy(set);
}

/* A record that says it has a digest, and is of no rule, ends behind the snapshot's last byte. */
Test(policy_set, a_damaged_snapshot_changes_nothing)
{
    const unsigned apply[] = {15};
    struct policy_set_settings settings = {.lists = 1, .apply = apply, .capacity = 10};
    struct policy_place place = {
        .type = {POLICY_USER, 0}, .state_key = SLICE("k"), .event_id = SLICE("$1"), .ordering = 1};
    struct buffer saved = {0};
    policy_guard_open(&settings.guard, &(struct text_list){0}, SLICE("own"));
    struct policy_set *set = policy_set_create(&settings);
    cr_assert(policy_set_put(set, &place, POLICY_RULE_EMPTY, NULL));
    policy_set_save(set, &saved);
    for (size_t length = 16; length <= saved.length; length++) {
        char *copy = malloc(length); /* of its own size, so that ASan sees its end */
        memcpy(copy, saved.data, length);
        if (length == saved.length)
            copy[length - 7] = 1; /* "hashed" */
        struct policy_set *other = policy_set_share(set);
        cr_expect_eq(policy_set_restore(other, slice_of(copy, length)), length == 16, "%zu", length);
        policy_set_destroy(other);
        free(copy);
    }
    cr_expect_eq(policy_set_size(set), 1);
    policy_set_destroy(set);
    buffer_free(&saved);
}

Test(glob_match, matches_and_covers)
{
    static const struct {
        const char *glob, *text;
        bool matches, covers;
    } rows[] = {
        {"", "", true, true},
        {"*", "", true, true},
        {"?", "", false, false},
        {"a", "a", true, true},
        {"a", "A", false, false},
        {"a*c", "abc", true, true},
        {"a*c", "ac", true, true},
        {"a*c", "acb", false, false},
        {"*a*b*", "xxaxxbxx", true, true},
        {"*ab", "aab", true, true},
        {"a?c",
         "a\xc3\xa4"
         "c",
         true, true},
        {"??", "\xf0\x9f\x98\x80", false, false},
        {"?", "\xf0\x9f\x98\x80", true, true},
        {"@*:*", "@*:y", true, true},
        {"@a*:y", "@*:y", false, false},
        {"*", "*?*", true, true},
        {"@?:y", "@*:y", true, false},
        {"@?:y", "@?:y", true, true},
        {"@*:y", "@?b:y", true, true},
        {"@a:y", "@?:y", false, false},
    };
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        struct slice glob = slice_from_string(rows[row].glob), text = slice_from_string(rows[row].text);
        cr_expect_eq(glob_matches(glob, text), rows[row].matches, "%s %s", rows[row].glob, rows[row].text);
        cr_expect_eq(glob_covers(glob, text), rows[row].covers, "%s %s", rows[row].glob, rows[row].text);
    }
}
