/* Lengths are those of a drawing of fixed width; the page scales it. Numbers are written with one decimal, so that a
 * picture of 120 steps stays small. */
#include "engine/svg_chart.h"

#include <inttypes.h>
#include <math.h>

#include "base/utf8.h"
#include "engine/backtest_excerpt.h"
#include "engine/backtest_report.h"

#define WIDTH 960.0
#define STACK_HEIGHT 240.0
#define LEFT 64.0
#define TOP 12.0
#define BOTTOM 26.0
#define TICKS 4u
#define STEP_NAMES 6u
#define NAME_WIDTH 330.0
#define NAME_CHARACTERS 46u
#define NUMBER_WIDTH 130.0
#define BAR_HEIGHT 13.0
#define SECOND_HEIGHT 6.0

const char svg_chart_style[] =
    ":root{--c0:#2a78d6;--c1:#1baf7a;--c2:#eda100;--c3:#4a3aa7;--c4:#e87ba4;--c5:#008300;--c6:#eb6834;--c7:#8a8a80;"
    "--pass:#d3d2c9;--deny:#d03b3b;--grid:#e4e3dc;--muted:#6b6a63;--ink:#1d1d1a;--old:#8d8c84}\n"
    "@media (prefers-color-scheme:dark){:root{--c0:#3987e5;--c1:#199e70;--c2:#c98500;--c3:#9085e9;--c4:#d55181;"
    "--c5:#4ca64c;--c6:#d95926;--c7:#8a8a80;--pass:#4a4a46;--deny:#e66767;--grid:#33332f;--muted:#a5a49b;--ink:#ecebe4;"
    "--old:#8d8c84}}\n"
    "svg{width:100%;height:auto;display:block;max-width:60rem}\n"
    "svg text{font:12px system-ui,sans-serif;fill:var(--muted)}\n"
    "svg .name{fill:var(--ink)}\n"
    "svg .grid{stroke:var(--grid);stroke-width:1}\n"
    "svg .line{fill:none;stroke:var(--ink);stroke-width:1.5}\n"
    ".c0{fill:var(--c0);background:var(--c0)}.c1{fill:var(--c1);background:var(--c1)}"
    ".c2{fill:var(--c2);background:var(--c2)}.c3{fill:var(--c3);background:var(--c3)}"
    ".c4{fill:var(--c4);background:var(--c4)}.c5{fill:var(--c5);background:var(--c5)}"
    ".c6{fill:var(--c6);background:var(--c6)}.c7{fill:var(--c7);background:var(--c7)}\n"
    ".cp{fill:var(--pass);background:var(--pass)}.cd{fill:var(--deny);background:var(--deny)}"
    ".cr{fill:var(--c2);background:var(--c2)}.cf{fill:var(--c3);background:var(--c3)}"
    ".cw{fill:var(--c4);background:var(--c4)}.co{fill:var(--old);background:var(--old)}"
    ".cl{background:var(--ink)}\n"
    ".legend{display:flex;flex-wrap:wrap;gap:.2rem 1rem;margin:.3rem 0;font-size:.85rem}\n"
    ".legend i{display:inline-block;width:.8em;height:.8em;margin-right:.4em;border-radius:2px}\n";

void markup_append_text(struct buffer *output, struct slice text, uint32_t characters)
{
    static const struct {
        char byte;
        const char *escape;
    } escapes[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}};
    struct buffer plain = {0};
    backtest_append_plain(&plain, text, characters);
    for (size_t index = 0; index < plain.length; index++) {
        const char *escape = NULL;
        for (size_t which = 0; which < sizeof escapes / sizeof *escapes; which++)
            if (plain.data[index] == escapes[which].byte)
                escape = escapes[which].escape;
        if (escape)
            buffer_append_string(output, escape);
        else
            buffer_append_char(output, plain.data[index]);
    }
    buffer_free(&plain);
}

static void append_title(struct buffer *output, const char *title)
{
    buffer_append_string(output, "<title>");
    markup_append_text(output, slice_from_string(title), UINT32_MAX);
    buffer_append_string(output, "</title>");
}

