/* What is to go from a text, and what comes in its place: words in any form, regular expressions, links.
 *
 * Applying rules to what they have left changes nothing any more: a text is gone over until nothing is found, and what
 * cannot come to rest is emptied. */
#ifndef WEIR_FILTERS_CENSOR_RULE_H
#define WEIR_FILTERS_CENSOR_RULE_H

#include "base/arena.h"
#include "base/lane.h"
#include "filters/name_list.h"
#include "filters/parameter.h"
#include "filters/pattern_confirm.h"
#include "filters/word_list.h"

#define CENSOR_RULES_MAXIMUM 32u
/* No text gets longer than this by its replacements. */
#define CENSOR_TEXT_MAXIMUM 65536u

enum censor_match { CENSOR_WORDS, CENSOR_REGEX, CENSOR_LINKS };
enum censor_replace { CENSOR_MASK, CENSOR_REMOVE, CENSOR_TEXT };
extern const char *const censor_match_names[];
extern const char *const censor_replace_names[];

/* One item of the parameter `rules`. */
struct censor_rule_configuration {
    char *name;
    int match;
    struct text_list list;
    struct text_files files;
    bool whole;
    int fold;
    int replace;
    char *text;
};
#define CENSOR_RULE_PARAMETERS 8
extern const struct parameter censor_rule_parameters[CENSOR_RULE_PARAMETERS];

struct censor_rule {
    const struct censor_rule_configuration *configuration;
    struct slice name;
    struct word_list *words;
    struct pattern_list patterns;         /* all at once, to know whether any is there */
    struct confirm_pattern **expressions; /* one by one, to know where */
    size_t expression_count;
    struct name_list domains;
};

struct censor_rules {
    struct censor_rule *items;
    size_t count;
    struct slice mask;
    struct confirm_context *contexts[LANES_MAXIMUM]; /* NULL until the lane needs one */
};

/* From a list of struct censor_rule_configuration, which must outlive the rules, as `mask`, one character. False,
 * reported under "rules", if anything is bad. Free with censor_rules_free in any case. */
bool censor_rules_create(struct censor_rules *rules, const struct map_list *list, struct slice mask,
                         const struct module_host *host);
void censor_rules_free(struct censor_rules *rules);

/* The first rule that finds anything in `text` (valid UTF-8; absent: none), or NULL. Cheap where nothing is found. */
const struct censor_rule *censor_rules_find(struct censor_rules *rules, struct slice text, struct arena *arena);
/* The text without what the rules find: `text` itself if that is nothing, otherwise in `arena`. */
struct slice censor_rules_apply(struct censor_rules *rules, struct slice text, struct arena *arena);

#endif
