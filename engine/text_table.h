/* A table for a terminal whose columns are as wide as what stands in them. What a cell holds may have come from
 * strangers: it is shown without control characters. */
#ifndef WEIR_ENGINE_TEXT_TABLE_H
#define WEIR_ENGINE_TEXT_TABLE_H

#include "base/buffer.h"

struct text_column {
    const char *heading;
    bool right;     /* for numbers */
    size_t maximum; /* code points, beyond which a cell is cut, with an ellipsis; 0: never */
};

#define TEXT_TABLE_COLUMNS_MAXIMUM 16u

struct text_table {
    const struct text_column *columns;
    size_t column_count;
    struct buffer text; /* of all cells, one after the other */
    size_t *ends;       /* of each cell in `text` */
    size_t cell_count;
    size_t cell_room;
};

/* `columns` ends with a NULL heading and must stay; there are at most TEXT_TABLE_COLUMNS_MAXIMUM. */
void text_table_begin(struct text_table *table, const struct text_column *columns);
void text_table_free(struct text_table *table);

/* The next cell of the row, or the first of the next row. An absent text is shown as "-". */
void text_table_cell(struct text_table *table, struct slice text);
void text_table_cell_format(struct text_table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Appends the headings and the rows, each a line indented by `indent`; a row that is not full is left out. */
void text_table_append(const struct text_table *table, size_t indent, struct buffer *output);

#endif
