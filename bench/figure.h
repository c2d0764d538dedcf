/* The figures that the benches report: each a ratio against a reference that ran interleaved with it, pair by pair, so
 * that what else the machine did in that minute hit both.
 *
 * Every bench program, compiled or a script, is called alike, as `<name>_bench JSON DATA FOLDER WEIR`: it appends one
 * JSON object a line to the file JSON, with a "kind" (figure, sweep or latency), and prints a row of the table for each
 * figure. DATA is tests/data, FOLDER an empty temporary folder of the whole run with a private Redis at
 * FOLDER/redis.sock, WEIR the program. What a reference lacks on this machine is said on stderr, as "bench: …", and the
 * figure left out; exit code 1 means that a bench could not run. */
#ifndef WEIR_BENCH_FIGURE_H
#define WEIR_BENCH_FIGURE_H

#include <stdbool.h>
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

/* The medians of the ratios and of the values added so far, and whether the ratio keeps the bound; true without one. */
double figure_ratio(const struct figure *figure);
double figure_value(const struct figure *figure);
bool figure_met(const struct figure *figure);

/* Appends the JSON object to the file `json_path` (median, quartiles, least and greatest, all runs, the bound and
 * whether it is met) and prints the row: name, median [least..greatest] of the ratios, bound, median value, unit,
 * reference. Ends the process with 1 if there are no runs, if one is not a finite number, or if the file cannot be
 * written; so do the other reports. */
void figure_report(const struct figure *figure, const char *json_path);

/* One pass over the data. */
typedef void figure_work(void *context);

/* Seconds that `rounds` passes of each took, added up. The passes alternate, and which one begins alternates too. */
struct figure_pair {
    double ours;
    double reference;
};
struct figure_pair figure_measure(figure_work *ours, figure_work *reference, void *context, unsigned rounds);

/* Whether this is the short run (WEIR_BENCH_QUICK=1 in the environment), and how many runs to make of the `full` number
 * of a whole one: in a short run a quarter of them, three at least. */
bool bench_is_quick(void);
unsigned bench_runs(unsigned full);

/* How a cost grows with a size: one point for each size, each a ratio against the same reference as all others. */
#define SWEEP_POINTS_MAXIMUM 32

/* The law that the points should follow; `bench/report` fits its coefficients and says how well they fit. */
enum sweep_law {
    LAW_CONSTANT,    /* a */
    LAW_LINEAR,      /* a + b x */
    LAW_LOGARITHMIC, /* a + b log2(x) */
};

struct sweep_point {
    double x;
    double values[FIGURE_RUNS_MAXIMUM]; /* in `unit` */
    double ratios[FIGURE_RUNS_MAXIMUM];
    size_t runs;
};

struct sweep {
    const char *name;      /* "chain_by_patterns_regex" */
    const char *title;     /* for people: "Chain, by number of regular expressions" */
    const char *x_name;    /* "patterns" */
    const char *unit;      /* of the values: "ns/event" */
    const char *reference; /* as in a figure */
    enum sweep_law law;
    bool logarithmic_axis; /* of x, in plots */
    struct sweep_point points[SWEEP_POINTS_MAXIMUM];
    size_t count;
};

/* A further point, to be filled with sweep_add; points past SWEEP_POINTS_MAXIMUM end the process with 1. */
struct sweep_point *sweep_point(struct sweep *sweep, double x);
void sweep_add(struct sweep_point *point, double ratio, double value);
/* Appends the JSON object and prints one line: name, and x: median value of each point. */
void sweep_report(const struct sweep *sweep, const char *json_path);

/* Percentiles of waiting, at one rate of an open loop: `ours` and, if there is one, the reference's at the same rate.
 */
struct latency_curve {
    const char *name;      /* "request" */
    const char *side;      /* "weir", "ping-pong": one curve for each side and rate */
    double rate;           /* asked for, per second; 0: one at a time, closed loop */
    double reached;        /* what it really was */
    double percentiles[8]; /* in microseconds: p50, p75, p90, p95, p99, p99.9, greatest, mean */
    uint64_t count;
};
void latency_report(const struct latency_curve *curve, const char *json_path);

/* Prints what went wrong, as printf does, and ends the process with 1. */
_Noreturn void bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
