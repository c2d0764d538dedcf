/* Finds the http and https links of a text, and the host that each leads to.
 *
 * A link is `http://` or `https://` in any case, wherever it stands (also in the middle of a word), then optional
 * `userinfo@`, then the host. Both end at the first of `/ ? #`, white space, `" ' < > ( ) [ ] ,` or the end of the
 * text; up to there the userinfo is what stands before the last `@` (as in browsers: it may hold `:` and further `@`).
 * The host ends at a `:` too, and one trailing dot is dropped. White space is Unicode's property White_Space. */
#ifndef WEIR_FILTERS_LINKS_H
#define WEIR_FILTERS_LINKS_H

#include "base/slice.h"

/* The next link of `text` from byte `*position` on (0 at first): its host, perhaps empty, as a slice of `text`;
 * `*position` moves behind its `://`. False if there is none left. Linear in the text over all calls. */
bool links_next(struct slice text, size_t *position, struct slice *host);

/* The host of the link whose `://` ends at byte `start`, likewise; `*end` is where its authority ends. */
struct slice links_host(struct slice text, size_t start, size_t *end);

/* Whether a host can hold `text` at all: it has none of the bytes that end one, nor an `@`. */
bool links_host_possible(struct slice text);

#endif
