/* How the answers of several modules combine: one function for each rule named in callbacks.def (callbacks.md,
 * section 2). */
#ifndef WEIR_FILTERS_CHAIN_RULES_H
#define WEIR_FILTERS_CHAIN_RULES_H

#include "filters/result.h"

/* Looks at one module's answer. False: it passed, ask the next module. True: the walk ends, and `result` was turned
 * into the chain's value. */
typedef bool chain_rule(struct result *result);

/* check_event_for_spam, latest semantics: False and NOT_SPAM pass; True becomes M_FORBIDDEN; a code and a text stand;
 * anything else rejects with a fixed text (spamchecker_callbacks.py, check_event_for_spam). */
chain_rule chain_rule_first_not_pass;

/* check_event_allowed: exactly False refuses; a replacement ends the walk; anything else passes. A value that is no
 * pair fails the module (third_party_event_rules_callbacks.py, check_event_allowed). */
chain_rule chain_rule_first_refusal_or_replacement;

#endif
