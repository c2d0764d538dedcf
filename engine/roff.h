/* Manual pages: our texts as roff with the macros of man(7). Nothing of a text is ever taken for a request or an
 * escape, and what is not ASCII is written by its number, so that no page needs to be told its encoding. */
#ifndef WEIR_ENGINE_ROFF_H
#define WEIR_ENGINE_ROFF_H

#include "base/buffer.h"

/* The first line of a page: "WEIR", "1". */
void roff_append_title(struct buffer *output, const char *name, const char *section);
/* A heading, `.SH` or, within one, `.SS`. */
void roff_append_section(struct buffer *output, const char *heading);
void roff_append_subsection(struct buffer *output, const char *heading);
/* Filled text, wrapped in the source, a line's end after each sentence; `words` in backquotes are bold. Paragraphs are
 * parted by an empty line, lines that begin with a space are kept as they are (engine/text_layout.h reads the same). */
void roff_append_text(struct buffer *output, const char *text);
/* Text whose lines are all kept. */
void roff_append_lines(struct buffer *output, const char *text);
/* Inside a line: the bytes alone. */
void roff_append_escaped(struct buffer *output, const char *text, size_t length);
/* An item: `tag` in bold, `note` behind it unless it is NULL, then `text`, indented. */
void roff_append_item(struct buffer *output, const char *tag, const char *note, const char *text);

#endif
