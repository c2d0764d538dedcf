/* Beside the backtest and not within it: two looks at the clock would cost as much as many a module. */
#include "engine/backtest_cost.h"

#include <stdlib.h>

#include "base/memory.h"
#include "engine/backtest_side.h"
#include "engine/clock.h"
#include "filters/judge.h"

#define CLOCK_READS 2000u

struct sampled {
    struct buffer texts; /* what the row and the body point into */
    struct event_row row;
    struct slice body;
    int64_t now_ms;
};

struct backtest_sample {
    struct sampled *events; /* COST_SAMPLE of them */
    uint32_t count;
    uint64_t stride;
    uint64_t seen;
};

struct cost_round {
    uint64_t *nanoseconds; /* by module */
    uint64_t *asked;
};

struct backtest_sample *backtest_sample_create(void)
{
    struct backtest_sample *sample = memory_allocate_zeroed(1, sizeof *sample);
    sample->events = memory_allocate_zeroed(COST_SAMPLE, sizeof *sample->events);
    sample->stride = 1;
    return sample;
}

void backtest_sample_destroy(struct backtest_sample *sample)
{
    if (!sample)
        return;
    for (uint32_t index = 0; index < COST_SAMPLE; index++)
        buffer_free(&sample->events[index].texts);
    free(sample->events);
    free(sample);
}

static struct slice copy(struct buffer *texts, struct slice text)
{
    if (!slice_present(text))
        return text;
    struct slice copied = slice_of(texts->data + texts->length, text.length);
    buffer_append_slice(texts, text);
    return copied;
}

static void take(struct sampled *sampled, const struct backtest_event *event, struct slice body)
{
    const struct event_row *row = &event->row;
    struct buffer *texts = &sampled->texts;
    buffer_clear(texts);
    (void)buffer_reserve(texts, 1 + row->event_id.length + row->room_id.length + row->type.length +
                                    row->state_key.length + row->redacts.length + row->relates_to.length +
                                    row->membership.length + body.length);
    sampled->row = (struct event_row){.event_id = copy(texts, row->event_id),
                                      .room_id = copy(texts, row->room_id),
                                      .type = copy(texts, row->type),
                                      .state_key = copy(texts, row->state_key),
                                      .redacts = copy(texts, row->redacts),
                                      .relates_to = copy(texts, row->relates_to),
                                      .membership = copy(texts, row->membership)};
    sampled->body = copy(texts, body);
    sampled->now_ms = event->recorded_ms > 0 ? event->recorded_ms : event->claimed_ms;
}

/* Every other event goes; the buffers of those that went are used again. */
static void thin_out(struct backtest_sample *sample)
{
    for (uint32_t index = 0; index < COST_SAMPLE / 2; index++) {
        struct sampled other = sample->events[index];
        sample->events[index] = sample->events[index * 2];
        sample->events[index * 2] = other;
    }
    sample->count = COST_SAMPLE / 2;
    sample->stride *= 2;
}

void backtest_sample_add(struct backtest_sample *sample, const struct backtest_batch *batch,
                         const struct body_index *bodies)
{
    for (uint32_t index = 0; index < batch->event_count; index++) {
        if (batch->events[index].state || sample->seen++ % sample->stride != 0)
            continue;
        struct slice body = backtest_body(bodies, &batch->events[index]);
        if (body.length > COST_BODY_MAXIMUM)
            continue;
        if (sample->count == COST_SAMPLE)
            thin_out(sample);
        take(&sample->events[sample->count++], &batch->events[index], body);
    }
}

uint32_t backtest_sample_count(const struct backtest_sample *sample)
{
    return sample->count;
}

static void on_answer(void *context, uint32_t module_index, const struct callback_arguments *arguments,
                      const struct result *result, uint64_t nanoseconds)
{
    (void)arguments, (void)result;
    struct cost_round *round = context;
    round->nanoseconds[module_index] += nanoseconds;
    round->asked[module_index]++;
}

/* What the clock itself puts into a span between two of its readings. */
static double clock_cost_ns(void)
{
    uint64_t least = UINT64_MAX;
    for (unsigned round = 0; round < COST_ROUNDS; round++) {
        uint64_t total = 0;
        for (unsigned index = 0; index < CLOCK_READS; index++) {
            uint64_t start = clock_now_ns();
            total += clock_now_ns() - start;
        }
        least = total < least ? total : least;
    }
    return (double)least / CLOCK_READS;
}

static void judge_sample(const struct backtest_sample *sample, struct judge *judge)
{
    for (uint32_t index = 0; index < sample->count; index++) {
        const struct sampled *sampled = &sample->events[index];
        const struct event_row *row = &sampled->row;
        struct event event = {.event_id = row->event_id,
                              .room_id = row->room_id,
                              .type = row->type,
                              .state_key = row->state_key,
                              .redacts = row->redacts,
                              .relates_to = row->relates_to,
                              .membership = row->membership};
        if (slice_present(sampled->body))
            (void)judge_read(judge, sampled->body, &event);
        judge_set_time(judge, sampled->now_ms > 0 ? sampled->now_ms : 1, true);
        if (!judge_event(judge, &event, JUDGE_BOTH))
            judgement_free(judge_park(judge)); /* it would wait for a service: nobody is asked */
    }
}

void backtest_sample_measure(const struct backtest_sample *sample, struct chain *chain, struct module_cost *costs)
{
    uint32_t modules = chain_module_count(chain);
    double clock_ns = clock_cost_ns();
    memset(costs, 0, modules * sizeof *costs);
    if (sample->count == 0)
        return;
    struct judge *judge = judge_create(chain);
    struct cost_round round = {memory_allocate_zeroed(modules + 1, sizeof(uint64_t)),
                               memory_allocate_zeroed(modules + 1, sizeof(uint64_t))};
    for (unsigned number = 0; number < COST_ROUNDS; number++) {
        memset(round.nanoseconds, 0, modules * sizeof *round.nanoseconds);
        memset(round.asked, 0, modules * sizeof *round.asked);
        chain_trace(chain, on_answer, &round);
        judge_sample(sample, judge);
        chain_trace(chain, NULL, NULL);
        for (uint32_t index = 0; index < modules; index++) {
            double took = (double)round.nanoseconds[index] - (double)round.asked[index] * clock_ns;
            took = took > 0 ? took / sample->count : 0;
            if (number == 0 || took < costs[index].nanoseconds)
                costs[index].nanoseconds = took;
            costs[index].share = (double)round.asked[index] / sample->count;
        }
    }
    free(round.nanoseconds);
    free(round.asked);
    judge_destroy(judge);
}
