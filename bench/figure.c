/* Medians, because a shared machine's outliers all point one way. */
#include "bench/figure.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/clock.h"

void bench_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("bench: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

void figure_add(struct figure *figure, double ratio, double value)
{
    if (figure->runs == FIGURE_RUNS_MAXIMUM)
        return;
    figure->ratios[figure->runs] = ratio;
    figure->values[figure->runs++] = value;
}

static int compare(const void *left, const void *right)
{
    double difference = *(const double *)left - *(const double *)right;
    return (difference > 0) - (difference < 0);
}

static double quantile(const double *numbers, size_t count, double place)
{
    double sorted[FIGURE_RUNS_MAXIMUM];
    if (count == 0)
        return 0;
    memcpy(sorted, numbers, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare);
    double position = place * (double)(count - 1);
    size_t below = (size_t)position;
    size_t above = below + 1 < count ? below + 1 : below;
    return sorted[below] + (sorted[above] - sorted[below]) * (position - (double)below);
}

double figure_ratio(const struct figure *figure)
{
    return quantile(figure->ratios, figure->runs, 0.5);
}

/* Names, units and references are ours and hold nothing that JSON would have to escape. */
static void append_json(const struct figure *figure, FILE *output)
{
    fprintf(output,
            "{\"name\": \"%s\", \"ratio\": %.4g, \"reference\": \"%s\", \"value\": %.6g, \"unit\": \"%s\", \"runs\": [",
            figure->name, figure_ratio(figure), figure->reference, quantile(figure->values, figure->runs, 0.5),
            figure->unit);
    for (size_t run = 0; run < figure->runs; run++)
        fprintf(output, "%s%.4g", run ? ", " : "", figure->ratios[run]);
    fputs("]}\n", output);
}

static void describe_bound(const struct figure *figure, char *text, size_t size)
{
    double ratio = figure_ratio(figure);
    if (figure->bound == BOUND_NONE)
        snprintf(text, size, "-");
    else if (figure->bound == BOUND_AT_MOST)
        snprintf(text, size, "<= %g %s", figure->limit, ratio <= figure->limit ? "met" : "MISSED");
    else
        snprintf(text, size, ">= %g %s", figure->limit, ratio >= figure->limit ? "met" : "MISSED");
}

void figure_report(const struct figure *figure, const char *json_path)
{
    FILE *json = fopen(json_path, "a");
    if (!json)
        bench_fail("cannot write %s", json_path);
    append_json(figure, json);
    if (fclose(json) != 0)
        bench_fail("cannot write %s", json_path);
    char bound[64];
    char spread[64];
    describe_bound(figure, bound, sizeof bound);
    snprintf(spread, sizeof spread, "%.3f [%.3f..%.3f]", figure_ratio(figure),
             quantile(figure->ratios, figure->runs, 0), quantile(figure->ratios, figure->runs, 1));
    double value = quantile(figure->values, figure->runs, 0.5);
    printf("%-28s %-22s %-14s %12.*f %-10s %s\n", figure->name, spread, bound, fabs(value) < 1000 ? 2 : 0, value,
           figure->unit, figure->reference);
    fflush(stdout);
}

static double timed(figure_work *work, void *context)
{
    uint64_t started = clock_now_ns();
    work(context);
    return (double)(clock_now_ns() - started) / 1e9;
}

struct figure_pair figure_measure(figure_work *ours, figure_work *reference, void *context, unsigned rounds)
{
    struct figure_pair pair = {0};
    for (unsigned round = 0; round < rounds; round++) {
        if (round % 2)
            pair.ours += timed(ours, context);
        pair.reference += timed(reference, context);
        if (round % 2 == 0)
            pair.ours += timed(ours, context);
    }
    return pair;
}
