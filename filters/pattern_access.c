/* As lists of names: `allow` is looked at only where `deny` hits. */
#include "filters/pattern_access.h"

#include <stddef.h>

#define ROWS(deny_text)                                                                                                \
    {                                                                                                                  \
        {.name = "deny",                                                                                               \
         .type = PARAMETER_TEXT_LIST,                                                                                  \
         .offset = offsetof(struct pattern_access_configuration, deny),                                                \
         .fallback = "[]",                                                                                             \
         .text = deny_text},                                                                                           \
            {.name = "allow",                                                                                          \
             .type = PARAMETER_TEXT_LIST,                                                                              \
             .offset = offsetof(struct pattern_access_configuration, allow),                                           \
             .fallback = "[]",                                                                                         \
             .text = "The same of those that pass even where `deny` matches."},                                        \
    }

const struct parameter regex_access_fields[PATTERN_ACCESS_FIELDS] =
    ROWS("Regular expressions that deny where they are found, without regard to case; `^` and `$` for the whole.");
const struct parameter glob_access_fields[PATTERN_ACCESS_FIELDS] =
    ROWS("Globs that deny what they match as a whole, without regard to case.");

static bool fill(struct pattern_list *patterns, const struct module_host *host, const char *name, const char *side,
                 const struct text_list *entries, enum pattern_syntax syntax)
{
    struct buffer path = {0};
    buffer_append_format(&path, "%s.%s", name, side);
    bool good = pattern_list_add_all(patterns, host, buffer_string(&path), entries, syntax, false);
    good = pattern_list_compile(patterns, host) && good;
    if (good)
        pattern_list_own_texts(patterns);
    buffer_free(&path);
    return good;
}

bool pattern_access_open(struct pattern_access *access, const struct module_host *host, const char *name,
                         const struct pattern_access_configuration *configuration, enum pattern_syntax syntax)
{
    access->is_regex = syntax == PATTERN_REGEX;
    bool good = fill(&access->deny, host, name, "deny", &configuration->deny, syntax);
    return fill(&access->allow, host, name, "allow", &configuration->allow, syntax) && good;
}

void pattern_access_free(struct pattern_access *access)
{
    pattern_list_free(&access->deny);
    pattern_list_free(&access->allow);
}

bool pattern_access_refuses(const struct pattern_access *access, struct slice text, struct slice reason,
                            struct result *result)
{
    struct slice rule = slice_present(text) ? pattern_list_match(&access->deny, text) : SLICE_ABSENT;
    if (!slice_present(rule) || slice_present(pattern_list_match(&access->allow, text)))
        return false;
    result->rule = rule;
    result->reason = reason;
    result->evidence = text;
    result->rule_is_regex = access->is_regex;
    return true;
}
