/* The text format wants the samples of a family together, and modules give theirs one module at a time: all are taken
 * down first. There are a few dozen, and somebody asks every few seconds. */
#include "engine/module_figures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define NAME_MAXIMUM 160
#define TEXT_MAXIMUM 240
/* Enough for every module with a label; a combine may have many members. */
#define FIGURES_MAXIMUM 4096u

struct figure {
    char name[NAME_MAXIMUM]; /* of the family */
    char text[TEXT_MAXIMUM];
    const char *label;
    double value;
    bool written;
};

struct list {
    struct figure *figures;
    size_t count;
    const char *module;
    const char *label;
};

static void take_down(void *context, const char *name, const char *text, double value)
{
    struct list *list = context;
    if (list->count == FIGURES_MAXIMUM)
        return;
    if ((list->count & (list->count - 1)) == 0)
        list->figures = memory_reallocate(list->figures, (list->count ? list->count * 2 : 1) * sizeof *list->figures);
    struct figure *figure = &list->figures[list->count++];
    *figure = (struct figure){.label = list->label, .value = value};
    snprintf(figure->name, sizeof figure->name, "weir_module_%s_%s", list->module, name);
    snprintf(figure->text, sizeof figure->text, "%s", text);
}

static bool is_counter(const char *name)
{
    static const char ending[] = "_total";
    size_t length = strlen(name), wanted = sizeof ending - 1;
    return length > wanted && strcmp(name + length - wanted, ending) == 0;
}

/* The family of the figure at `first`, with all that belong to it. */
static void append_family(struct buffer *output, const struct list *list, size_t first)
{
    const char *name = list->figures[first].name;
    struct metric_definition definition = {.name = name,
                                           .kind = is_counter(name) ? METRIC_COUNTER : METRIC_GAUGE,
                                           .help = list->figures[first].text,
                                           .label = "module"};
    metrics_append_family(output, &definition);
    for (size_t index = first; index < list->count; index++) {
        struct figure *figure = &list->figures[index];
        if (strcmp(figure->name, name) != 0)
            continue;
        metrics_append_sample(output, &definition, figure->label, figure->value);
        figure->written = true;
    }
}

void module_figures_append(struct buffer *output, const struct chain *chain, metric_label_function *label,
                           const void *context)
{
    struct list list = {0};
    for (uint32_t index = 0; index < chain_module_count(chain); index++) {
        list.module = chain_module(chain, index)->name;
        list.label = label(context, index);
        if (list.label)
            chain_module_figures(chain, index, take_down, &list);
    }
    for (size_t index = 0; index < list.count; index++)
        if (!list.figures[index].written)
            append_family(output, &list, index);
    free(list.figures);
}
