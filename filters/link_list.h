/* A list of where links lead, as administrators keep it: domains, of which there may be a million, globs over hosts,
 * and globs over whole links.
 *
 * An entry is one of these, all compared without case and as host_name.h has hosts:
 *   example.org            the domain and all names below it; also with a dot before it, or as https://example.org/
 *   *.example.*            `*` or `?`, but no `/`: a glob over the host
 *   example.org/a*         a `/`: a glob over host, path, query and fragment, whatever the scheme
 *   https://example.org/a* a scheme: a glob over the whole link; also of schemes without host, matrix:r/a*
 * Ports and what stands before an `@` are no part of what is compared; a host without a path has the path `/`. */
#ifndef WEIR_FILTERS_LINK_LIST_H
#define WEIR_FILTERS_LINK_LIST_H

#include "base/string_table.h"
#include "filters/host_name.h"
#include "filters/link_finder.h"
#include "filters/pattern_list.h"

struct link_list {
    struct string_table *domains;
    struct pattern_list hosts;
    struct pattern_list places; /* host and path */
    struct pattern_list links;  /* scheme, host and path */
    struct text_list **globs;   /* what the patterns were made of, until they are compiled */
    size_t glob_lists;
    bool punycode;
};

/* An empty list, to be freed with link_list_free. */
void link_list_open(struct link_list *list, bool punycode);
void link_list_free(struct link_list *list);

/* Adds all entries of `entries`, the value of the parameter called `parameter`. Goes on after a fault; false if there
 * was any, each has been reported. */
bool link_list_add(struct link_list *list, const struct module_host *host, const char *parameter,
                   const struct text_list *entries);
/* Ends the gathering. Afterwards the list needs what it was made of no more. False if a glob is bad, reported. */
bool link_list_compile(struct link_list *list, const struct module_host *host);
size_t link_list_count(const struct link_list *list);

/* A link as lists compare it. */
struct link_form {
    struct slice host;  /* absent without one */
    struct slice place; /* likewise */
    struct slice whole; /* of a bare domain as if it had https */
};
#define LINK_FORM_ROOM (LINK_SCHEME_MAXIMUM + 4 + HOST_NAME_ROOM + LINK_REST_MAXIMUM)
/* In `memory`, which has LINK_FORM_ROOM bytes. */
struct link_form link_form_of(const struct link *link, bool punycode, char *memory);

/* The entry that matches, in the form it is compared in; absent if none does. Lives as long as the list. */
struct slice link_list_match(const struct link_list *list, const struct link_form *form);

#endif
