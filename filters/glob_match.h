/* Globs held against texts one by one, for those that come and go while others are being asked about: `*` any run of
 * characters, also none, `?` any one character (code point); everything else stands for itself. Both are valid UTF-8;
 * where case does not count, both are folded.
 *
 * Time is at most the product of both lengths; no memory. For many globs that stay, compile a pattern set. */
#ifndef WEIR_FILTERS_GLOB_MATCH_H
#define WEIR_FILTERS_GLOB_MATCH_H

#include "base/slice.h"

/* Whether the whole of `text` matches. */
bool glob_matches(struct slice glob, struct slice text);

/* Whether `glob` matches all that the glob `other` does; true is certain, false may be wrong for odd ones such as
 * `?*` against `*?`. */
bool glob_covers(struct slice glob, struct slice other);

#endif
