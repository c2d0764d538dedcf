/* Code points count as columns: texts of wide characters stick out, which no table is worth a library for. */
#include "engine/text_table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "engine/tail_format.h"

static size_t columns_of(struct slice text)
{
    size_t columns = 0;
    for (size_t index = 0; index < text.length; index++)
        columns += ((unsigned char)text.data[index] & 0xc0) != 0x80;
    return columns;
}

/* How many bytes its first code points take. */
static size_t bytes_of(struct slice text, size_t columns)
{
    size_t index = 0;
    for (; index < text.length; index++)
        if (((unsigned char)text.data[index] & 0xc0) != 0x80 && columns-- == 0)
            break;
    return index;
}

void text_table_begin(struct text_table *table, const struct text_column *columns)
{
    *table = (struct text_table){.columns = columns};
    while (columns[table->column_count].heading)
        table->column_count++;
}

void text_table_free(struct text_table *table)
{
    buffer_free(&table->text);
    free(table->ends);
}

void text_table_cell(struct text_table *table, struct slice text)
{
    size_t begin = table->text.length, maximum = table->columns[table->cell_count % table->column_count].maximum;
    if (slice_present(text))
        tail_append_visible(&table->text, text);
    else
        buffer_append_char(&table->text, '-');
    struct slice shown = slice_of(table->text.data + begin, table->text.length - begin);
    if (maximum && columns_of(shown) > maximum) {
        table->text.length = begin + bytes_of(shown, maximum - 1);
        buffer_append_string(&table->text, "…");
    }
    if (table->cell_count == table->cell_room) {
        table->cell_room = table->cell_room ? table->cell_room * 2 : 64;
        table->ends = memory_reallocate(table->ends, table->cell_room * sizeof *table->ends);
    }
    table->ends[table->cell_count++] = table->text.length;
}

void text_table_cell_format(struct text_table *table, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    text_table_cell(table, slice_of(text, length < (int)sizeof text ? (size_t)length : sizeof text - 1));
}

static struct slice cell_of(const struct text_table *table, size_t index)
{
    size_t begin = index ? table->ends[index - 1] : 0;
    return slice_of(table->text.data + begin, table->ends[index] - begin);
}

/* Spaces are written only before something. */
static void append_line(const struct text_table *table, const size_t *widths, const struct slice *cells, size_t indent,
                        struct buffer *output)
{
    size_t pending = indent;
    for (size_t column = 0; column < table->column_count; column++) {
        size_t space = widths[column] - columns_of(cells[column]);
        bool right = table->columns[column].right;
        pending += right ? space : 0;
        if (cells[column].length) {
            buffer_append_format(output, "%*s", (int)pending, "");
            buffer_append_slice(output, cells[column]);
            pending = 0;
        }
        pending += 2 + (right ? 0 : space);
    }
    buffer_append_char(output, '\n');
}

void text_table_append(const struct text_table *table, size_t indent, struct buffer *output)
{
    size_t widths[TEXT_TABLE_COLUMNS_MAXIMUM] = {0}, rows = table->cell_count / table->column_count;
    struct slice cells[TEXT_TABLE_COLUMNS_MAXIMUM] = {0};
    for (size_t column = 0; column < table->column_count; column++) {
        cells[column] = slice_from_string(table->columns[column].heading);
        widths[column] = columns_of(cells[column]);
        for (size_t row = 0; row < rows; row++) {
            size_t width = columns_of(cell_of(table, row * table->column_count + column));
            widths[column] = width > widths[column] ? width : widths[column];
        }
    }
    append_line(table, widths, cells, indent, output);
    for (size_t row = 0; row < rows; row++) {
        for (size_t column = 0; column < table->column_count; column++)
            cells[column] = cell_of(table, row * table->column_count + column);
        append_line(table, widths, cells, indent, output);
    }
}