/* The least 1, 2 or 5 times a power of ten with which TICKS steps reach `most`. */
static double tick_of(double most)
{
    static const double factors[] = {1, 2, 5, 10};
    double least = most / TICKS;
    double power = pow(10, floor(log10(least < 1 ? 1 : least)));
    for (size_t index = 0; index < sizeof factors / sizeof *factors; index++)
        if (factors[index] * power >= least)
            return factors[index] * power;
    return 10 * power;
}

static uint64_t value_of(const struct svg_stack *stack, uint32_t step, uint32_t series)
{
    return stack->values[(size_t)step * stack->series_count + series];
}

static double highest(const struct svg_stack *stack)
{
    uint64_t most = 1;
    for (uint32_t step = 0; step < stack->steps; step++) {
        uint64_t sum = 0;
        for (uint32_t series = 0; series < stack->series_count; series++)
            sum += value_of(stack, step, series);
        most = sum > most ? sum : most;
        if (stack->line && stack->line[step] > most)
            most = stack->line[step];
    }
    return (double)most;
}

static void append_legend(struct buffer *output, const struct svg_stack *stack)
{
    buffer_append_string(output, "<div class=\"legend\">");
    for (uint32_t series = 0; series < stack->series_count; series++) {
        buffer_append_format(output, "<span><i class=\"%s\"></i>", stack->series[series].colour);
        markup_append_text(output, slice_from_string(stack->series[series].name), NAME_CHARACTERS);
        buffer_append_string(output, "</span>");
    }
    if (stack->line) {
        buffer_append_string(output, "<span><i class=\"cl\"></i>");
        markup_append_text(output, slice_from_string(stack->line_name), NAME_CHARACTERS);
        buffer_append_string(output, "</span>");
    }
    buffer_append_string(output, "</div>\n");
}

/* Where things are in a stack's picture. */
struct frame {
    double column; /* the width of a step */
    double height;
    double top_value;
};

static double height_of(const struct frame *frame, double value)
{
    return value / frame->top_value * frame->height;
}

static void append_axes(struct buffer *output, const struct svg_stack *stack, const struct frame *frame, double tick)
{
    for (unsigned number = 0; number * tick <= frame->top_value; number++) {
        double value = number * tick;
        double y = TOP + frame->height - height_of(frame, value);
        buffer_append_format(output, "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>", LEFT,
                             WIDTH, y, y);
        buffer_append_format(output, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">", LEFT - 6, y + 4);
        human_append_count(output, (uint64_t)value);
        buffer_append_string(output, "</text>");
    }
    uint32_t apart = stack->steps / STEP_NAMES + 1;
    for (uint32_t step = 0; step < stack->steps; step += apart) {
        buffer_append_format(output, "<text x=\"%.1f\" y=\"%.1f\">", LEFT + step * frame->column, STACK_HEIGHT - 8);
        stack->append_step(stack->context, step, true, output);
        buffer_append_string(output, "</text>");
    }
}

static void append_column(struct buffer *output, const struct svg_stack *stack, const struct frame *frame,
                          uint32_t step)
{
    double y = TOP + frame->height;
    double gap = frame->column > 4 ? 1 : 0;
    buffer_append_string(output, "<g><title>");
    stack->append_step(stack->context, step, false, output);
    for (uint32_t series = 0; series < stack->series_count; series++) {
        buffer_append_string(output, "\n");
        markup_append_text(output, slice_from_string(stack->series[series].name), NAME_CHARACTERS);
        buffer_append_format(output, ": %" PRIu64, value_of(stack, step, series));
    }
    if (stack->line)
        buffer_append_format(output, "\n%s: %" PRIu64, stack->line_name, stack->line[step]);
    buffer_append_string(output, "</title>");
    for (uint32_t series = 0; series < stack->series_count; series++) {
        double height = height_of(frame, (double)value_of(stack, step, series));
        if (height <= 0)
            continue;
        y -= height;
        buffer_append_format(output, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.2f\"/>",
                             stack->series[series].colour, LEFT + step * frame->column, y, frame->column - gap, height);
    }
    buffer_append_string(output, "</g>\n");
}

