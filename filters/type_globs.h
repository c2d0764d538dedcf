/* Globs over event types, of which those with a `/` look at the state key, too: `m.room.*`, `m.room.member/@spam*`. */
#ifndef WEIR_FILTERS_TYPE_GLOBS_H
#define WEIR_FILTERS_TYPE_GLOBS_H

#include "base/arena.h"
#include "filters/pattern_list.h"

/* A zeroed struct is an empty list. */
struct type_globs {
    struct pattern_list types;
    struct pattern_list keyed; /* held against "type/state_key", and the type alone: it may have a `/` itself */
};

/* False, reported, if any is bad; free in any case. The texts belong to the configuration, which must outlive this. */
bool type_globs_create(struct type_globs *globs, const struct module_host *host, const char *parameter,
                       const struct text_list *list);
void type_globs_free(struct type_globs *globs);

/* The first glob that matches, as written, those without a `/` before the others; absent without one. `state_key` is
 * absent of what is no state. `arena`: for the two in one. */
struct slice type_globs_match(const struct type_globs *globs, struct slice type, struct slice state_key,
                              struct arena *arena);

#endif
