/* `only:` and `except:` of a module: which rooms, senders, servers and event types it is asked about, and about what
 * with which tags. */
#ifndef WEIR_FILTERS_SELECTOR_H
#define WEIR_FILTERS_SELECTOR_H

#include "filters/callback.h"
#include "filters/parameter.h"
#include "filters/tag_names.h"

struct selector;

/* From `only` and `except` (objects with lists of globs under rooms, senders, servers, types, and of names under tags;
 * either may be NULL, not both). NULL if anything is wrong; reported to `host` under "only.rooms[1]" and the like. */
struct selector *selector_create(const json_t *only, const json_t *except, const struct module_host *host);
void selector_destroy(struct selector *selector);

/* Finds the bits of its tags; before that nothing has any. False, reported to `host`, if there are too many tags. */
bool selector_find_tags(struct selector *selector, struct tag_names *tags, const struct module_host *host);
/* All tags that it looks at. */
uint64_t selector_tags(const struct selector *selector);

/* Whether the module is to be asked: each list of `only` matches (one that the question has no value for does not), and
 * no list of `except` does. */
bool selector_selects(const struct selector *selector, const struct callback_arguments *arguments);
/* Whether it selects by senders or their servers, which an event without its body has not. */
bool selector_asks_for_sender(const struct selector *selector);
/* For people: "only rooms !a:x; except types m.room.member". */
void selector_describe(const struct selector *selector, struct buffer *output);

#endif
