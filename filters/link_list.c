/* Entries and links are brought into one form, so that a glob is a comparison of texts. A glob without a scheme has a
 * set of its own instead of a `*` in front, which would find it in the middle of other links, too. */
#include "filters/link_list.h"

#include <stdlib.h>
#include <strings.h>

#include "base/memory.h"
#include "base/text_find.h"
#include "filters/domains.h"
#include "filters/glob.h"

void link_list_open(struct link_list *list, bool punycode)
{
    *list = (struct link_list){.domains = string_table_create(), .punycode = punycode};
}

static void free_copy(struct text_list *copy)
{
    text_list_free(copy);
    free(copy);
}

/* A list as long, without items, which says where they come from as `entries` does. */
static struct text_list *copy_origin(const struct text_list *entries)
{
    struct text_list *copy = memory_allocate_zeroed(1, sizeof *copy);
    copy->items = memory_allocate_zeroed(entries->count, sizeof *copy->items);
    copy->count = entries->count;
    if (entries->path)
        copy->path = memory_copy_text(entries->path, strlen(entries->path));
    if (entries->lines) {
        copy->lines = memory_allocate_zeroed(entries->count, sizeof *copy->lines);
        memcpy(copy->lines, entries->lines, entries->count * sizeof *copy->lines);
    }
    return copy;
}

static void free_globs(struct link_list *list)
{
    for (size_t index = 0; index < list->glob_lists; index++)
        free_copy(list->globs[index]);
    free(list->globs);
    list->globs = NULL;
    list->glob_lists = 0;
}

void link_list_free(struct link_list *list)
{
    string_table_destroy(list->domains);
    pattern_list_free(&list->hosts);
    pattern_list_free(&list->places);
    pattern_list_free(&list->links);
    free_globs(list);
    *list = (struct link_list){0};
}

/* The parts of an entry that is written as a link or a part of one. */
struct entry {
    struct slice scheme; /* with its colon and slashes; absent: none */
    struct slice host;   /* empty: the scheme has none */
    struct slice rest;
};

static struct slice behind(struct slice text, size_t place)
{
    return slice_of(text.data + place, text.length - place);
}

/* Whether the colon ends a scheme without `//`: it does not stand before a port. */
static bool is_opaque(struct slice text, const char *colon, const char *slash)
{
    bool port = colon + 1 == text.data + text.length || (colon[1] >= '0' && colon[1] <= '9');
    return !port && !(slash && slash < colon) && !memchr(text.data, '.', (size_t)(colon - text.data));
}

static struct entry take_apart(struct slice text)
{
    struct entry entry = {.scheme = SLICE_ABSENT, .host = text, .rest = {text.data + text.length, 0}};
    const char *slashes = text_find(text, SLICE("://"));
    const char *slash = memchr(text.data, '/', text.length);
    const char *colon = memchr(text.data, ':', text.length);
    if (slashes && slashes < slash) {
        entry.scheme = slice_of(text.data, (size_t)(slashes + 3 - text.data));
        entry.host = behind(text, entry.scheme.length);
    } else if (colon && is_opaque(text, colon, slash)) {
        entry.scheme = slice_of(text.data, (size_t)(colon + 1 - text.data));
        entry.host = slice_of(colon + 1, 0);
        entry.rest = behind(text, entry.scheme.length);
        return entry;
    }
    slash = entry.host.length ? memchr(entry.host.data, '/', entry.host.length) : NULL;
    if (slash) {
        size_t length = (size_t)(slash - entry.host.data);
        entry.rest = behind(entry.host, length);
        entry.host.length = length;
    }
    return entry;
}

static bool is_web_scheme(struct slice scheme)
{
    return (scheme.length == 7 && strncasecmp(scheme.data, "http://", 7) == 0) ||
           (scheme.length == 8 && strncasecmp(scheme.data, "https://", 8) == 0);
}

static const char *add_domain(struct link_list *list, struct slice domain)
{
    char folded[HOST_NAME_ROOM];
    const char *fault = domain_fault(domain_without_dots(domain));
    if (fault)
        return fault;
    domain = domain_without_dots(slice_of(folded, host_name_fold(domain, list->punycode, folded)));
    fault = domain_fault(domain);
    if (!fault)
        string_table_add(list->domains, domain, 0);
    return fault;
}

/* Decodes what needs no encoding in the part behind the host: letters, digits and `-._~`. Into `output`, as long. */
static size_t decode_rest(struct slice rest, char *output)
{
    size_t length = 0;
    for (size_t index = 0; index < rest.length; index++) {
        output[length++] = rest.data[index];
        if (rest.data[index] != '%' || rest.length - index < 3)
            continue;
        const char digits[] = {rest.data[index + 1], rest.data[index + 2], '\0'};
        char *end;
        long byte = strspn(digits, "0123456789abcdefABCDEF") == 2 ? strtol(digits, &end, 16) : 0;
        bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
                     (byte && byte < 0x80 && strchr("-._~", (int)byte));
        if (plain) {
            output[length - 1] = (char)byte;
            index += 2;
        }
    }
    return length;
}

