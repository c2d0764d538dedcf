/* What `weir top` works out of two statuses of the same engine: how much of everything there is in a second. */
#ifndef WEIR_ENGINE_TOP_FIGURES_H
#define WEIR_ENGINE_TOP_FIGURES_H

#include <stddef.h>
#include <yyjson.h>

#include "base/buffer.h"

/* Columns by which modules are sorted, the most first, but for the place. */
enum top_sort { TOP_SORT_PLACE, TOP_SORT_DENIED, TOP_SORT_DRY_RUN, TOP_SORT_ASKED, TOP_SORT_TIME, TOP_SORTS };
extern const char *const top_sort_names[TOP_SORTS];

struct top_samples {
    yyjson_val *current;
    yyjson_val *previous; /* NULL: rates are not known */
    double seconds;       /* between the two */
};

/* `previous` may be NULL, and is left out if the engine has begun anew since, or no time has passed. */
struct top_samples top_samples_of(yyjson_val *current, yyjson_val *previous);

/* How much the count at a path has grown in a second; NAN if that is not known. */
double top_rate(const struct top_samples *samples, const char *path);

struct top_module {
    yyjson_val *module;                     /* of the current status */
    size_t place;                           /* in the chain, from 0 */
    double asked, denied, dry_runs, raised; /* a second; NAN: not known */
    double nanoseconds;                     /* for each question; NAN: not known */
    double core;                            /* the share of a processor that it takes, 1: all; NAN: not known */
};

/* The modules of the chain, in the order of the sort; the caller frees them. NULL, with 0 in `count`, without any. */
struct top_module *top_modules(const struct top_samples *samples, enum top_sort sort, size_t *count);

/* Of a writer of the current status (its index there), how much its position has grown in a second. */
double top_writer_rate(const struct top_samples *samples, size_t index);

/* Appends all of it as a JSON object in one line, rates that are not known as null. */
void top_figures_append_json(const struct top_samples *samples, struct buffer *output);

#endif
