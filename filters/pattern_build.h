/* How a set of patterns comes to be: each pattern is written as an expression and gets a route, and vectorscan compiles
 * what it takes. For pattern_set.c, which says what parts and routes are for, and kept_set.c. */
#ifndef WEIR_FILTERS_PATTERN_BUILD_H
#define WEIR_FILTERS_PATTERN_BUILD_H

#include <hs/hs.h>

#include "filters/pattern_set.h"

enum part { PART_EXACT, PART_FOLDED, PART_UNICODE, PART_COUNT };

enum route { ROUTE_VECTORSCAN, ROUTE_PREFILTER, ROUTE_ALONE };

/* A pattern while the set is made. */
struct candidate {
    char *expression;
    size_t length;
    enum part part;
    enum route route;
    bool case_sensitive;
    bool utf8;                       /* the expression is one for UTF-8 mode */
    struct confirm_pattern *confirm; /* may be NULL while the route is ROUTE_VECTORSCAN */
};

struct kept_set;

struct builder {
    struct candidate *candidates;
    uint32_t count;
    const struct kept_set *kept; /* where the routes and the databases come from; NULL: they are made */
    pattern_error_function *report;
    void *context;
    bool failed;
};

/* Makes the candidates of `builder->count` patterns; bad ones are reported. */
void pattern_build_prepare(struct builder *builder, const struct pattern *patterns);
/* Compiles the databases (NULL: the part has no pattern for vectorscan), with the candidates' last routes. */
void pattern_build_compile(struct builder *builder, hs_database_t *databases[static PART_COUNT]);
/* Takes the databases from `builder->kept`: NULL, or a sentence that says why they cannot be used. */
const char *pattern_build_load(const struct builder *builder, hs_database_t *databases[static PART_COUNT]);
/* The candidate's expression in PCRE2, ready to match. False, reported, if PCRE2 cannot take it. */
bool pattern_build_confirm(struct builder *builder, uint32_t index);
void pattern_build_free(struct builder *builder);

#endif
