/* Which texts occur most often: exact while there is room, and within its bound when there is not. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/top_table.h"

static void add(struct top_table *table, const char *text, unsigned times)
{
    while (times--)
        top_table_add(table, slice_from_string(text), 0, 1);
}

Test(top_table, exact_with_room)
{
    struct top_table *table = top_table_create(4);
    struct top_entry entries[8];
    add(table, "b", 3);
    add(table, "a", 3);
    add(table, "c", 5);
    top_table_add(table, SLICE("d"), 1, 1);
    cr_assert_eq(top_table_list(table, entries, 8), 4);
    const char *const order[] = {"c", "a", "b", "d"};
    for (size_t index = 0; index < 4; index++)
        cr_expect(slice_equal(entries[index].key, slice_from_string(order[index])));
    cr_expect_eq(entries[0].counts[0], 5);
    cr_expect_eq(entries[3].counts[1], 1);
    cr_expect_eq(top_table_error(table), 0);
    cr_expect_eq(top_table_list(table, entries, 2), 2);
    top_table_destroy(table);
}

Test(top_table, the_least_gives_way)
{
    struct top_table *table = top_table_create(2);
    struct top_entry entries[2];
    add(table, "often", 10);
    add(table, "seldom", 2);
    add(table, "new", 1);
    cr_assert_eq(top_table_list(table, entries, 2), 2);
    cr_expect(slice_equal(entries[1].key, SLICE("new")));
    cr_expect_eq(entries[1].counts[0], 1);
    cr_expect_eq(entries[1].unsure, 2);
    cr_expect_eq(top_table_error(table), 2);
    top_table_destroy(table);
}

/* Against exact counts of a skewed stream: what each entry says is too low by `unsure` at most and never too high, and
 * what came more often than its share of the table is in it. */
Test(top_table, bound)
{
    enum { TEXTS = 3000, CAPACITY = 100, EVENTS = 60000 };
    static uint64_t exact[TEXTS];
    struct top_table *table = top_table_create(CAPACITY);
    struct top_entry entries[CAPACITY];
    bool listed[TEXTS] = {false};
    uint64_t state = 1;
    for (unsigned event = 0; event < EVENTS; event++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        double uniform = (double)(state >> 33) / 2147483648.0;
        unsigned number = (unsigned)(uniform * uniform * uniform * uniform * TEXTS);
        char text[16];
        snprintf(text, sizeof text, "%u", number);
        exact[number]++;
        top_table_add(table, slice_from_string(text), event % 2, 1);
    }
    uint32_t count = top_table_list(table, entries, CAPACITY);
    cr_assert_eq(count, CAPACITY);
    for (uint32_t index = 0; index < count; index++) {
        unsigned number = (unsigned)strtoul(entries[index].key.data, NULL, 10);
        uint64_t counted = entries[index].counts[0] + entries[index].counts[1];
        listed[number] = true;
        cr_expect_leq(counted, exact[number]);
        cr_expect_geq(counted + entries[index].unsure, exact[number]);
        cr_expect_leq(entries[index].unsure, top_table_error(table));
    }
    for (unsigned number = 0; number < TEXTS; number++)
        cr_expect(exact[number] <= EVENTS / CAPACITY || listed[number], "%u came %llu times", number,
                  (unsigned long long)exact[number]);
    top_table_destroy(table);
}

Test(top_table, long_and_empty_texts)
{
    struct top_table *table = top_table_create(4);
    struct top_entry entries[4];
    char text[1000];
    memset(text, 'x', sizeof text);
    text[253] = '\xe2', text[254] = '\x82', text[255] = '\xac'; /* a character across the border */
    top_table_add(table, slice_of(text, sizeof text), 0, 1);
    top_table_add(table, slice_of(text, 256), 0, 1);
    top_table_add(table, SLICE_ABSENT, 0, 1);
    cr_assert_eq(top_table_list(table, entries, 4), 2);
    cr_expect_eq(entries[0].key.length, 253);
    cr_expect_eq(entries[0].counts[0], 2);
    cr_expect_eq(entries[1].key.length, 0);
    top_table_destroy(table);
}
