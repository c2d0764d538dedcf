/* Three modules take patterns from the configuration and from files; what an error says must not depend on which. */
#include "filters/pattern_list.h"

#include <stdlib.h>

#include "base/memory.h"

struct pattern_origin {
    const char *parameter;
    const struct text_list *list;
    size_t item;
};

void text_list_report(const struct module_host *host, const char *parameter, const struct text_list *list, size_t item,
                      const char *message)
{
    if (list->lines) {
        module_host_report(host, parameter, "%s, line %u: %s", list->path ? list->path : "the file", list->lines[item],
                           message);
        return;
    }
    struct buffer path = {0};
    buffer_append_format(&path, "%s[%zu]", parameter, item);
    module_host_report(host, buffer_string(&path), "%s", message);
    buffer_free(&path);
}

bool pattern_list_add(struct pattern_list *patterns, const struct module_host *host, const char *parameter,
                      const struct text_list *list, size_t item, enum pattern_syntax syntax, bool case_sensitive)
{
    if (list->items[item][0] == '\0') {
        text_list_report(host, parameter, list, item, "an empty pattern would match everything");
        return false;
    }
    if (patterns->count == PATTERN_COUNT_MAXIMUM) {
        text_list_report(host, parameter, list, item, "there are too many patterns");
        return false;
    }
    if (patterns->count == patterns->capacity) {
        patterns->capacity = patterns->capacity ? patterns->capacity * 2 : 16;
        patterns->patterns = memory_reallocate(patterns->patterns, patterns->capacity * sizeof *patterns->patterns);
        patterns->origins = memory_reallocate(patterns->origins, patterns->capacity * sizeof *patterns->origins);
    }
    patterns->patterns[patterns->count] =
        (struct pattern){slice_from_string(list->items[item]), syntax, case_sensitive};
    patterns->origins[patterns->count] = (struct pattern_origin){parameter, list, item};
    patterns->count++;
    return true;
}

bool pattern_list_add_all(struct pattern_list *patterns, const struct module_host *host, const char *parameter,
                          const struct text_list *list, enum pattern_syntax syntax, bool case_sensitive)
{
    bool good = true;
    for (size_t item = 0; item < list->count && patterns->count < PATTERN_COUNT_MAXIMUM; item++)
        good &= pattern_list_add(patterns, host, parameter, list, item, syntax, case_sensitive);
    if (list->count > patterns->count && patterns->count == PATTERN_COUNT_MAXIMUM) {
        module_host_report(host, parameter, "there are more than %u patterns", PATTERN_COUNT_MAXIMUM);
        return false;
    }
    return good;
}

struct reporting {
    const struct pattern_list *patterns;
    const struct module_host *host;
};

static void report_pattern(void *context, uint32_t index, const char *message)
{
    const struct reporting *reporting = context;
    const struct pattern_origin *origin = &reporting->patterns->origins[index];
    text_list_report(reporting->host, origin->parameter, origin->list, origin->item, message);
}

bool pattern_list_compile(struct pattern_list *patterns, const struct module_host *host)
{
    struct reporting reporting = {patterns, host};
    patterns->set =
        pattern_set_compile_kept(patterns->patterns, patterns->count, host->patterns, report_pattern, &reporting);
    return patterns->set != NULL;
}

void pattern_list_own_texts(struct pattern_list *patterns)
{
    size_t length = 0;
    for (uint32_t index = 0; index < patterns->count; index++)
        length += patterns->patterns[index].text.length;
    patterns->texts = memory_allocate(length + 1);
    char *copy = patterns->texts;
    for (uint32_t index = 0; index < patterns->count; index++) {
        struct slice *text = &patterns->patterns[index].text;
        memcpy(copy, text->data, text->length);
        text->data = copy;
        copy += text->length;
    }
    /* They point into the lists. */
    free(patterns->origins);
    patterns->origins = NULL;
}

struct slice pattern_list_match(const struct pattern_list *patterns, struct slice text)
{
    if (patterns->count == 0)
        return SLICE_ABSENT;
    uint32_t index = pattern_set_scan(patterns->set, text);
    return index == PATTERN_NONE ? SLICE_ABSENT : patterns->patterns[index].text;
}

void pattern_list_free(struct pattern_list *patterns)
{
    pattern_set_destroy(patterns->set);
    free(patterns->patterns);
    free(patterns->origins);
    free(patterns->texts);
    *patterns = (struct pattern_list){0};
}
