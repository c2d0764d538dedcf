/* Patterns gathered from a module's list parameters, compiled into one set, with errors placed where the administrator
 * wrote the pattern: "patterns[3]", or the line of a file. */
#ifndef WEIR_FILTERS_PATTERN_LIST_H
#define WEIR_FILTERS_PATTERN_LIST_H

#include "filters/parameter.h"
#include "filters/pattern_set.h"

/* A zeroed struct is an empty list. The texts belong to the module's configuration, which must outlive the list unless
 * pattern_list_own_texts was called. */
struct pattern_list {
    struct pattern *patterns; /* by index in the set; `text` as written */
    struct pattern_origin *origins;
    uint32_t count;
    uint32_t capacity;
    struct pattern_set *set; /* NULL until it is compiled */
    char *texts;             /* copies of the texts, once it owns them */
};

/* Reports a fault of item `item` of `list`, the value of the parameter called `parameter`. */
void text_list_report(const struct module_host *host, const char *parameter, const struct text_list *list, size_t item,
                      const char *message);

/* Appends item `item` of `list`. False, reported, if it is empty or the list is full. */
bool pattern_list_add(struct pattern_list *patterns, const struct module_host *host, const char *parameter,
                      const struct text_list *list, size_t item, enum pattern_syntax syntax, bool case_sensitive);

/* Likewise all items of `list`; goes on after a fault, false if there was any. */
bool pattern_list_add_all(struct pattern_list *patterns, const struct module_host *host, const char *parameter,
                          const struct text_list *list, enum pattern_syntax syntax, bool case_sensitive);

/* Ends the gathering. False if any pattern is bad; each has been reported. */
bool pattern_list_compile(struct pattern_list *patterns, const struct module_host *host);

/* Of a compiled list: copies the texts, so that what they were read from can be freed. Afterwards it takes no more. */
void pattern_list_own_texts(struct pattern_list *patterns);

/* The pattern with the lowest index that matches `text`, as written; absent if none does. */
struct slice pattern_list_match(const struct pattern_list *patterns, struct slice text);

void pattern_list_free(struct pattern_list *patterns);

#endif
