/* Numbers as people read them, and tables. */
#include "engine/human_text.h"

#include <criterion/criterion.h>
#include <math.h>

#include "engine/text_table.h"

static struct buffer text;

#define EXPECT(call, expected)                                                                                         \
    do {                                                                                                               \
        buffer_clear(&text);                                                                                           \
        call;                                                                                                          \
        cr_expect_str_eq(buffer_string(&text), expected);                                                              \
    } while (0)

Test(human_text, numbers)
{
    EXPECT(human_append_count(&text, 0), "0");
    EXPECT(human_append_count(&text, 1234567), "1,234,567");
    EXPECT(human_append_rate(&text, 0), "0");
    EXPECT(human_append_rate(&text, NAN), "0");
    EXPECT(human_append_rate(&text, 0.25), "0.25");
    EXPECT(human_append_rate(&text, 12.54), "12.5");
    EXPECT(human_append_rate(&text, 1234.4), "1,234");
    EXPECT(human_append_rate(&text, INFINITY), "1,000,000,000,000,000,000");
    EXPECT(human_append_bytes(&text, 18874368), "18.0 MiB");
    EXPECT(human_append_bytes(&text, 1000), "1000 bytes");
    EXPECT(human_append_bytes(&text, NAN), "0 bytes");
}

Test(human_text, times)
{
    EXPECT(human_append_span(&text, -5), "0 s");
    EXPECT(human_append_span(&text, NAN), "0 s");
    EXPECT(human_append_span(&text, 1e53), "11574074 d 1 h");
    EXPECT(human_append_span(&text, 4999), "4 s");
    EXPECT(human_append_span(&text, 200000), "3 min 20 s");
    EXPECT(human_append_span(&text, 7200000), "2 h");
    EXPECT(human_append_span(&text, 444000000), "5 d 3 h");
    EXPECT(human_append_seconds(&text, 0.000021), "21 us");
    EXPECT(human_append_seconds(&text, 0.00042), "0.42 ms");
    EXPECT(human_append_seconds(&text, 1.234), "1.23 s");
    EXPECT(human_append_seconds(&text, 200), "3 min 20 s");
    EXPECT(human_append_seconds(&text, NAN), "0 ms");
    EXPECT(human_append_seconds(&text, INFINITY), "11574074 d 1 h");
}

Test(text_table, columns_are_as_wide_as_what_stands_in_them)
{
    static const struct text_column columns[] = {
        {"name", false, 6}, {"count", true, 0}, {"more", false, 0}, {NULL, false, 0}};
    struct text_table table;
    text_table_begin(&table, columns);
    text_table_cell(&table, SLICE("ünï"));
    text_table_cell_format(&table, "%d", 1234567);
    text_table_cell(&table, SLICE(""));
    text_table_cell(&table, SLICE("much too long"));
    text_table_cell(&table, SLICE_ABSENT);
    text_table_cell(&table, SLICE("a\033b\n"));
    text_table_cell(&table, SLICE("a row that is not full"));
    EXPECT(text_table_append(&table, 1, &text), " name      count  more\n"
                                                " ünï     1234567\n"
                                                " much …        -  a\\x1bb\\x0a\n");
    text_table_free(&table);
}
