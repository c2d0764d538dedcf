/* Literals and globs as regular expressions over bytes, the form in which a pattern set compiles them.
 *
 * The expressions need no UTF-8 mode of vectorscan or PCRE2 and hold for texts that are valid UTF-8. They expect the
 * flags "dot matches all"; with caseless matching of ASCII letters only, both the pattern and the text are folded by
 * case_fold_text first. */
#ifndef WEIR_FILTERS_GLOB_H
#define WEIR_FILTERS_GLOB_H

#include "base/buffer.h"
#include "base/slice.h"

/* Whether `text` has a `*` or `?`, that is, matches more than itself as a glob. */
bool glob_has_wildcard(struct slice text);

/* Appends an expression that finds `literal` anywhere; for an empty one, in every text. */
void glob_append_literal(struct buffer *expression, struct slice literal);

/* Appends an expression that matches the whole text as `glob` does: `*` any run of characters, also none, `?` any one
 * character (code point), newlines included; everything else stands for itself, there is no escape. With `utf8` it is
 * one for UTF-8 mode after all: the way out for globs with so many `?` that their byte form would be too large. */
void glob_append_glob(struct buffer *expression, struct slice glob, bool utf8);

#endif
