/* Two lists of names. That `allow` is looked at only where something would be denied keeps the common case, a name on
 * no list, at one look-up. */
#include "filters/access_list.h"

const char *const access_modes[] = {[ACCESS_DENY] = "deny", [ACCESS_ALLOW_ONLY] = "allow_only", NULL};

/* One side: the entries of the configuration and those of its files. */
static bool fill(struct name_list *names, const struct module_host *host, const char *prefix, const char *name,
                 const struct text_list *entries, struct text_files *files)
{
    struct buffer entries_name = {0}, files_name = {0};
    buffer_append_format(&entries_name, "%s%s", prefix, name);
    buffer_append_format(&files_name, "%s%s_files", prefix, name);
    bool good = name_list_add(names, host, buffer_string(&entries_name), entries);
    for (size_t index = 0; index < files->count; index++)
        good = name_list_add(names, host, buffer_string(&files_name), &files->lists[index]) && good;
    good = name_list_compile(names, host) && good;
    if (good)
        text_files_free(files);
    buffer_free(&entries_name);
    buffer_free(&files_name);
    return good;
}

bool access_list_open(struct access_list *list, const struct module_host *host, const char *prefix,
                      struct access_configuration *configuration, struct name_list_options options,
                      enum access_mode mode, const struct access_reasons *reasons)
{
    list->mode = mode;
    list->reasons = reasons;
    name_list_open(&list->deny, options);
    name_list_open(&list->allow, options);
    bool good = fill(&list->deny, host, prefix, "deny", &configuration->deny, &configuration->deny_files);
    good = fill(&list->allow, host, prefix, "allow", &configuration->allow, &configuration->allow_files) && good;
    if (good && mode == ACCESS_ALLOW_ONLY && name_list_count(&list->deny))
        module_host_warn(host, "mode", "`deny` has no effect with `allow_only`: what is not on `allow` is denied");
    if (good && mode == ACCESS_ALLOW_ONLY && !name_list_count(&list->allow))
        module_host_warn(host, "mode", "`allow` is empty, so that `allow_only` denies everything");
    return good;
}

void access_list_free(struct access_list *list)
{
    name_list_free(&list->deny);
    name_list_free(&list->allow);
}

bool access_list_allows(const struct access_list *list, struct slice name)
{
    bool is_glob;
    return slice_present(name_list_match(&list->allow, name, &is_glob));
}

bool access_list_refuses(const struct access_list *list, struct slice name, struct result *result)
{
    bool is_glob = false;
    if (!slice_present(name))
        return false;
    struct slice rule =
        list->mode == ACCESS_ALLOW_ONLY ? SLICE("allow_only") : name_list_match(&list->deny, name, &is_glob);
    struct slice reason = list->mode == ACCESS_ALLOW_ONLY ? list->reasons->unlisted
                          : is_glob                       ? list->reasons->pattern
                                                          : list->reasons->listed;
    if (!slice_present(rule) || access_list_allows(list, name))
        return false;
    result->rule = rule;
    result->reason = reason;
    result->evidence = name;
    return true;
}
