/* The texts are our own, in ASCII, and written once at start: clarity before speed. */
#include "engine/text_layout.h"

static void append_spaces(struct buffer *output, size_t count)
{
    buffer_append_format(output, "%*s", (int)count, "");
}

/* The length of the next line of `text` when it is cut at spaces to fit `width`; at least one word, and never beyond a
 * line's end. */
static size_t line_length(const char *text, size_t width)
{
    size_t fits = 0;
    for (size_t length = 0;; length++) {
        bool stop = text[length] == '\0' || text[length] == '\n';
        if ((stop || text[length] == ' ') && (length <= width || fits == 0))
            fits = length;
        if (stop || (length >= width && fits > 0))
            return fits;
    }
}

/* One paragraph, or one line that is kept; returns where the next begins. */
static const char *append_paragraph(struct buffer *output, const char *text, size_t indent, size_t width)
{
    size_t column = 0;
    if (*text == ' ') {
        size_t length = strcspn(text, "\n");
        append_spaces(output, indent);
        buffer_append(output, text, length);
        buffer_append_char(output, '\n');
        return text + length + (text[length] == '\n');
    }
    while (*text && *text != '\n') {
        size_t length = strcspn(text, " \n");
        if (column > 0 && column + 1 + length > width) {
            buffer_append_char(output, '\n');
            column = 0;
        }
        if (column == 0)
            append_spaces(output, indent);
        else
            buffer_append_char(output, ' ');
        buffer_append(output, text, length);
        column = column ? column + 1 + length : indent + length;
        text += length;
        text += strspn(text, " ");
        if (*text == '\n' && text[1] != '\n' && text[1] != ' ' && text[1])
            text++;
    }
    buffer_append_char(output, '\n');
    return text + (*text == '\n');
}

void text_append_wrapped(struct buffer *output, const char *text, size_t indent, size_t width)
{
    while (*text) {
        if (*text == '\n') {
            buffer_append_char(output, '\n');
            text++;
        } else {
            text = append_paragraph(output, text, indent, width);
        }
    }
}

void text_append_row(struct buffer *output, const char *const *cells, const size_t *widths, size_t columns,
                     size_t indent)
{
    const char *rest[TEXT_COLUMNS_MAXIMUM];
    for (size_t column = 0; column < columns; column++)
        rest[column] = cells[column];
    for (bool more = true; more;) {
        size_t pending = indent; /* spaces are written only before something */
        more = false;
        for (size_t column = 0; column < columns; column++) {
            size_t length = line_length(rest[column], widths[column]);
            if (length > 0) {
                append_spaces(output, pending);
                buffer_append(output, rest[column], length);
                pending = 0;
            }
            rest[column] += length;
            rest[column] += strspn(rest[column], " \n");
            pending += 2 + (length < widths[column] ? widths[column] - length : 0);
            more = more || *rest[column];
        }
        buffer_append_char(output, '\n');
    }
}
