/* `deny`, `allow`, and files with more of either: what the modules that judge by names have in common. `allow` wins. */
#ifndef WEIR_FILTERS_ACCESS_LIST_H
#define WEIR_FILTERS_ACCESS_LIST_H

#include <stddef.h>

#include "filters/name_list.h"
#include "filters/value.h"

struct access_configuration {
    struct text_list deny;
    struct text_list allow;
    struct text_files deny_files;
    struct text_files allow_files;
};

/* The rows of a parameter table for `member_`, a struct access_configuration, of the configuration `struct_`. `text_`
 * is that of `deny`. */
/* clang-format off */
#define ACCESS_ROWS(struct_, member_, text_)                                                                           \
    {.name = "deny",                                                                                                   \
     .type = PARAMETER_TEXT_LIST,                                                                                      \
     .offset = offsetof(struct_, member_.deny),                                                                        \
     .fallback = "[]",                                                                                                 \
     .text = text_},                                                      \
    {.name = "allow",                                                                                                  \
     .type = PARAMETER_TEXT_LIST,                                                                                      \
     .offset = offsetof(struct_, member_.allow),                                                                       \
     .fallback = "[]",                                                                                                 \
     .text = "The same of those that pass even where `deny` matches."},                                                \
    {.name = "deny_files",                                                                                             \
     .type = PARAMETER_LINES_FILES,                                                                                    \
     .offset = offsetof(struct_, member_.deny_files),                                                                  \
     .fallback = "[]",                                                                                                 \
     .text = "Files with more of `deny`, one a line; `#` begins a comment."},                                          \
    {.name = "allow_files",                                                                                            \
     .type = PARAMETER_LINES_FILES,                                                                                    \
     .offset = offsetof(struct_, member_.allow_files),                                                                 \
     .fallback = "[]",                                                                                                 \
     .text = "Files with more of `allow`."}

/* The same where entries are globs; `what_` is a literal: "User ids, or globs over the whole id". */
#define ACCESS_PARAMETERS(struct_, member_, what_)                                                                     \
    ACCESS_ROWS(struct_, member_, what_ " (`*` any run of characters, `?` any one).")

enum access_mode { ACCESS_DENY, ACCESS_ALLOW_ONLY };
extern const char *const access_modes[]; /* by enum access_mode, NULL-terminated */

/* A row for `mode`, an int. */
#define ACCESS_MODE_PARAMETER(struct_, member_)                                                                        \
    {.name = "mode",                                                                                                   \
     .type = PARAMETER_CHOICE,                                                                                         \
     .offset = offsetof(struct_, member_),                                                                             \
     .fallback = "deny",                                                                                               \
     .choices = access_modes,                                                                                          \
     .text = "Whether what is on `deny` is denied, or all that is not on `allow`."}
/* clang-format on */

/* Reasons for the verdict's row, in words that live as long as the list. */
struct access_reasons {
    struct slice listed;   /* "the user is on the list" */
    struct slice pattern;  /* "the user matches a pattern on the list" */
    struct slice unlisted; /* "the user is not on the list of those allowed" */
};

struct access_list {
    struct name_list deny;
    struct name_list allow;
    enum access_mode mode;
    const struct access_reasons *reasons;
};

/* Compiles `configuration` and frees its files, which are not needed any more. `prefix` stands before the parameters'
 * names in what is reported. False if anything is bad, reported. Free the list in any case. */
bool access_list_open(struct access_list *list, const struct module_host *host, const char *prefix,
                      struct access_configuration *configuration, struct name_list_options options,
                      enum access_mode mode, const struct access_reasons *reasons);
void access_list_free(struct access_list *list);

/* Whether it refuses nobody, so that no name need be looked for. */
static inline bool access_list_is_idle(const struct access_list *list)
{
    return list->mode == ACCESS_DENY && name_list_count(&list->deny) == 0;
}
/* Whether `name` is on `allow`. */
bool access_list_allows(const struct access_list *list, struct slice name);
/* Whether `name` is refused; then rule, reason and evidence of `result` say by what. An absent name never is. */
bool access_list_refuses(const struct access_list *list, struct slice name, struct result *result);

#endif
