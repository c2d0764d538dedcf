/* Many patterns looked for in one pass over a text: vectorscan, with PCRE2 behind it for what vectorscan cannot take.
 *
 * A set is compiled once. Threads with lanes of their own (base/lane.h) may scan it at the same time: each has its own
 * memory for that, made with its first scan. Otherwise scanning allocates nothing. */
#ifndef WEIR_FILTERS_PATTERN_SET_H
#define WEIR_FILTERS_PATTERN_SET_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/slice.h"

enum pattern_syntax {
    PATTERN_LITERAL, /* found anywhere in the text */
    PATTERN_GLOB,    /* `*` any run, `?` any one character; matches the whole text */
    PATTERN_REGEX,   /* Perl syntax, UTF-8, found anywhere unless anchored */
};

struct pattern {
    struct slice text;
    enum pattern_syntax syntax;
    bool case_sensitive; /* false: letters of every script compare without case, by Unicode's simple folding */
};

#define PATTERN_NONE UINT32_MAX
/* No pattern is longer than this many bytes, no set larger than that many patterns. */
#define PATTERN_LENGTH_MAXIMUM 8192u
#define PATTERN_COUNT_MAXIMUM 1000000u

struct pattern_set;

/* Called for each pattern that cannot be compiled, with its index and a sentence that says why. */
typedef void pattern_error_function(void *context, uint32_t index, const char *message);

/* NULL if any pattern failed; every bad one is reported. Patterns are copied. A set of no patterns is legal and never
 * hits. */
struct pattern_set *pattern_set_compile(const struct pattern *patterns, uint32_t count, pattern_error_function *report,
                                        void *context);

/* Where compiled sets are kept, under names that say all they were made from (filters/kept_set.h). */
struct pattern_store {
    void *context;
    /* False if nothing is kept under that name. */
    bool (*get)(void *context, const char *name, struct buffer *content);
    void (*put)(void *context, const char *name, struct slice content);
    /* What `get` gave cannot be used, for the reason in the sentence `problem`; a `put` follows. */
    void (*unusable)(void *context, const char *name, const char *problem);
};
/* The same, but a set of some size that is in `store` (NULL: none) is not compiled, and one that is not is put there.
 */
struct pattern_set *pattern_set_compile_kept(const struct pattern *patterns, uint32_t count,
                                             const struct pattern_store *store, pattern_error_function *report,
                                             void *context);
void pattern_set_destroy(struct pattern_set *set);

/* The lowest index of the patterns that match `text` (valid UTF-8), or PATTERN_NONE. An absent text matches nothing; an
 * empty one matches what matches emptiness. A pattern confirmed by PCRE2 that runs into its match limit does not match
 * and is counted. */
uint32_t pattern_set_scan(struct pattern_set *set, struct slice text);

/* The most steps that PCRE2 takes from each place in a text, above 0: before the first scan. A long text gets fewer
 * (pattern_confirm.h). */
void pattern_set_limit_steps(struct pattern_set *set, uint32_t steps);

/* How often a match limit was hit since the set was made. */
uint64_t pattern_set_limit_hits(const struct pattern_set *set);

#endif
