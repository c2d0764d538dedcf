/* IP addresses and ranges that are denied, with exceptions: the parameters `deny`, `allow` and files of them, compiled
 * into two sets. */
#ifndef WEIR_FILTERS_ADDRESS_LIST_H
#define WEIR_FILTERS_ADDRESS_LIST_H

#include "base/ip_set.h"
#include "filters/access_list.h"

/* What a row of the type PARAMETER_FIELDS with `address_list_fields` fills. */
struct address_configuration {
    struct access_configuration lists;
};
#define ADDRESS_LIST_FIELDS 4
extern const struct parameter address_list_fields[ADDRESS_LIST_FIELDS];

struct address_list {
    struct ip_set *deny;
    struct ip_set *allow;
};

/* Compiles `configuration` and frees its files; `name` is its parameter's. False if any entry is no range, reported.
 * Free the list in any case. */
bool address_list_open(struct address_list *list, const struct module_host *host, const char *name,
                       struct address_configuration *configuration);
void address_list_free(struct address_list *list);

/* Whether the address written in `text` is denied; what is no address is not. Then `*rule` is the range, in `arena`. */
bool address_list_refuses(const struct address_list *list, struct slice text, struct arena *arena, struct slice *rule);

#endif
