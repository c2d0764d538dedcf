/* Where a registration or a login comes from: the client's address and user agent, and the identity provider. What the
 * modules `registration` and `login` have in common. */
#ifndef WEIR_FILTERS_ORIGIN_RULES_H
#define WEIR_FILTERS_ORIGIN_RULES_H

#include "filters/address_list.h"
#include "filters/callback.h"
#include "filters/pattern_access.h"

struct origin_configuration {
    struct address_configuration ips;
    struct pattern_access_configuration agents;
    struct pattern_access_configuration providers;
};

/* The rows of a parameter table for `member_`, a struct origin_configuration, of the configuration `struct_`. */
/* clang-format off */
#define ORIGIN_PARAMETERS(struct_, member_)                                                                            \
    FIELDS_ROW(struct_, member_.ips, "ips", address_list_fields, ADDRESS_LIST_FIELDS,                                  \
               "The client's IP address; a list alone is one of those denied."),                                       \
    FIELDS_ROW(struct_, member_.agents, "agents", regex_access_fields, PATTERN_ACCESS_FIELDS,                          \
               "The client's User-Agent; a list alone is one of those denied."),                                       \
    FIELDS_ROW(struct_, member_.providers, "providers", glob_access_fields, PATTERN_ACCESS_FIELDS,                     \
               "The id of the single sign-on, where there is one; a list alone is one of those denied.")
/* clang-format on */

struct origin_rules {
    struct address_list ips;
    struct pattern_access agents;
    struct pattern_access providers;
};

/* False if anything is bad, reported. Free the rules in any case. */
bool origin_rules_open(struct origin_rules *rules, const struct module_host *host,
                       struct origin_configuration *configuration);
void origin_rules_free(struct origin_rules *rules);

/* Whether the question's origin is refused; then rule, reason and evidence of `result` say by what. Of several requests
 * each is looked at. */
bool origin_rules_refuse(const struct origin_rules *rules, const struct callback_arguments *arguments,
                         struct result *result);

#endif