/* A glob for one of the three sets, as text_list item `item`; `*written` is its form. */
static struct pattern_list *shape_glob(struct link_list *list, const struct entry *entry, char **written)
{
    char folded[HOST_NAME_ROOM];
    struct buffer glob = {0};
    buffer_append(&glob, entry->scheme.data, entry->scheme.length);
    buffer_append(&glob, folded, host_name_fold(entry->host, list->punycode, folded));
    char *rest = buffer_reserve(&glob, entry->rest.length);
    glob.length += decode_rest(entry->rest, rest);
    if (entry->scheme.length && entry->host.length && !entry->rest.length &&
        entry->host.data[entry->host.length - 1] != '*')
        buffer_append(&glob, "/", 1);
    *written = memory_copy_text(glob.data, glob.length);
    buffer_free(&glob);
    return entry->scheme.data ? &list->links : entry->rest.length ? &list->places : &list->hosts;
}

static bool add_one(struct link_list *list, const struct module_host *host, const char *parameter,
                    const struct text_list *entries, size_t item, struct text_list *globs)
{
    struct slice text = slice_from_string(entries->items[item]);
    struct entry entry = take_apart(text);
    bool whole_host = entry.rest.length == 0 || slice_equal(entry.rest, SLICE("/"));
    const char *fault = NULL;
    if (entry.host.length > HOST_NAME_READ) {
        fault = "is longer than any link's host can be";
    } else if (whole_host && !glob_has_wildcard(entry.host) && (!entry.scheme.data || is_web_scheme(entry.scheme))) {
        fault = add_domain(list, entry.host);
    } else if (memchr(entry.host.data, ':', entry.host.length)) {
        fault = "ports are no part of what is compared: leave it out";
    } else {
        struct pattern_list *set = shape_glob(list, &entry, &globs->items[item]);
        return pattern_list_add(set, host, parameter, globs, item, PATTERN_GLOB, false);
    }
    if (fault)
        text_list_report(host, parameter, entries, item, fault);
    return !fault;
}

bool link_list_add(struct link_list *list, const struct module_host *host, const char *parameter,
                   const struct text_list *entries)
{
    struct text_list *globs = copy_origin(entries);
    bool good = true;
    list->globs = memory_reallocate(list->globs, (list->glob_lists + 1) * sizeof(struct text_list *));
    list->globs[list->glob_lists++] = globs;
    for (size_t item = 0; item < entries->count; item++)
        good = add_one(list, host, parameter, entries, item, globs) && good;
    return good;
}

bool link_list_compile(struct link_list *list, const struct module_host *host)
{
    struct pattern_list *sets[] = {&list->hosts, &list->places, &list->links};
    bool good = true;
    for (size_t index = 0; index < sizeof sets / sizeof *sets; index++)
        good = pattern_list_compile(sets[index], host) && good;
    for (size_t index = 0; good && index < sizeof sets / sizeof *sets; index++)
        pattern_list_own_texts(sets[index]);
    if (good)
        free_globs(list);
    string_table_trim(list->domains);
    return good;
}

size_t link_list_count(const struct link_list *list)
{
    return string_table_count(list->domains) + list->hosts.count + list->places.count + list->links.count;
}

struct link_form link_form_of(const struct link *link, bool punycode, char *memory)
{
    struct slice scheme = link->scheme.data ? link->scheme : SLICE("https");
    domain_lower_case(memory, scheme);
    size_t length = scheme.length;
    memory[length++] = ':';
    if (!link->host.data) {
        length += decode_rest(link->rest, memory + length);
        return (struct link_form){SLICE_ABSENT, SLICE_ABSENT, slice_of(memory, length)};
    }
    memory[length++] = '/';
    memory[length++] = '/';
    size_t start = length;
    length += host_name_fold(link->host, punycode, memory + length);
    struct slice host = slice_of(memory + start, length - start);
    if (!link->rest.length || link->rest.data[0] != '/')
        memory[length++] = '/';
    length += decode_rest(link->rest, memory + length);
    return (struct link_form){host, slice_of(memory + start, length - start), slice_of(memory, length)};
}

struct slice link_list_match(const struct link_list *list, const struct link_form *form)
{
    struct slice found = SLICE_ABSENT;
    if (form->host.data && domains_find(list->domains, form->host, &found) != STRING_TABLE_NONE)
        return found;
    found = pattern_list_match(&list->hosts, form->host);
    if (!found.data)
        found = pattern_list_match(&list->places, form->place);
    return found.data ? found : pattern_list_match(&list->links, form->whole);
}
