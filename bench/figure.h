/* The figures that the benches report: each a ratio against a reference that ran interleaved with it, pair by pair, so
 * that what else the machine did in that minute hit both.
 *
 * A bench program is called as `<name>_bench JSON DATA …`: it appends one JSON object a figure to the file JSON and
 * prints one row of the table a figure. */
#ifndef WEIR_BENCH_FIGURE_H
#define WEIR_BENCH_FIGURE_H

#include <stddef.h>
#include <stdint.h>

#define FIGURE_RUNS_MAXIMUM 64

enum figure_bound { BOUND_NONE, BOUND_AT_MOST, BOUND_AT_LEAST };

struct figure {
    const char *name;
    const char *reference; /* what the ratio is against, in words for people */
    const char *unit;      /* of `value` */
    enum figure_bound bound;
    double limit; /* of the ratio */
    double values[FIGURE_RUNS_MAXIMUM];
    double ratios[FIGURE_RUNS_MAXIMUM];
    size_t runs;
};

/* One more run; past FIGURE_RUNS_MAXIMUM they are dropped. */
void figure_add(struct figure *figure, double ratio, double value);

/* The median of the ratios added so far. */
double figure_ratio(const struct figure *figure);

/* Appends the JSON object to the file `json_path` and prints the row: name, median [least..greatest] of the ratios,
 * bound and whether it is met, median value, unit, reference. Ends the process with 1 if the file cannot be written. */
void figure_report(const struct figure *figure, const char *json_path);

/* One pass over the data. */
typedef void figure_work(void *context);

/* Seconds that `rounds` passes of each took, added up. The passes alternate, and which one begins alternates too. */
struct figure_pair {
    double ours;
    double reference;
};
struct figure_pair figure_measure(figure_work *ours, figure_work *reference, void *context, unsigned rounds);

/* Prints what went wrong, as printf does, and ends the process with 1. */
_Noreturn void bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
