#include "filters/type_globs.h"

bool type_globs_create(struct type_globs *globs, const struct module_host *host, const char *parameter,
                       const struct text_list *list)
{
    bool good = true;
    for (size_t item = 0; item < list->count; item++) {
        struct pattern_list *patterns = strchr(list->items[item], '/') ? &globs->keyed : &globs->types;
        good = pattern_list_add(patterns, host, parameter, list, item, PATTERN_GLOB, true) && good;
    }
    good = pattern_list_compile(&globs->types, host) && good;
    return pattern_list_compile(&globs->keyed, host) && good;
}

void type_globs_free(struct type_globs *globs)
{
    pattern_list_free(&globs->types);
    pattern_list_free(&globs->keyed);
}

struct slice type_globs_match(const struct type_globs *globs, struct slice type, struct slice state_key,
                              struct arena *arena)
{
    struct slice rule = pattern_list_match(&globs->types, type);
    if (rule.data || globs->keyed.count == 0)
        return rule;
    rule = pattern_list_match(&globs->keyed, type);
    if (rule.data || !slice_present(state_key) || !slice_present(type))
        return rule;
    struct slice whole =
        arena_format(arena, "%.*s/%.*s", (int)type.length, type.data, (int)state_key.length, state_key.data);
    return pattern_list_match(&globs->keyed, whole);
}
