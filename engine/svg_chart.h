/* Pictures for a page: SVG elements that stand within HTML, drawn with the page's own style sheet (SVG_CHART_STYLE).
 * They are XML, and need neither script nor network. What a strip or a bar stands for is its tooltip. */
#ifndef WEIR_ENGINE_SVG_CHART_H
#define WEIR_ENGINE_SVG_CHART_H

#include <stdint.h>

#include "base/buffer.h"

/* Appends text for the content of an element or a quoted attribute: escaped, and made fit to be shown as
 * backtest_append_plain does it, at most `characters` of it. */
void markup_append_text(struct buffer *output, struct slice text, uint32_t characters);

/* Rules of CSS that the pictures' classes need. The colours of series are the classes `c0` to `c7`, in that order;
 * `cp`, `cd`, `cr`, `cf` those of passed, denied, replaced and failed events, `cw` of what a dry run would have denied,
 * `co` of the old side. Light and dark. */
extern const char svg_chart_style[];
#define SVG_COLOURS 8u

struct svg_series {
    const char *name;
    const char *colour; /* a class */
};

/* Columns side by side, each a stack of the series from below. */
struct svg_stack {
    const char *title; /* for who cannot see it */
    uint32_t steps;
    uint32_t series_count;
    const struct svg_series *series;
    const uint64_t *values; /* of a step all series, then the next */
    const uint64_t *line;   /* a line over the columns, a value for each step; NULL: none */
    const char *line_name;
    /* Appends the name of a step, for its tooltip, or below the axis where `brief`. */
    void (*append_step)(void *context, uint32_t step, bool brief, struct buffer *output);
    void *context;
};

/* With its legend. Nothing at all without steps. */
void svg_append_stack(struct buffer *output, const struct svg_stack *stack);

/* A bar that lies, with its name and its number. */
struct svg_bar {
    struct slice name;
    double values[2]; /* the first is the long bar; the second stands in a thinner one below it */
    const char *colours[2];
};

/* `second`: whether the second values are shown; `unit` stands behind the numbers ("", " ns"). Nothing without bars. */
void svg_append_bars(struct buffer *output, const char *title, const struct svg_bar *bars, uint32_t count, bool second,
                     const char *unit);

#endif
