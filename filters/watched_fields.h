/* The keys of `content` that a module looks into, with what it says when one of them hits. */
#ifndef WEIR_FILTERS_WATCHED_FIELDS_H
#define WEIR_FILTERS_WATCHED_FIELDS_H

#include "filters/event.h"
#include "filters/parameter.h"

struct watched_field {
    uint32_t slot;
    struct slice reason;
};

struct watched_fields {
    struct watched_field *fields;
    size_t count;
};

/* Declares `names` (the parameter "fields") in `table`; the reason is "<name> <what>", e.g. "body holds a keyword".
 * False, reported, if there is none. Free with watched_fields_free in any case. */
bool watched_fields_create(struct watched_fields *watched, const struct text_list *names, const char *what,
                           struct field_table *table, const struct module_host *host);
void watched_fields_free(struct watched_fields *watched);

#endif
