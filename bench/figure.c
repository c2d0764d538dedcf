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

static void append_numbers(FILE *output, const double *numbers, size_t count)
{
    fputc('[', output);
    for (size_t index = 0; index < count; index++)
        fprintf(output, "%s%.4g", index ? ", " : "", numbers[index]);
    fputc(']', output);
}

/* Names, units and references are ours and hold nothing that JSON would have to escape. */
static void append_json(const struct figure *figure, FILE *output)
{
    fprintf(output,
            "{\"kind\": \"figure\", \"name\": \"%s\", \"ratio\": %.4g, \"reference\": \"%s\", \"value\": %.6g, "
            "\"unit\": \"%s\", \"runs\": ",
            figure->name, figure_ratio(figure), figure->reference, quantile(figure->values, figure->runs, 0.5),
            figure->unit);
    append_numbers(output, figure->ratios, figure->runs);
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

void sweep_report(const struct sweep *sweep, const char *json_path)
{
    static const char *const laws[] = {
        [LAW_CONSTANT] = "constant", [LAW_LINEAR] = "linear", [LAW_LOGARITHMIC] = "logarithmic"};
    FILE *json = open_json(json_path);
    fprintf(
        json,
        "{\"kind\": \"sweep\", \"name\": \"%s\", \"title\": \"%s\", \"x\": \"%s\", \"unit\": \"%s\", \"reference\": "
        "\"%s\", \"law\": \"%s\", \"logarithmic\": %s, \"points\": [",
        sweep->name, sweep->title, sweep->x_name, sweep->unit, sweep->reference, laws[sweep->law],
        sweep->logarithmic_axis ? "true" : "false");
    printf("%-28s", sweep->name);
    for (size_t index = 0; index < sweep->count; index++) {
        const struct sweep_point *point = &sweep->points[index];
        double value = quantile(point->values, point->runs, 0.5);
        fprintf(json, "%s{\"x\": %.10g, \"value\": %.6g, \"ratio\": %.4g, \"values\": ", index ? ", " : "", point->x,
                value, quantile(point->ratios, point->runs, 0.5));
        append_numbers(json, point->values, point->runs);
        fputs(", \"runs\": ", json);
        append_numbers(json, point->ratios, point->runs);
        fputc('}', json);
        printf(" %.10g: %.4g", point->x, value);
    }
    fputs("]}\n", json);
    printf(" %s\n", sweep->unit);
    fflush(stdout);
    close_json(json, json_path);
}

void latency_report(const struct latency_curve *curve, const char *json_path)
{
    FILE *json = open_json(json_path);
    fprintf(json,
            "{\"kind\": \"latency\", \"name\": \"%s\", \"side\": \"%s\", \"rate\": %.6g, \"reached\": %.6g, \"count\": "
            "%llu, "
            "\"percentiles\": ",
            curve->name, curve->side, curve->rate, curve->reached, (unsigned long long)curve->count);
    append_numbers(json, curve->percentiles, sizeof curve->percentiles / sizeof *curve->percentiles);
    fputs("}\n", json);
    close_json(json, json_path);
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
    FILE *json = open_json(json_path);
    append_json(figure, json);
    close_json(json, json_path);
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
