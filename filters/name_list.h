/* A list of names, some of them globs, as administrators keep them for users, servers and rooms: plain names in a hash
 * table, since there may be a million, and globs compiled into one automaton. */
#ifndef WEIR_FILTERS_NAME_LIST_H
#define WEIR_FILTERS_NAME_LIST_H

#include "base/string_table.h"
#include "filters/pattern_list.h"

/* No plain name is longer. Matrix allows ids of 255 bytes. */
#define NAME_LENGTH_MAXIMUM 1024u

struct name_list_options {
    bool ignore_case; /* by Unicode's simple folding */
    bool servers;     /* the entries are server names: of plain ones the port is left out */
};

struct name_list {
    struct string_table *names;
    struct pattern_list globs;
    struct name_list_options options;
};

/* An empty list, to be freed with name_list_free. */
void name_list_open(struct name_list *list, struct name_list_options options);
void name_list_free(struct name_list *list);

/* Adds all entries of `entries`, the value of the parameter called `parameter`. Goes on after a fault; false if there
 * was any, each has been reported. */
bool name_list_add(struct name_list *list, const struct module_host *host, const char *parameter,
                   const struct text_list *entries);
/* Ends the gathering. Afterwards the list needs what it was made of no more. False if a glob is bad, reported. */
bool name_list_compile(struct name_list *list, const struct module_host *host);

size_t name_list_count(const struct name_list *list);

/* The entry that matches `name` (valid UTF-8; an absent one matches nothing): a plain name before the globs, and of
 * those the first. Absent if none does. Of a list that ignores case, plain names come back folded. Lives as long as the
 * list. */
struct slice name_list_match(const struct name_list *list, struct slice name, bool *is_glob);

#endif
