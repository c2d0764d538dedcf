/* Values live in arrays of the families and never move, so that counting is an increment through a pointer. All text is
 * made when somebody asks for it. */
#include "engine/metrics.h"

#include <stdlib.h>

#include "base/memory.h"

struct family {
    struct family *next;
    struct metric_definition definition;
    uint64_t *values; /* NULL of a member */
    const uint64_t *member;
    size_t count;
    metric_label_function *label_text;
    const void *context;
    struct latency *latency; /* a histogram if set, and then no values */
};

struct collector {
    struct collector *next;
    void (*collect)(void *context);
    void *context;
};

struct renderer {
    struct renderer *next;
    void (*render)(const void *context, struct buffer *output);
    const void *context;
};

struct metrics {
    struct family *first;
    struct family **last;
    struct collector *collectors;
    struct renderer *renderers;
};

struct metrics *metrics_create(void)
{
    struct metrics *metrics = memory_allocate_zeroed(1, sizeof *metrics);
    metrics->last = &metrics->first;
    return metrics;
}

void metrics_destroy(struct metrics *metrics)
{
    if (!metrics)
        return;
    while (metrics->first) {
        struct family *family = metrics->first;
        metrics->first = family->next;
        free(family->values);
        free(family->latency);
        free(family);
    }
    while (metrics->collectors) {
        struct collector *collector = metrics->collectors;
        metrics->collectors = collector->next;
        free(collector);
    }
    while (metrics->renderers) {
        struct renderer *renderer = metrics->renderers;
        metrics->renderers = renderer->next;
        free(renderer);
    }
    free(metrics);
}

static struct family *add_family(struct metrics *metrics)
{
    struct family *family = memory_allocate_zeroed(1, sizeof *family);
    *metrics->last = family;
    metrics->last = &family->next;
    return family;
}

uint64_t *metrics_register(struct metrics *metrics, const struct metric_definition *definition, size_t count,
                           metric_label_function *label_text, const void *context)
{
    struct family *family = add_family(metrics);
    family->definition = *definition;
    family->count = count;
    family->values = memory_allocate_zeroed(count, sizeof *family->values);
    family->label_text = label_text;
    family->context = context;
    return family->values;
}

void metrics_register_members(struct metrics *metrics, const struct metric_member *members, size_t count,
                              const void *counts)
{
    for (size_t index = 0; index < count; index++) {
        struct family *family = add_family(metrics);
        family->definition = members[index].definition;
        family->count = 1;
        family->member = (const uint64_t *)((const char *)counts + members[index].offset);
    }
}

struct latency *metrics_register_latency(struct metrics *metrics, const char *name, const char *help)
{
    struct family *family = add_family(metrics);
    family->definition = (struct metric_definition){.name = name, .help = help};
    family->latency = memory_allocate_zeroed(1, sizeof *family->latency);
    return family->latency;
}

void metrics_on_collect(struct metrics *metrics, void (*collect)(void *context), void *context)
{
    struct collector *collector = memory_allocate_zeroed(1, sizeof *collector);
    *collector = (struct collector){metrics->collectors, collect, context};
    metrics->collectors = collector;
}

void metrics_on_render(struct metrics *metrics, void (*render)(const void *context, struct buffer *output),
                       const void *context)
{
    struct renderer *renderer = memory_allocate_zeroed(1, sizeof *renderer);
    *renderer = (struct renderer){metrics->renderers, render, context};
    metrics->renderers = renderer;
}

/* Backslash and line break are escaped everywhere, quotes in label values only. */
static void append_escaped(struct buffer *output, const char *text, bool quotes)
{
    for (; *text; text++) {
        if (*text == '\n') {
            buffer_append(output, "\\n", 2);
            continue;
        }
        if (*text == '\\' || (quotes && *text == '"'))
            buffer_append_char(output, '\\');
        buffer_append_char(output, *text);
    }
}

