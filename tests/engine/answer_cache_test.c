/* What the cache remembers, for how long, and what it forgets first. */
#include "engine/answer_cache.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static void expect(struct answer_cache *cache, const char *key, uint64_t now, const char *wanted)
{
    struct slice found = answer_cache_find(cache, slice_from_string(key), now);
    cr_expect(slice_equal(found, slice_from_string(wanted)), "%s: %.*s", key, (int)found.length, found.data);
}

static void store(struct answer_cache *cache, const char *key, const char *answer, uint64_t now)
{
    answer_cache_store(cache, slice_from_string(key), slice_from_string(answer), now);
}

Test(answer_cache, remembers_for_a_time)
{
    struct answer_cache *cache = answer_cache_create(4, 100);
    expect(cache, "@a:x", 0, NULL);
    store(cache, "@a:x", "one", 50);
    expect(cache, "@a:x", 149, "one");
    expect(cache, "@a:x", 150, NULL);
    cr_expect_eq(answer_cache_count(cache), 0);
    store(cache, "@a:x", "two", 200);
    store(cache, "@a:x", "three", 250);
    expect(cache, "@a:x", 340, "three");
    cr_expect_eq(answer_cache_count(cache), 1);
    answer_cache_destroy(cache);
}

Test(answer_cache, forgets_what_was_used_least_recently)
{
    struct answer_cache *cache = answer_cache_create(3, 1000);
    store(cache, "a", "1", 0);
    store(cache, "b", "2", 0);
    store(cache, "c", "3", 0);
    expect(cache, "a", 1, "1");
    store(cache, "d", "4", 2);
    expect(cache, "b", 3, NULL);
    expect(cache, "a", 3, "1");
    expect(cache, "c", 3, "3");
    expect(cache, "d", 3, "4");
    store(cache, "e", "5", 4);
    expect(cache, "a", 5, NULL);
    answer_cache_destroy(cache);
}

Test(answer_cache, many_keys_and_a_clear)
{
    struct answer_cache *cache = answer_cache_create(100, 1000);
    char key[16];
    for (int round = 0; round < 3; round++) {
        for (int number = 0; number < 1000; number++) {
            snprintf(key, sizeof key, "%d", number);
            store(cache, key, key, 0);
        }
        cr_expect_eq(answer_cache_count(cache), 100);
        expect(cache, "899", 1, NULL);
        expect(cache, "900", 1, "900");
        expect(cache, "999", 1, "999");
        answer_cache_clear(cache);
        cr_expect_eq(answer_cache_count(cache), 0);
        expect(cache, "999", 1, NULL);
    }
    answer_cache_destroy(cache);
}

Test(answer_cache, of_no_capacity_keeps_nothing)
{
    struct answer_cache *cache = answer_cache_create(0, 1000);
    store(cache, "a", "1", 0);
    expect(cache, "a", 0, NULL);
    answer_cache_destroy(cache);
}

Test(answer_cache, is_bounded_in_bytes)
{
    struct answer_cache *cache = answer_cache_create(1000, 1000);
    size_t length = ANSWER_CACHE_BYTES / 17;
    char *large = calloc(length, 1);
    char key[16];
    for (int number = 0; number < 40; number++) {
        snprintf(key, sizeof key, "%d", number);
        answer_cache_store(cache, slice_from_string(key), slice_of(large, length), 0);
    }
    cr_expect_eq(answer_cache_count(cache), 16);
    answer_cache_store(cache, SLICE("too large"), slice_of(large, length), 0);
    cr_expect_eq(answer_cache_count(cache), 16);
    answer_cache_destroy(cache);
    free(large);
}
