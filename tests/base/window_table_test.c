/* How often something happened lately: nothing is forgotten too early, and little too late. */
#include <criterion/criterion.h>

#include "base/keyed_hash.h"
#include "base/window_table.h"

#define START 1700000000000

static uint64_t key_of(uint64_t number)
{
    return keyed_hash(slice_of((const char *)&number, sizeof number), 7);
}

Test(window_table, counts_for_the_window_and_little_longer)
{
    for (int64_t offset = 0; offset < 200; offset += 7) {
        struct window_table *table = window_table_create(1000, 64);
        cr_expect_eq(window_table_count(table, 5, START + offset), 0u);
        cr_expect_eq(window_table_add(table, 5, START + offset), 1u);
        cr_expect_eq(window_table_add(table, 5, START + offset + 400), 2u);
        cr_expect_eq(window_table_count(table, 6, START + offset + 400), 0u);
        cr_expect_eq(window_table_count(table, 5, START + offset + 1000), 2u);
        cr_expect_eq(window_table_count(table, 5, START + offset + 1126), 1u);
        cr_expect_eq(window_table_add(table, 5, START + offset + 1400), 2u);
        cr_expect_eq(window_table_count(table, 5, START + offset + 2600), 0u);
        cr_expect_eq(window_table_add(table, 5, START + offset + 90000), 1u);
        window_table_destroy(table);
    }
}

Test(window_table, clocks_that_go_back)
{
    struct window_table *table = window_table_create(1000, 64);
    window_table_add(table, 5, START);
    cr_expect_eq(window_table_add(table, 5, START - 300), 2u);
    cr_expect_eq(window_table_count(table, 5, START + 1000), 2u);
    cr_expect_eq(window_table_add(table, 5, START - 5000), 1u, "the clock was set back");
    cr_expect_eq(window_table_add(table, 5, -3), 1u);
    window_table_destroy(table);
}

Test(window_table, counts_stand_still_at_the_end)
{
    struct window_table *table = window_table_create(1000, 8);
    for (uint32_t count = 1; count < 70000; count++)
        cr_assert_eq(window_table_add(table, 5, START),
                     count < WINDOW_TABLE_COUNT_MAXIMUM ? count : WINDOW_TABLE_COUNT_MAXIMUM);
    window_table_destroy(table);
}

/* What is being counted outlives a flood of what comes once. */
Test(window_table, the_least_counted_give_way)
{
    enum { PLACES = 1024 };
    struct window_table *table = window_table_create(60000, PLACES);
    cr_expect_leq(window_table_memory(table), PLACES * WINDOW_TABLE_BYTES_EACH + 64u);
    for (uint64_t number = 0; number < 64; number++)
        for (int time = 0; time < 3; time++)
            window_table_add(table, key_of(number), START);
    for (uint64_t number = 1000; number < 50000; number++)
        cr_assert_eq(window_table_add(table, key_of(number), START + (int64_t)number / 10), 1u);
    for (uint64_t number = 0; number < 64; number++)
        cr_expect_eq(window_table_count(table, key_of(number), START + 5000), 3u);
    window_table_destroy(table);
}

Test(window_table, a_snapshot_says_the_same)
{
    struct window_table *table = window_table_create(60000, 4096), *restored = window_table_create(60000, 4096);
    struct window_table *other = window_table_create(61000, 4096);
    struct buffer saved = {0};
    for (uint64_t number = 0; number < 1000; number++)
        window_table_add(table, key_of(number % 700), START + (int64_t)number * 50);
    window_table_save(table, &saved);
    window_table_add(restored, key_of(1), START);
    cr_expect(window_table_restore(restored, buffer_slice(&saved)));
    for (uint64_t number = 0; number < 1000; number++)
        for (int64_t now = START; now < START + 120000; now += 20000)
            cr_assert_eq(window_table_count(restored, key_of(number), now),
                         window_table_count(table, key_of(number), now));
    cr_expect_not(window_table_restore(other, buffer_slice(&saved)), "another window");
    cr_expect_not(window_table_restore(restored, slice_of(saved.data, saved.length - 1)));
    cr_expect_eq(window_table_count(restored, key_of(1), START), 0u);
    cr_expect_not(window_table_restore(restored, SLICE("")));
    memset(saved.data + saved.length - WINDOW_TABLE_BYTES_EACH + 8, 0xff, 8);
    cr_expect_not(window_table_restore(restored, buffer_slice(&saved)));
    buffer_free(&saved);
    window_table_destroy(table);
    window_table_destroy(restored);
    window_table_destroy(other);
}

Test(window_table, counts_what_it_forgets_too_early)
{
    struct window_table *table = window_table_create(60000, 8);
    for (uint64_t number = 0; number < 20; number++)
        window_table_add(table, key_of(number), START);
    cr_expect_eq(window_table_forgotten(table), 12u);
    for (uint64_t number = 20; number < 28; number++)
        window_table_add(table, key_of(number), START + 90000);
    cr_expect_eq(window_table_forgotten(table), 12u, "the window of the others had passed");
    window_table_destroy(table);
}

Test(window_table, what_is_to_be_forgotten)
{
    struct window_table *table = window_table_create(1000, 64);
    for (int time = 0; time < 3; time++) {
        window_table_add(table, 5, START);
        window_table_add(table, 6, START);
    }
    window_table_forget(table, 5);
    window_table_forget(table, 7);
    cr_expect_eq(window_table_count(table, 5, START), 0u);
    cr_expect_eq(window_table_count(table, 6, START), 3u);
    cr_expect_eq(window_table_add(table, 5, START), 1u);
    cr_expect_eq(window_table_forgotten(table), 0u);
    window_table_destroy(table);
}
