/* A selector is eight sets of globs and two of tags, each of which may be empty. What a question has for a set,
 * subject.h knows. */
#include "filters/selector.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "filters/pattern_list.h"
#include "filters/subject.h"

enum field { FIELD_ROOMS, FIELD_SENDERS, FIELD_SERVERS, FIELD_TYPES, FIELD_TAGS, FIELD_COUNT };
/* Those before it have globs. */
#define GLOB_FIELDS FIELD_TAGS

/* Both the configuration of one side and what is compiled from it, which points into the lists. */
struct side {
    struct text_list lists[FIELD_COUNT];
    struct pattern_list patterns[GLOB_FIELDS];
    uint64_t tags; /* once they were found */
};

struct selector {
    struct side only;
    struct side except;
};

#define FIELD_ROW(name_, field_, text_)                                                                                \
    [field_] = {.name = (name_),                                                                                       \
                .type = PARAMETER_TEXT_LIST,                                                                           \
                .offset = offsetof(struct side, lists) + (field_) * sizeof(struct text_list),                          \
                .fallback = "[]",                                                                                      \
                .text = (text_)}
static const struct parameter fields[FIELD_COUNT] = {
    FIELD_ROW("rooms", FIELD_ROOMS, "Globs over the room id."),
    FIELD_ROW("senders", FIELD_SENDERS, "Globs over the id of whoever acts."),
    FIELD_ROW("servers", FIELD_SERVERS, "Globs over the server of whoever acts (case-insensitive)."),
    FIELD_ROW("types", FIELD_TYPES, "Globs over the event type."),
    FIELD_ROW("tags", FIELD_TAGS, "Tags that a module before has set (`trust`)."),
};

/* Reports with the name of the side before the path: "only.rooms[1]". */
struct side_reporting {
    const struct module_host *host;
    const char *name;
};

static void report(void *context, const char *path, const char *message)
{
    const struct side_reporting *reporting = context;
    struct buffer whole = {0};
    buffer_append_format(&whole, "%s.%s", reporting->name, path);
    reporting->host->report(reporting->host->context, buffer_string(&whole), message);
    buffer_free(&whole);
}

static bool read_side(struct side *side, const char *name, const json_t *values, const struct module_host *host)
{
    struct side_reporting reporting = {host, name};
    struct module_host inner = {.context = &reporting, .report = report, .patterns = host->patterns};
    if (values && !json_is_object(values)) {
        module_host_report(host, name, "must be a map with lists under rooms, senders, servers, types or tags");
        return false;
    }
    bool good = parameters_check_names(fields, FIELD_COUNT, values, &inner);
    if (!parameters_decode(fields, FIELD_COUNT, values, side, &inner))
        return false;
    for (size_t tag = 0; tag < side->lists[FIELD_TAGS].count; tag++)
        if (!*side->lists[FIELD_TAGS].items[tag]) {
            text_list_report(&inner, "tags", &side->lists[FIELD_TAGS], tag, "is empty");
            good = false;
        }
    for (int field = 0; field < GLOB_FIELDS; field++) {
        good &= pattern_list_add_all(&side->patterns[field], &inner, fields[field].name, &side->lists[field],
                                     PATTERN_GLOB, field != FIELD_SERVERS);
        good &= pattern_list_compile(&side->patterns[field], &inner);
    }
    return good;
}

static void free_side(struct side *side)
{
    for (int field = 0; field < GLOB_FIELDS; field++)
        pattern_list_free(&side->patterns[field]);
    parameters_free(fields, FIELD_COUNT, side);
}

struct selector *selector_create(const json_t *only, const json_t *except, const struct module_host *host)
{
    struct selector *selector = memory_allocate_zeroed(1, sizeof *selector);
    bool good = read_side(&selector->only, "only", only, host);
    good &= read_side(&selector->except, "except", except, host);
    if (good)
        return selector;
    selector_destroy(selector);
    return NULL;
}

void selector_destroy(struct selector *selector)
{
    if (!selector)
        return;
    free_side(&selector->only);
    free_side(&selector->except);
    free(selector);
}

static bool find_tags(struct side *side, const char *name, struct tag_names *tags, const struct module_host *host)
{
    bool good = true;
    const struct text_list *list = &side->lists[FIELD_TAGS];
    for (size_t index = 0; index < list->count; index++) {
        uint64_t bit = tag_names_bit(tags, list->items[index]);
        if (!bit)
            module_host_report(host, "", "%s.tags[%zu]: a chain has at most %u tags", name, index, TAGS_MAXIMUM);
        good = good && bit;
        side->tags |= bit;
    }
    return good;
}

bool selector_find_tags(struct selector *selector, struct tag_names *tags, const struct module_host *host)
{
    bool good = find_tags(&selector->only, "only", tags, host);
    return find_tags(&selector->except, "except", tags, host) && good;
}

uint64_t selector_tags(const struct selector *selector)
{
    return selector->only.tags | selector->except.tags;
}

static struct slice value_of(const struct callback_arguments *arguments, enum field field)
{
    static const enum subject_part parts[] = {
        [FIELD_ROOMS] = SUBJECT_ROOM, [FIELD_SENDERS] = SUBJECT_USER, [FIELD_TYPES] = SUBJECT_TYPE};
    return field == FIELD_SERVERS ? subject_server(arguments) : subject_text(arguments, parts[field]);
}

bool selector_selects(const struct selector *selector, const struct callback_arguments *arguments)
{
    if (arguments->tags & selector->except.tags ||
        (selector->only.lists[FIELD_TAGS].count && !(arguments->tags & selector->only.tags)))
        return false;
    for (int field = 0; field < GLOB_FIELDS; field++) {
        const struct pattern_list *only = &selector->only.patterns[field];
        const struct pattern_list *except = &selector->except.patterns[field];
        if (!only->count && !except->count)
            continue;
        struct slice value = value_of(arguments, (enum field)field);
        bool present = slice_present(value);
        if (only->count && !(present && slice_present(pattern_list_match(only, value))))
            return false;
        if (except->count && present && slice_present(pattern_list_match(except, value)))
            return false;
    }
    return true;
}

bool selector_asks_for_sender(const struct selector *selector)
{
    return selector->only.patterns[FIELD_SENDERS].count || selector->except.patterns[FIELD_SENDERS].count ||
           selector->only.patterns[FIELD_SERVERS].count || selector->except.patterns[FIELD_SERVERS].count;
}

/* Behind `start` stands what describes the selector so far. */
static void describe_side(const struct side *side, const char *name, size_t start, struct buffer *output)
{
    bool any = false;
    for (int field = 0; field < FIELD_COUNT; field++) {
        const struct text_list *list = &side->lists[field];
        for (size_t index = 0; index < list->count; index++) {
            if (!any)
                buffer_append_format(output, "%s%s", output->length > start ? "; " : "", name);
            if (index == 0)
                buffer_append_format(output, " %s", fields[field].name);
            buffer_append_format(output, " %s", list->items[index]);
            any = true;
        }
    }
}

void selector_describe(const struct selector *selector, struct buffer *output)
{
    size_t start = output->length;
    describe_side(&selector->only, "only", start, output);
    describe_side(&selector->except, "except", start, output);
}
