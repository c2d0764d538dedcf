/* Texts of strangers made fit to be shown: on a terminal, on a page. */
#ifndef WEIR_ENGINE_BACKTEST_EXCERPT_H
#define WEIR_ENGINE_BACKTEST_EXCERPT_H

#include <stdint.h>

#include "base/buffer.h"

/* Appends `text`, at most `characters` of it (then `…`): on one line, as valid UTF-8, and without what could move the
 * cursor or turn the text around: control characters and those for the direction of writing become U+FFFD, line breaks
 * and tabs a space. */
void backtest_append_plain(struct buffer *output, struct slice text, uint32_t characters);
/* Appends what an event says, likewise: `content.body`, or else the whole of `content` as JSON. Nothing of a body that
 * is absent or cannot be read. */
void backtest_append_excerpt(struct buffer *output, struct slice body, uint32_t characters);

#endif
