/* What a newcomer may be kept from, and which of it an event is: for the module `newcomer`. */
#ifndef WEIR_FILTERS_NEWCOMER_KINDS_H
#define WEIR_FILTERS_NEWCOMER_KINDS_H

#include "filters/event_costs.h"
#include "filters/parameter.h"

/* By number, those of `deny`, then the words. */
enum newcomer_kind {
    NEWCOMER_MEDIA,
    NEWCOMER_LINKS,
    NEWCOMER_MENTIONS,
    NEWCOMER_ANY,
    NEWCOMER_INVITES,
    NEWCOMER_EDITS,
    NEWCOMER_REACTIONS,
    NEWCOMER_JOINS,
    NEWCOMER_WORDS,
    NEWCOMER_KINDS
};
/* As `deny` has them; NULL-terminated. */
extern const char *const newcomer_kind_names[];
/* The name of what was refused, for a verdict; `kind` is below NEWCOMER_KINDS. */
const char *newcomer_rule_name(enum newcomer_kind kind);

struct newcomer_kinds {
    struct event_costs costs;
    uint32_t relates_to;     /* its slot */
    struct word_list *words; /* NULL: none */
};

/* Declares what is looked into, and reads the words of `parameter`: false, reported to `host`, if one is no word.
 * Either way free with newcomer_kinds_free. */
bool newcomer_kinds_create(struct newcomer_kinds *kinds, const char *parameter, const struct text_list *words,
                           struct field_table *fields, const struct module_host *host);
void newcomer_kinds_free(struct newcomer_kinds *kinds);

/* Whether the event is of that kind; false for invites and joins, which are other callbacks' matter. */
bool newcomer_kind_is(const struct newcomer_kinds *kinds, const struct callback_arguments *arguments,
                      enum newcomer_kind kind);

#endif
