/* Patterns that deny, and patterns of exceptions: a parameter with `deny` and `allow`, or a list of `deny` alone. */
#ifndef WEIR_FILTERS_PATTERN_ACCESS_H
#define WEIR_FILTERS_PATTERN_ACCESS_H

#include "filters/pattern_list.h"
#include "filters/value.h"

/* What a row of the type PARAMETER_FIELDS with one of the tables below fills. */
struct pattern_access_configuration {
    struct text_list deny;
    struct text_list allow;
};
#define PATTERN_ACCESS_FIELDS 2
extern const struct parameter regex_access_fields[PATTERN_ACCESS_FIELDS]; /* PATTERN_REGEX */
extern const struct parameter glob_access_fields[PATTERN_ACCESS_FIELDS];  /* PATTERN_GLOB */

/* A parameter's row of the type PARAMETER_FIELDS. */
#define FIELDS_ROW(struct_, member_, name_, fields_, count_, text_)                                                    \
    {                                                                                                                  \
        .name = name_, .type = PARAMETER_FIELDS, .offset = offsetof(struct_, member_), .fallback = "[]",               \
        .fields = (fields_), .field_count = (count_), .text = text_                                                    \
    }

struct pattern_access {
    struct pattern_list deny;
    struct pattern_list allow;
    bool is_regex;
};

/* Compiles `configuration`, without regard to case. `name` is its parameter's. False if any pattern is bad, reported.
 * Free the patterns in any case. */
bool pattern_access_open(struct pattern_access *access, const struct module_host *host, const char *name,
                         const struct pattern_access_configuration *configuration, enum pattern_syntax syntax);
void pattern_access_free(struct pattern_access *access);

/* Whether `text` is refused; then rule, reason and evidence of `result` say by what. An absent one never is. */
bool pattern_access_refuses(const struct pattern_access *access, struct slice text, struct slice reason,
                            struct result *result);

#endif
