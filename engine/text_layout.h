/* Texts laid out for a terminal or a page: wrapped paragraphs, and tables whose cells wrap. For help and listings. */
#ifndef WEIR_ENGINE_TEXT_LAYOUT_H
#define WEIR_ENGINE_TEXT_LAYOUT_H

#include "base/buffer.h"

/* Appends the paragraphs of `text`, every line indented by `indent` and at most `width` columns wide in all. Paragraphs
 * are parted by an empty line; a line that begins with a space is kept as it is. Bytes count as columns. */
void text_append_wrapped(struct buffer *output, const char *text, size_t indent, size_t width);

#define TEXT_COLUMNS_MAXIMUM 8u

/* Appends one row of a table: each cell is wrapped into its column, columns stand two spaces apart. A word wider than
 * its column sticks out. */
void text_append_row(struct buffer *output, const char *const *cells, const size_t *widths, size_t columns,
                     size_t indent);

#endif
