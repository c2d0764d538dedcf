/* What was lately said: the newest stay, and a snapshot says the same. */
#include <criterion/criterion.h>

#include "base/keyed_hash.h"
#include "base/recent_table.h"

static uint64_t key_of(uint64_t number)
{
    return keyed_hash(slice_of((const char *)&number, sizeof number), 7);
}

Test(recent_table, finds_what_was_put_in)
{
    struct recent_table *table = recent_table_create(64);
    uint32_t value = 9;
    cr_expect_not(recent_table_find(table, 0, &value));
    cr_expect_eq(value, 9u);
    recent_table_put(table, 0, 1);
    recent_table_put(table, 1, 0);
    cr_expect(recent_table_find(table, 0, &value));
    cr_expect_eq(value, 1u);
    recent_table_put(table, 0, 3);
    cr_expect(recent_table_find(table, 0, &value));
    cr_expect_eq(value, 3u);
    cr_expect(recent_table_find(table, 1, &value));
    cr_expect_eq(value, 0u);
    recent_table_destroy(table);
}

Test(recent_table, the_oldest_give_way)
{
    enum { PLACES = 4096 };
    struct recent_table *table = recent_table_create(PLACES);
    cr_expect_leq(recent_table_memory(table), PLACES * 16u + 64);
    uint64_t missing = 0, looked = 0;
    uint32_t value;
    for (uint64_t number = 0; number < 100000; number++) {
        recent_table_put(table, key_of(number), (uint32_t)number);
        cr_assert(recent_table_find(table, key_of(number), &value));
        cr_assert_eq(value, (uint32_t)number);
        if (number < PLACES)
            continue;
        missing += !recent_table_find(table, key_of(number - PLACES / 4), &value);
        looked++;
    }
    cr_expect_leq(missing * 500, looked);
    cr_expect_not(recent_table_find(table, key_of(3), &value));
    recent_table_destroy(table);
}

Test(recent_table, a_snapshot_says_the_same)
{
    struct recent_table *table = recent_table_create(1024), *restored = recent_table_create(1024);
    struct buffer saved = {0};
    recent_table_save(table, &saved);
    cr_expect(recent_table_restore(restored, buffer_slice(&saved)));
    for (uint64_t number = 0; number < 3000; number++)
        recent_table_put(table, key_of(number), (uint32_t)number);
    buffer_clear(&saved);
    recent_table_save(table, &saved);
    recent_table_put(restored, 5, 5);
    cr_assert(recent_table_restore(restored, buffer_slice(&saved)));
    for (uint64_t number = 0; number < 6000; number++) {
        if (number >= 3000) { /* and what comes next pushes the same ones out */
            recent_table_put(table, key_of(number), 0);
            recent_table_put(restored, key_of(number), 0);
        }
        uint32_t here = 0, there = 0;
        cr_assert_eq(recent_table_find(table, key_of(number / 2), &here),
                     recent_table_find(restored, key_of(number / 2), &there));
        cr_assert_eq(here, there);
    }
    uint32_t value;
    cr_expect_not(recent_table_find(restored, 5, &value));
    cr_expect_not(recent_table_restore(restored, slice_of(saved.data, saved.length - 1)));
    cr_expect_not(recent_table_restore(restored, slice_of(saved.data, 3)));
    cr_expect_not(recent_table_find(restored, key_of(2999), &value));
    buffer_free(&saved);
    recent_table_destroy(restored);
    recent_table_destroy(table);
}

Test(recent_table, counts_what_it_holds)
{
    struct recent_table *table = recent_table_create(64), *restored = recent_table_create(64);
    struct buffer saved = {0};
    cr_expect_eq(recent_table_count(table, 0), 0u);
    for (uint64_t number = 0; number < 1000; number++) {
        recent_table_put(table, key_of(number), (uint32_t)number);
        recent_table_put(table, key_of(number), (uint32_t)number);
    }
    cr_expect_eq(recent_table_used(table), 64u);
    cr_expect_eq(recent_table_forgotten(table), 1000u - 64u);
    uint32_t value = 0;
    uint64_t late = 0;
    for (uint64_t number = 970; number < 1000; number++)
        late += recent_table_find(table, key_of(number), &value);
    cr_expect_eq(recent_table_count(table, 0), 64u);
    cr_expect_eq(recent_table_count(table, 970), late);
    cr_expect_eq(recent_table_count(table, 1000), 0u);
    recent_table_save(table, &saved);
    cr_expect(recent_table_restore(restored, buffer_slice(&saved)));
    cr_expect_eq(recent_table_used(restored), 64u);
    cr_expect_not(recent_table_restore(restored, SLICE("")));
    cr_expect_eq(recent_table_used(restored), 0u);
    buffer_free(&saved);
    recent_table_destroy(table);
    recent_table_destroy(restored);
}
