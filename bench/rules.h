/* The chain that every figure speaks of: sender_list with 10,000 ids, keywords with 50 regular expressions on `body`,
 * link_domains with 1,000 domains. */
#ifndef WEIR_BENCH_RULES_H
#define WEIR_BENCH_RULES_H

#include "filters/judge.h"

#define RULES_MODULES 3

/* A sealed chain of those modules whose bit is set in `mask` (bit 0: sender_list, 1: keywords, 2: link_domains); ends
 * the process with 1 if that fails. */
struct chain *rules_chain(unsigned mask);
#define RULES_ALL ((1u << RULES_MODULES) - 1)

const char *rules_module_name(unsigned index);

/* The configuration of a module of the chain, a new reference: what other engines are given to do the same. */
json_t *rules_configuration(unsigned index);

#endif