static void append_header(struct buffer *output, const struct metric_definition *definition, const char *type)
{
    buffer_append_format(output, "# HELP %s ", definition->name);
    append_escaped(output, definition->help, false);
    buffer_append_format(output, "\n# TYPE %s %s\n", definition->name, type);
}

void metrics_append_family(struct buffer *output, const struct metric_definition *definition)
{
    append_header(output, definition, definition->kind == METRIC_COUNTER ? "counter" : "gauge");
}

/* What stands before the value. */
static void append_name(struct buffer *output, const struct metric_definition *definition, const char *label)
{
    buffer_append_string(output, definition->name);
    if (!label)
        return;
    buffer_append_format(output, "{%s=\"", definition->label);
    append_escaped(output, label, true);
    buffer_append_string(output, "\"}");
}

void metrics_append_sample(struct buffer *output, const struct metric_definition *definition, const char *label,
                           double value)
{
    append_name(output, definition, label);
    buffer_append_format(output, " %.15g\n", value);
}

void metrics_append_labelled(struct buffer *output, const struct metric_definition *definition,
                             const struct metric_label *labels, size_t count, double value)
{
    buffer_append_string(output, definition->name);
    for (size_t index = 0; index < count; index++) {
        buffer_append_format(output, "%s%s=\"", index ? "," : "{", labels[index].name);
        append_escaped(output, labels[index].text, true);
        buffer_append_char(output, '"');
    }
    buffer_append_format(output, "%s %.15g\n", count ? "}" : "", value);
}

static void render_values(const struct family *family, struct buffer *output)
{
    const struct metric_definition *definition = &family->definition;
    metrics_append_family(output, definition);
    for (size_t index = 0; index < family->count; index++) {
        bool labelled = definition->label && family->label_text;
        const char *label = labelled ? family->label_text(family->context, index) : NULL;
        if (labelled && !label)
            continue;
        append_name(output, definition, label);
        buffer_append_format(output, " %llu\n",
                             (unsigned long long)(family->member ? *family->member : family->values[index]));
    }
}

static void render_latency(const struct family *family, struct buffer *output)
{
    static const struct {
        uint64_t bound_ns;
        const char *seconds;
    } bounds[] = {
        {1000, "0.000001"},  {2500, "0.0000025"}, {5000, "0.000005"},  {10000, "0.00001"},  {25000, "0.000025"},
        {50000, "0.00005"},  {100000, "0.0001"},  {250000, "0.00025"}, {500000, "0.0005"},  {1000000, "0.001"},
        {2500000, "0.0025"}, {5000000, "0.005"},  {10000000, "0.01"},  {25000000, "0.025"}, {50000000, "0.05"},
        {100000000, "0.1"},  {250000000, "0.25"}, {500000000, "0.5"},  {1000000000, "1"},   {2500000000, "2.5"},
        {5000000000, "5"},   {10000000000, "10"}, {60000000000, "60"},
    };
    const char *name = family->definition.name;
    const struct latency *latency = family->latency;
    append_header(output, &family->definition, "histogram");
    for (size_t index = 0; index < sizeof bounds / sizeof bounds[0]; index++)
        buffer_append_format(output, "%s_bucket{le=\"%s\"} %llu\n", name, bounds[index].seconds,
                             (unsigned long long)latency_count_below(latency, bounds[index].bound_ns));
    buffer_append_format(output, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum %.9f\n%s_count %llu\n", name,
                         (unsigned long long)latency->count, name, (double)latency->sum_ns / 1e9, name,
                         (unsigned long long)latency->count);
}

void metrics_render(struct metrics *metrics, struct buffer *output)
{
    for (struct collector *collector = metrics->collectors; collector; collector = collector->next)
        collector->collect(collector->context);
    for (const struct family *family = metrics->first; family; family = family->next) {
        if (family->latency)
            render_latency(family, output);
        else
            render_values(family, output);
    }
    for (const struct renderer *renderer = metrics->renderers; renderer; renderer = renderer->next)
        renderer->render(renderer->context, output);
}
