/* The string table: exact keys, growth, memory. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "base/string_table.h"

Test(string_table, finds_what_was_added_and_nothing_else)
{
    struct string_table *table = string_table_create();
    cr_expect_eq(string_table_find(table, SLICE("@a:b")), STRING_TABLE_NONE);
    cr_expect(string_table_add(table, SLICE("@a:b"), 7));
    cr_expect_not(string_table_add(table, SLICE("@a:b"), 8), "the first value stays");
    cr_expect(string_table_add(table, SLICE(""), 9));
    cr_expect(string_table_add(table, SLICE("a\0b"), 10));
    cr_expect_eq(string_table_find(table, SLICE("@a:b")), 7u);
    cr_expect_eq(string_table_find(table, SLICE("")), 9u);
    cr_expect_eq(string_table_find(table, SLICE("a\0b")), 10u);
    cr_expect_eq(string_table_find(table, SLICE("a")), STRING_TABLE_NONE);
    cr_expect_eq(string_table_find(table, SLICE("@a:bc")), STRING_TABLE_NONE);
    string_table_destroy(table);
}

Test(string_table, a_million_ids_in_bounded_memory)
{
    struct string_table *table = string_table_create();
    char text[64];
    for (uint32_t number = 0; number < 1000000; number++) {
        int length = snprintf(text, sizeof text, "@user%07u:host%u.example", number, number % 100);
        string_table_add(table, slice_of(text, (size_t)length), number);
    }
    cr_expect_eq(string_table_count(table), 1000000u);
    for (uint32_t number = 0; number < 1000000; number += 997) {
        int length = snprintf(text, sizeof text, "@user%07u:host%u.example", number, number % 100);
        cr_assert_eq(string_table_find(table, slice_of(text, (size_t)length)), number);
        text[length - 1] = 'f';
        cr_assert_eq(string_table_find(table, slice_of(text, (size_t)length)), STRING_TABLE_NONE);
    }
    cr_expect_lt(string_table_memory(table), 96u << 20);
    string_table_destroy(table);
}
