/* Allocations on the path from a line of the channel to a verdict, once everything has grown to its size.
 *
 * The program's own malloc, calloc, realloc and their kin stand before glibc's, which is legal (glibc manual,
 * "Replacing malloc") and sees every call: ours, those of the libraries, and those of glibc itself. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/corpus.h"
#include "bench/figure.h"
#include "bench/rules.h"
#include "engine/log.h"
#include "engine/observer.h"
#include "engine/playback.h"

/* Rounds over the recording: the first ones let pools and tables grow, the others are counted. */
#define WARM_ROUNDS 2
#define COUNTED_ROUNDS 4
#define OUTPUT_CHUNK (256u << 10)

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *pointer, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static unsigned long allocations;

void *malloc(size_t size)
{
    allocations++;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    allocations++;
    return __libc_calloc(count, size);
}

void *realloc(void *pointer, size_t size)
{
    allocations++;
    return __libc_realloc(pointer, size);
}

void *memalign(size_t alignment, size_t size);
void *memalign(size_t alignment, size_t size)
{
    allocations++;
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    allocations++;
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **pointer, size_t alignment, size_t size)
{
    allocations++;
    *pointer = __libc_memalign(alignment, size);
    return *pointer ? 0 : ENOMEM;
}

struct work {
    const struct corpus *corpus;
    struct observer *observer;
    struct buffer rows; /* of denied events; emptied as a replay empties it when it is full */
    struct buffer lines;
    size_t *line_ends;
    size_t line_count;
    size_t line_capacity;
};

static struct slice find_body(void *context, struct slice event_id)
{
    return body_file_find(context, event_id);
}

static void on_judged(void *context, const struct verdict *verdict)
{
    struct work *work = context;
    if (verdict->outcome->kind == OUTCOME_PASSED)
        return;
    if (work->rows.length >= OUTPUT_CHUNK)
        buffer_clear(&work->rows);
    verdict_append_row(verdict, &work->rows);
    buffer_append_char(&work->rows, '\n');
}

static void on_position(void *context, enum stream stream, struct slice writer, int64_t token)
{
    (void)context, (void)stream, (void)writer, (void)token;
}

static void keep_line(void *context, struct slice line)
{
    struct work *work = context;
    if (work->line_count == work->line_capacity) {
        work->line_capacity = work->line_capacity ? work->line_capacity * 2 : 65536;
        work->line_ends = realloc(work->line_ends, work->line_capacity * sizeof *work->line_ends);
        if (!work->line_ends)
            bench_fail("out of memory");
    }
    buffer_append_slice(&work->lines, line);
    work->line_ends[work->line_count++] = work->lines.length;
}

/* The lines of the next round, with tokens above those of the last, as `weir play --loop` publishes them. */
static void prepare_round(struct work *work, struct playback *playback, unsigned round)
{
    struct buffer scratch = {0};
    buffer_clear(&work->lines);
    work->line_count = 0;
    if (round > 0) {
        if (!playback_next_round(playback))
            bench_fail("the tokens do not fit any more");
        playback_bridge(playback, keep_line, work);
    }
    for (size_t index = 0; index < work->corpus->line_count; index++) {
        buffer_clear(&scratch);
        keep_line(work, playback_play(playback, work->corpus->lines[index], &scratch));
    }
    buffer_free(&scratch);
}

static unsigned long observe_round(struct work *work)
{
    size_t start = 0;
    unsigned long before = allocations;
    for (size_t index = 0; index < work->line_count; index++) {
        size_t end = work->line_ends[index];
        observer_line(work->observer, slice_of(work->lines.data + start, end - start), index);
        start = end;
    }
    return allocations - before;
}

static void measure(struct work *work, const char *json_path)
{
    struct figure figure = {.name = "allocations_per_event",
                            .reference = "none: allocations themselves, from the line to the verdict's row",
                            .unit = "each event",
                            .bound = BOUND_AT_MOST,
                            .limit = 0};
    struct playback *playback = playback_create();
    for (size_t index = 0; index < work->corpus->line_count; index++)
        playback_scan(playback, work->corpus->lines[index]);
    for (unsigned round = 0; round < WARM_ROUNDS + COUNTED_ROUNDS; round++) {
        prepare_round(work, playback, round);
        uint64_t judged_before = observer_counts(work->observer).judged;
        unsigned long counted = observe_round(work);
        uint64_t judged = observer_counts(work->observer).judged - judged_before;
        if (judged == 0)
            bench_fail("round %u judged no event: that measures nothing", round + 1);
        fprintf(stderr, "bench: round %u: %lu allocations, %llu events judged, %zu lines\n", round + 1, counted,
                (unsigned long long)judged, work->line_count);
        double each = (double)counted / (double)judged;
        if (round >= WARM_ROUNDS)
            figure_add(&figure, each, each);
    }
    struct observer_counts counts = observer_counts(work->observer);
    if (counts.denied == 0 || counts.bodies_missing > counts.judged / 20)
        bench_fail("%llu events denied, %llu bodies missing: that is not the path that was meant",
                   (unsigned long long)counts.denied, (unsigned long long)counts.bodies_missing);
    figure_report(&figure, json_path);
    playback_destroy(playback);
}

int main(int argument_count, char **arguments)
{
    if (argument_count < 3)
        bench_fail("usage: allocation_bench JSON DATA");
    unsigned long before = allocations;
    log_threshold = LOG_ERROR; /* the recording holds events of a purged room, whose bodies are missing */
    struct corpus *corpus = corpus_load(arguments[2]);
    if (allocations == before)
        bench_fail("the allocation hook counts nothing on this system");
    struct chain *chain = rules_chain(RULES_ALL);
    struct metrics *metrics = metrics_create();
    struct work work = {.corpus = corpus};
    struct observer_settings settings = {.chain = chain,
                                         .instance_name = "weir1",
                                         .bodies = {.context = corpus->bodies, .find = find_body},
                                         .queue_limit = SIZE_MAX};
    struct observer_callbacks callbacks = {.context = &work, .judged = on_judged, .position = on_position};
    work.observer = observer_create(&settings, &callbacks, metrics);
    measure(&work, arguments[1]);
    observer_destroy(work.observer);
    metrics_destroy(metrics);
    chain_destroy(chain);
    free(work.line_ends);
    buffer_free(&work.lines);
    buffer_free(&work.rows);
    corpus_free(corpus);
    return 0;
}
