/* Two sets of ranges, asked as lists of names are: `allow` only where `deny` hits. */
#include "filters/address_list.h"

const struct parameter address_list_fields[ADDRESS_LIST_FIELDS] = {
    ACCESS_ROWS(struct address_configuration, lists,
                "IP addresses that are denied, and ranges of them: 192.0.2.7, 10.0.0.0/8, 2001:db8::/32."),
};

static bool add_all(struct ip_set *set, const struct module_host *host, const char *name, const struct text_list *list)
{
    bool good = true;
    for (size_t item = 0; item < list->count; item++) {
        struct ip_range range;
        const char *problem = ip_range_read(slice_from_string(list->items[item]), &range);
        if (problem)
            text_list_report(host, name, list, item, problem);
        else
            ip_set_add(set, &range);
        good = good && !problem;
    }
    return good;
}

static bool fill(struct ip_set *set, const struct module_host *host, const char *name, const char *side,
                 const struct text_list *entries, struct text_files *files)
{
    struct buffer path = {0};
    buffer_append_format(&path, "%s.%s", name, side);
    bool good = add_all(set, host, buffer_string(&path), entries);
    buffer_append_string(&path, "_files");
    for (size_t index = 0; index < files->count; index++)
        good = add_all(set, host, buffer_string(&path), &files->lists[index]) && good;
    text_files_free(files);
    buffer_free(&path);
    ip_set_seal(set);
    return good;
}

bool address_list_open(struct address_list *list, const struct module_host *host, const char *name,
                       struct address_configuration *configuration)
{
    struct access_configuration *lists = &configuration->lists;
    list->deny = ip_set_create();
    list->allow = ip_set_create();
    bool good = fill(list->deny, host, name, "deny", &lists->deny, &lists->deny_files);
    return fill(list->allow, host, name, "allow", &lists->allow, &lists->allow_files) && good;
}

void address_list_free(struct address_list *list)
{
    ip_set_destroy(list->deny);
    ip_set_destroy(list->allow);
    *list = (struct address_list){0};
}

bool address_list_refuses(const struct address_list *list, struct slice text, struct arena *arena, struct slice *rule)
{
    struct ip_address address;
    struct ip_range range, exception;
    if (!ip_address_read(text, &address) || !ip_set_find(list->deny, &address, &range) ||
        ip_set_find(list->allow, &address, &exception))
        return false;
    char written[IP_RANGE_TEXT_MAXIMUM];
    size_t length = ip_range_write(&range, written);
    *rule = arena_copy(arena, slice_of(written, length));
    return true;
}
