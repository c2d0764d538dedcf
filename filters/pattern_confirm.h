/* One regular expression in PCRE2: checks what an administrator wrote, and confirms what vectorscan only suspects. */
#ifndef WEIR_FILTERS_PATTERN_CONFIRM_H
#define WEIR_FILTERS_PATTERN_CONFIRM_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/slice.h"

/* What all expressions of a set share for matching: JIT stack, limits, match data. */
struct confirm_context;

struct confirm_context *confirm_context_create(void);
void confirm_context_destroy(struct confirm_context *context);

#define CONFIRM_STEPS_DEFAULT 100000u
/* The most steps from each place in a text, above 0; CONFIRM_STEPS_DEFAULT at first. */
void confirm_context_limit(struct confirm_context *context, uint32_t steps);

/* Appends PCRE2's version, "10.42 2022-12-11". */
void confirm_append_version(struct buffer *text);

struct confirm_pattern;

/* `utf8`: characters are code points and `\w`, `\d`, `\s`, `\b` know Unicode; otherwise bytes, and `.` matches
 * newlines. NULL if PCRE2 refuses the expression, with the reason and its position (in bytes, from 0) appended to
 * `error`. */
struct confirm_pattern *confirm_pattern_create(struct slice expression, bool utf8, bool case_sensitive,
                                               struct buffer *error);
void confirm_pattern_destroy(struct confirm_pattern *pattern);

/* Compiles to machine code, where the system allows it; matching works without. */
void confirm_pattern_optimise(struct confirm_pattern *pattern);

enum confirm_status {
    CONFIRM_MATCH,
    CONFIRM_NO_MATCH,
    CONFIRM_LIMIT, /* gave up: too many steps, too deep, or too much memory */
};

/* Whether `pattern` is found in `text` (valid UTF-8, present). The steps allowed from each place in the text shrink
 * with the text's length, so that a hostile text costs some 0.5 s at worst (64 KiB), not hours, whatever the limit. */
enum confirm_status confirm_pattern_match(struct confirm_context *context, const struct confirm_pattern *pattern,
                                          struct slice text);

/* The same, with the part of `text` that matched first in `*found`. */
enum confirm_status confirm_pattern_find(struct confirm_context *context, const struct confirm_pattern *pattern,
                                         struct slice text, struct slice *found);

/* The same from byte `from` of the text on, which is the begin of a character; what is before it is seen by what looks
 * behind. */
enum confirm_status confirm_pattern_find_from(struct confirm_context *context, const struct confirm_pattern *pattern,
                                              struct slice text, size_t from, struct slice *found);

#endif
