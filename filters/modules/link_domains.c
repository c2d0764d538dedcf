/* Spam by where its links lead: the domains alone, which may be many. */
#include <stdlib.h>

#include "base/memory.h"
#include "filters/domains.h"
#include "filters/links.h"
#include "filters/module.h"
#include "filters/pattern_list.h"
#include "filters/watched_fields.h"

struct configuration {
    struct text_list domains;
    struct text_list domains_file;
    struct text_list fields;
    char *code;
};

struct state {
    const struct configuration *configuration;
    struct slice code;
    struct string_table *domains; /* lower-case, without dots around; value: place in domains, then in domains_file */
    struct watched_fields watched;
};

static const struct parameter parameters[] = {
    {.name = "domains",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct configuration, domains),
     .fallback = "[]",
     .text = "Domains; a link to one of them or to a name below it hits (case-insensitive)."},
    {.name = "domains_file",
     .type = PARAMETER_LINES_FILE,
     .offset = offsetof(struct configuration, domains_file),
     .text = "A file with more of them, one a line; `#` begins a comment."},
    {.name = "fields",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct configuration, fields),
     .fallback = "body formatted_body",
     .text = "The keys of `content` to look for links in, where they hold a string."},
    {.name = "code",
     .type = PARAMETER_CODE,
     .offset = offsetof(struct configuration, code),
     .fallback = "M_FORBIDDEN",
     .text = "The error code that the verdict carries."},
};

static void destroy(void *pointer)
{
    struct state *state = pointer;
    string_table_destroy(state->domains);
    watched_fields_free(&state->watched);
    free(state);
}

static bool add_domains(struct state *state, const struct module_host *host, const char *parameter,
                        const struct text_list *list, size_t offset)
{
    bool good = true;
    for (size_t item = 0; item < list->count; item++) {
        struct slice domain = domain_without_dots(slice_from_string(list->items[item]));
        const char *fault = domain_fault(domain);
        if (fault) {
            text_list_report(host, parameter, list, item, fault);
            good = false;
            continue;
        }
        char lower[DOMAIN_MAXIMUM];
        domain_lower_case(lower, domain);
        string_table_add(state->domains, slice_of(lower, domain.length), (uint32_t)(offset + item));
    }
    return good;
}

static void *create(const struct module_setup *setup)
{
    const struct configuration *configuration = setup->configuration;
    struct state *state = memory_allocate_zeroed(1, sizeof *state);
    state->configuration = configuration;
    state->code = slice_from_string(configuration->code);
    state->domains = string_table_create();
    bool good = watched_fields_create(&state->watched, &configuration->fields, "holds a link to a listed domain",
                                      setup->fields, setup->host);
    good &= add_domains(state, setup->host, "domains", &configuration->domains, 0);
    good &= add_domains(state, setup->host, "domains_file", &configuration->domains_file, configuration->domains.count);
    if (!good) {
        destroy(state);
        return NULL;
    }
    return state;
}

/* The place of the listed domain that the first link of `text` to any leads to, or STRING_TABLE_NONE; `*host` is then
 * where it leads. */
static uint32_t find_link(const struct string_table *domains, struct slice text, struct slice *host)
{
    size_t position = 0;
    struct slice name;
    while (links_next(text, &position, host)) {
        uint32_t place = domains_find(domains, *host, &name);
        if (place != STRING_TABLE_NONE)
            return place;
    }
    return STRING_TABLE_NONE;
}

static struct slice listed_domain(const struct configuration *configuration, uint32_t place)
{
    const char *text = place < configuration->domains.count
                           ? configuration->domains.items[place]
                           : configuration->domains_file.items[place - configuration->domains.count];
    return slice_from_string(text);
}

static void check_event_for_spam(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    const struct state *state = pointer;
    result->value.kind = VALUE_PASS;
    for (size_t index = 0; index < state->watched.count; index++) {
        const struct watched_field *field = &state->watched.fields[index];
        struct slice host;
        uint32_t place = find_link(state->domains, event_content_string(arguments->event, field->slot), &host);
        if (place == STRING_TABLE_NONE)
            continue;
        result->value = value_refuse(state->code);
        result->rule = listed_domain(state->configuration, place);
        result->reason = field->reason;
        result->evidence = host;
        return;
    }
}

static const struct module_callback callbacks[] = {
    {.callback = CALLBACK_check_event_for_spam, .function = check_event_for_spam}};

extern const struct module_definition module_link_domains;
const struct module_definition module_link_domains = {
    .name = "link_domains",
    .summary = "Denies events with links to listed domains.",
    .parameters = parameters,
    .parameter_count = sizeof parameters / sizeof *parameters,
    .configuration_size = sizeof(struct configuration),
    .needs_body = true,
    .concurrent = true,
    .callbacks = callbacks,
    .callback_count = sizeof callbacks / sizeof *callbacks,
    .create = create,
    .destroy = destroy,
};
