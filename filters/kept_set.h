/* A compiled pattern set as it is kept from one start to the next: the routes of its patterns and vectorscan's
 * databases in an envelope with a name and a checksum.
 *
 * The name is a hash (SHA-256) of all that the set was made from: the patterns with their syntax and case, the versions
 * of Weir, of vectorscan and of PCRE2, and the features of the processor that the databases are for. So what is kept is
 * never out of date: what has changed has another name. Numbers are in the machine's order: a kept set does not leave
 * the machine. */
#ifndef WEIR_FILTERS_KEPT_SET_H
#define WEIR_FILTERS_KEPT_SET_H

#include "filters/pattern_build.h"

/* 64 hexadecimal digits and a NUL. */
#define KEPT_SET_NAME_SIZE 65

void kept_set_name(const struct pattern *patterns, uint32_t count, char name[static KEPT_SET_NAME_SIZE]);

/* Appends the envelope of a set whose candidates have their last routes. False, and nothing is appended, if vectorscan
 * cannot write a database out. */
bool kept_set_append(const char *name, const struct candidate *candidates, uint32_t count,
                     hs_database_t *const databases[static PART_COUNT], struct buffer *content);

/* What an envelope holds; points into it. */
struct kept_set {
    const unsigned char *routes; /* an enum route for each pattern */
    struct slice databases[PART_COUNT];
};

/* NULL, or a sentence that says what is wrong with it. `count` is how many patterns the set has. */
const char *kept_set_read(struct slice content, const char *name, uint32_t count, struct kept_set *kept);

/* Puts the checksum, and the name unless it is NULL, into an envelope that was changed: for tests and fuzzing. False if
 * it is too small to have one. */
bool kept_set_seal(struct buffer *content, const char *name);

#endif
