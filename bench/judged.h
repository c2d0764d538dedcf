/* A chain over events, measured against yyjson alone on the same events: one point of a sweep.
 *
 * yyjson's side is that of chain_bench.c: default flags, one pool for all documents, nothing looked at. */
#ifndef WEIR_BENCH_JUDGED_H
#define WEIR_BENCH_JUDGED_H

#include "bench/corpus.h"
#include "bench/figure.h"
#include "filters/judge.h"

/* Which events get a verdict's row, as `publish.verdicts` has it. */
enum judged_rows { ROWS_NONE, ROWS_OF_DENIED, ROWS_OF_ALL };

struct judged_settings {
    const struct corpus_event *events; /* outlive the point, as the chain does */
    size_t count;
    struct chain *chain;
    enum judged_rows rows;
};

struct judged;

struct judged *judged_create(const struct judged_settings *settings);
void judged_destroy(struct judged *judged);

/* One pass over the events; figure_work with a struct judged. */
void judged_pass(void *judged);
/* Passes of both sides; see figure_measure. */
struct figure_pair judged_measure(struct judged *judged, unsigned rounds);

size_t judged_count(const struct judged *judged);
/* Events that the last pass did not let through. */
size_t judged_denied(const struct judged *judged);
/* Whether the chain lets this event pass. */
bool judged_passes(struct judged *judged, const struct corpus_event *event);

#endif
