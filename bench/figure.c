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

double figure_value(const struct figure *figure)
{
    return quantile(figure->values, figure->runs, 0.5);
}

bool figure_met(const struct figure *figure)
{
    double ratio = figure_ratio(figure);
    if (figure->bound == BOUND_AT_MOST)
        return ratio <= figure->limit;
    return figure->bound == BOUND_NONE || ratio >= figure->limit;
}

/* JSON knows neither infinities nor NaN, and a ratio that is one is nobody's figure. */
static void check_numbers(const char *name, const double *numbers, size_t count)
{
    if (count == 0)
        bench_fail("%s has no runs", name);
    for (size_t index = 0; index < count; index++) {
        if (!isfinite(numbers[index]))
            bench_fail("%s: run %zu is not a number", name, index);
    }
}

static void append_numbers(FILE *output, const char *key, const double *numbers, size_t count)
{
    fprintf(output, ", \"%s\": [", key);
    for (size_t index = 0; index < count; index++)
        fprintf(output, "%s%.6g", index ? ", " : "", numbers[index]);
    fputc(']', output);
}

static void append_spread(FILE *output, const double *numbers, size_t count)
{
    fprintf(output,
            ", \"spread\": {\"least\": %.6g, \"lower_quartile\": %.6g, \"upper_quartile\": %.6g, \"greatest\": %.6g}",
            quantile(numbers, count, 0), quantile(numbers, count, 0.25), quantile(numbers, count, 0.75),
            quantile(numbers, count, 1));
}

/* Names, units and references are ours and hold nothing that JSON would have to escape. */
static void append_json(const struct figure *figure, FILE *output)
{
    fprintf(output,
            "{\"kind\": \"figure\", \"name\": \"%s\", \"ratio\": %.6g, \"reference\": \"%s\", \"value\": %.6g, "
            "\"unit\": \"%s\"",
            figure->name, figure_ratio(figure), figure->reference, figure_value(figure), figure->unit);
    if (figure->bound != BOUND_NONE)
        fprintf(output, ", \"bound\": {\"%s\": %.6g}, \"met\": %s",
                figure->bound == BOUND_AT_MOST ? "at_most" : "at_least", figure->limit,
                figure_met(figure) ? "true" : "false");
    append_spread(output, figure->ratios, figure->runs);
    append_numbers(output, "runs", figure->ratios, figure->runs);
    append_numbers(output, "values", figure->values, figure->runs);
    fputs("}\n", output);
}

bool bench_is_quick(void)
{
    const char *quick = getenv("WEIR_BENCH_QUICK");
    return quick && strcmp(quick, "1") == 0;
}

unsigned bench_runs(unsigned full)
{
    if (!bench_is_quick())
        return full;
    return full / 4 > 3 ? full / 4 : 3;
}

static FILE *open_json(const char *json_path)
{
    FILE *json = fopen(json_path, "a");
    if (!json)
        bench_fail("cannot write %s", json_path);
    return json;
}

static void close_json(FILE *json, const char *json_path)
{
    if (fclose(json) != 0)
        bench_fail("cannot write %s", json_path);
}

struct sweep_point *sweep_point(struct sweep *sweep, double x)
{
    if (sweep->count == SWEEP_POINTS_MAXIMUM)
        bench_fail("%s has more than %d points", sweep->name, SWEEP_POINTS_MAXIMUM);
    struct sweep_point *point = &sweep->points[sweep->count++];
    *point = (struct sweep_point){.x = x};
    return point;
}

void sweep_add(struct sweep_point *point, double ratio, double value)
{
    if (point->runs == FIGURE_RUNS_MAXIMUM)
        return;
    point->ratios[point->runs] = ratio;
    point->values[point->runs++] = value;
}

static void append_point(FILE *json, const struct sweep_point *point)
{
    fprintf(json, "{\"x\": %.10g, \"value\": %.6g, \"ratio\": %.6g", point->x,
            quantile(point->values, point->runs, 0.5), quantile(point->ratios, point->runs, 0.5));
    append_numbers(json, "values", point->values, point->runs);
    append_numbers(json, "runs", point->ratios, point->runs);
    fputc('}', json);
}

void sweep_report(const struct sweep *sweep, const char *json_path)
{
    static const char *const laws[] = {
        [LAW_CONSTANT] = "constant", [LAW_LINEAR] = "linear", [LAW_LOGARITHMIC] = "logarithmic"};
    for (size_t index = 0; index < sweep->count; index++) {
        check_numbers(sweep->name, sweep->points[index].ratios, sweep->points[index].runs);
        check_numbers(sweep->name, sweep->points[index].values, sweep->points[index].runs);
    }
    FILE *json = open_json(json_path);
    fprintf(json,
            "{\"kind\": \"sweep\", \"name\": \"%s\", \"title\": \"%s\", \"x\": \"%s\", \"unit\": \"%s\", "
            "\"reference\": \"%s\", \"law\": \"%s\", \"logarithmic\": %s, \"points\": [",
            sweep->name, sweep->title, sweep->x_name, sweep->unit, sweep->reference, laws[sweep->law],
            sweep->logarithmic_axis ? "true" : "false");
    printf("%-28s", sweep->name);
    for (size_t index = 0; index < sweep->count; index++) {
        const struct sweep_point *point = &sweep->points[index];
        fputs(index ? ", " : "", json);
        append_point(json, point);
        printf(" %.10g: %.4g", point->x, quantile(point->values, point->runs, 0.5));
    }
    fputs("]}\n", json);
    printf(" %s\n", sweep->unit);
    fflush(stdout);
    close_json(json, json_path);
}

void latency_report(const struct latency_curve *curve, const char *json_path)
{
    size_t count = sizeof curve->percentiles / sizeof *curve->percentiles;
    check_numbers(curve->name, curve->percentiles, count);
    FILE *json = open_json(json_path);
    fprintf(json,
            "{\"kind\": \"latency\", \"name\": \"%s\", \"side\": \"%s\", \"rate\": %.6g, \"reached\": %.6g, "
            "\"count\": %llu",
            curve->name, curve->side, curve->rate, curve->reached, (unsigned long long)curve->count);
    append_numbers(json, "percentiles", curve->percentiles, count);
    fputs("}\n", json);
    close_json(json, json_path);
}

static void describe_bound(const struct figure *figure, char *text, size_t size)
{
    if (figure->bound == BOUND_NONE)
        snprintf(text, size, "-");
    else
        snprintf(text, size, "%s %g %s", figure->bound == BOUND_AT_MOST ? "<=" : ">=", figure->limit,
                 figure_met(figure) ? "met" : "MISSED");
}

void figure_report(const struct figure *figure, const char *json_path)
{
    check_numbers(figure->name, figure->ratios, figure->runs);
    check_numbers(figure->name, figure->values, figure->runs);
    FILE *json = open_json(json_path);
    append_json(figure, json);
    close_json(json, json_path);
    char bound[64];
    char spread[64];
    describe_bound(figure, bound, sizeof bound);
    snprintf(spread, sizeof spread, "%.3f [%.3f..%.3f]", figure_ratio(figure),
             quantile(figure->ratios, figure->runs, 0), quantile(figure->ratios, figure->runs, 1));
    double value = figure_value(figure);
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
