/* A text without what is no prose: links, and code as Markdown marks it. Rules about the look of a text are about how
 * people write, and a permalink or a stack trace is not written. */
#ifndef WEIR_FILTERS_PLAIN_TEXT_H
#define WEIR_FILTERS_PLAIN_TEXT_H

#include "base/slice.h"

/* The next piece of prose from byte `*position` on (0 at first), which moves behind it; false at the end. Left out are:
 * with `markdown`, what stands between ``` and ``` (or the end), and between ` and ` of one line; and of each word with
 * a `://` in it, what begins with the scheme. Linear in the text over all calls. */
bool plain_text_next(struct slice text, bool markdown, size_t *position, struct slice *piece);

#endif
