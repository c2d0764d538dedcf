/* Domains in a hash table (base/string_table.h), looked up with a host: once for each of its labels, so that a million
 * of them cost as much as one. */
#ifndef WEIR_FILTERS_DOMAINS_H
#define WEIR_FILTERS_DOMAINS_H

#include "base/string_table.h"

/* The longest domain name in DNS, as text. */
#define DOMAIN_MAXIMUM 253u

/* `domain` without a dot before and one behind it. */
struct slice domain_without_dots(struct slice domain);
/* What is wrong with a domain without the dots around it, as a sentence; NULL if nothing is. */
const char *domain_fault(struct slice domain);

/* Writes `text` to `output`, as long, with ASCII's capitals as small letters. */
void domain_lower_case(char *output, struct slice text);

/* The number of the domain in `domains` (in small letters) that `host` is or lies below, the longest, or
 * STRING_TABLE_NONE; `*name` is then the table's own copy. Of a host longer than any name only the end counts. */
uint32_t domains_find(const struct string_table *domains, struct slice host, struct slice *name);

#endif
