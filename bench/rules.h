/* The chain that every figure speaks of: sender_list with 10,000 ids, keywords with 50 regular expressions on `body`,
 * link_domains with 1,000 domains. */
#ifndef WEIR_BENCH_RULES_H
#define WEIR_BENCH_RULES_H

#include <jansson.h>

#include "base/buffer.h"
#include "filters/judge.h"
#include "filters/pattern_set.h"

#define RULES_MODULES 3

/* A sealed chain of those modules whose bit is set in `mask` (bit 0: sender_list, 1: keywords, 2: link_domains); ends
 * the process with 1 if that fails. */
struct chain *rules_chain(unsigned mask);
#define RULES_ALL ((1u << RULES_MODULES) - 1)

const char *rules_module_name(unsigned index);

/* The configuration of a module of the chain, a new reference: what other engines are given to do the same. */
json_t *rules_configuration(unsigned index);

/* Chains of other modules, or with longer lists. */
struct rules_module {
    const char *name;
    json_t *configuration; /* taken over */
};

/* A sealed chain of them, in their order; ends the process with 1 if a module refuses its configuration. */
struct chain *rules_chain_of(const struct rules_module *modules, size_t count);

/* The standard chain's three, with `senders` ids instead of 10,000 (the first of them are the same). */
struct rules_module rules_senders(unsigned senders);
struct rules_module rules_keywords(void);
struct rules_module rules_domains(void);
/* `keywords` on `body` with the first `count` patterns of that syntax (bench/patterns.h). */
struct rules_module rules_patterns(enum pattern_syntax syntax, unsigned count);
/* `keywords` with the standard chain's 50 expressions and so many of patterns.h that there are `count`. */
struct rules_module rules_expressions(unsigned count);

#define RULES_SENDERS 10000u            /* in the standard chain */
#define RULES_SENDERS_MAXIMUM 10000000u /* ids from this number on are in no list */
/* Appends id number `index`; the first `count` ids, one a line. */
void rules_append_sender(struct buffer *output, unsigned index);
void rules_append_senders(struct buffer *output, unsigned count);

#endif