void svg_append_stack(struct buffer *output, const struct svg_stack *stack)
{
    if (stack->steps == 0)
        return;
    double tick = tick_of(highest(stack));
    struct frame frame = {.column = (WIDTH - LEFT) / stack->steps,
                          .height = STACK_HEIGHT - TOP - BOTTOM,
                          .top_value = ceil(highest(stack) / tick) * tick};
    append_legend(output, stack);
    buffer_append_format(output, "<svg role=\"img\" viewBox=\"0 0 %.0f %.0f\" xmlns=\"http://www.w3.org/2000/svg\">",
                         WIDTH, STACK_HEIGHT);
    append_title(output, stack->title);
    append_axes(output, stack, &frame, tick);
    for (uint32_t step = 0; step < stack->steps; step++)
        append_column(output, stack, &frame, step);
    if (stack->line) {
        buffer_append_string(output, "<polyline class=\"line\" points=\"");
        for (uint32_t step = 0; step < stack->steps; step++) {
            double y = TOP + frame.height - height_of(&frame, (double)stack->line[step]);
            buffer_append_format(output, "%.1f,%.1f %.1f,%.1f ", LEFT + step * frame.column, y,
                                 LEFT + (step + 1) * frame.column, y);
        }
        buffer_append_string(output, "\"/>");
    }
    buffer_append_string(output, "</svg>\n");
}

static void append_number(struct buffer *output, double value)
{
    if (value >= 100 || value == floor(value))
        human_append_count(output, (uint64_t)(value + 0.5));
    else
        buffer_append_format(output, "%.1f", value);
}

static void append_bar(struct buffer *output, const struct svg_bar *bar, double y, double scale, bool second,
                       const char *unit)
{
    buffer_append_string(output, "<g><title>");
    markup_append_text(output, bar->name, UINT32_MAX);
    buffer_append_format(output, "</title><text class=\"name\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">",
                         NAME_WIDTH - 8, y + 11);
    markup_append_text(output, bar->name, NAME_CHARACTERS);
    buffer_append_format(output, "</text><rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>",
                         bar->colours[0], NAME_WIDTH, y, bar->values[0] * scale, BAR_HEIGHT);
    if (second)
        buffer_append_format(output, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>",
                             bar->colours[1], NAME_WIDTH, y + BAR_HEIGHT + 1, bar->values[1] * scale, SECOND_HEIGHT);
    double longest = second && bar->values[1] > bar->values[0] ? bar->values[1] : bar->values[0];
    buffer_append_format(output, "<text x=\"%.1f\" y=\"%.1f\">", NAME_WIDTH + longest * scale + 6, y + 11);
    append_number(output, bar->values[0]);
    if (second) {
        buffer_append_string(output, " / ");
        append_number(output, bar->values[1]);
    }
    markup_append_text(output, slice_from_string(unit), NAME_CHARACTERS);
    buffer_append_string(output, "</text></g>\n");
}

void svg_append_bars(struct buffer *output, const char *title, const struct svg_bar *bars, uint32_t count, bool second,
                     const char *unit)
{
    double most = 0;
    double row = BAR_HEIGHT + (second ? SECOND_HEIGHT + 8 : 7);
    for (uint32_t index = 0; index < count; index++)
        for (unsigned which = 0; which < (second ? 2 : 1); which++)
            most = bars[index].values[which] > most ? bars[index].values[which] : most;
    if (count == 0)
        return;
    buffer_append_format(output, "<svg role=\"img\" viewBox=\"0 0 %.0f %.0f\" xmlns=\"http://www.w3.org/2000/svg\">",
                         WIDTH, count * row + 2);
    append_title(output, title);
    for (uint32_t index = 0; index < count; index++)
        append_bar(output, &bars[index], index * row + 1, most > 0 ? (WIDTH - NAME_WIDTH - NUMBER_WIDTH) / most : 0,
                   second, unit);
    buffer_append_string(output, "</svg>\n");
}
