/* Names are folded once, when they are added, and what is looked for on the stack: a look-up allocates nothing and is
 * one hash. */
#include "filters/name_list.h"

#include "base/memory.h"
#include "filters/case_folding.h"
#include "filters/glob.h"
#include "filters/server_name.h"

void name_list_open(struct name_list *list, struct name_list_options options)
{
    *list = (struct name_list){.names = string_table_create(), .options = options};
}

void name_list_free(struct name_list *list)
{
    string_table_destroy(list->names);
    pattern_list_free(&list->globs);
    *list = (struct name_list){0};
}

/* `name` as the table has it; `folded` has room for NAME_LENGTH_MAXIMUM bytes, which `name` does not exceed. */
static struct slice fold(const struct name_list *list, struct slice name, char *folded)
{
    if (!list->options.ignore_case)
        return name;
    size_t length = case_fold_text(name, folded);
    for (size_t index = 0; index < length; index++)
        if (folded[index] >= 'A' && folded[index] <= 'Z')
            folded[index] |= 0x20;
    return slice_of(folded, length);
}

static bool add_one(struct name_list *list, const struct module_host *host, const char *parameter,
                    const struct text_list *entries, size_t item)
{
    struct slice entry = slice_from_string(entries->items[item]);
    char folded[NAME_LENGTH_MAXIMUM];
    if (entry.length == 0) {
        text_list_report(host, parameter, entries, item, "an empty entry matches nothing");
        return false;
    }
    if (glob_has_wildcard(entry))
        return pattern_list_add(&list->globs, host, parameter, entries, item, PATTERN_GLOB, !list->options.ignore_case);
    if (list->options.servers)
        entry = server_name_host(entry);
    if (entry.length == 0 || entry.length > NAME_LENGTH_MAXIMUM) {
        text_list_report(host, parameter, entries, item,
                         entry.length ? "is longer than any name can be" : "has no server name before the port");
        return false;
    }
    string_table_add(list->names, fold(list, entry, folded), 0);
    return true;
}

bool name_list_add(struct name_list *list, const struct module_host *host, const char *parameter,
                   const struct text_list *entries)
{
    bool good = true;
    for (size_t item = 0; item < entries->count; item++)
        good = add_one(list, host, parameter, entries, item) && good;
    return good;
}

bool name_list_compile(struct name_list *list, const struct module_host *host)
{
    if (!pattern_list_compile(&list->globs, host))
        return false;
    pattern_list_own_texts(&list->globs);
    string_table_trim(list->names);
    return true;
}

size_t name_list_count(const struct name_list *list)
{
    return string_table_count(list->names) + list->globs.count;
}

struct slice name_list_match(const struct name_list *list, struct slice name, bool *is_glob)
{
    *is_glob = false;
    if (!slice_present(name))
        return SLICE_ABSENT;
    if (name.length <= NAME_LENGTH_MAXIMUM && string_table_count(list->names)) {
        char folded[NAME_LENGTH_MAXIMUM];
        struct slice found = string_table_stored(list->names, fold(list, name, folded));
        if (slice_present(found))
            return found;
    }
    *is_glob = true;
    return pattern_list_match(&list->globs, name);
}
