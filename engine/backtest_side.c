/* Each thread has a judge of its own, as in a replay of several jobs; a chain that remembers has one, which goes from
 * thread to thread. Rows of modules in dry_run are not made: what such a module said is taken from the chain directly,
 * whose hook is set for the thread's lane with every batch. */
#include "engine/backtest_side.h"

#include <stdlib.h>

#include "base/lane.h"
#include "base/memory.h"
#include "engine/event_time.h"
#include "engine/followed_rooms.h"
#include "engine/judging.h"

struct side_lane {
    struct backtest_side *side;
    struct observer_counts counts;
    struct metrics *registry;
    struct observer_metrics metrics;
    struct judging *judging; /* NULL until the lane judges */
    struct buffer scratch;
    /* What is being judged. */
    struct backtest_batch *batch;
    uint32_t event;
};

struct backtest_side {
    struct chain *chain;
    unsigned number;
    bool ask_as_synapse;
    const struct body_index *bodies;
    struct followed_rooms *followed;
    const struct backtest_event *told; /* to those who follow its room */
    struct side_lane lanes[LANES_MAXIMUM];
};

struct slice backtest_body(const struct body_index *bodies, const struct backtest_event *event)
{
    if (slice_present(event->body) || !bodies)
        return event->body;
    return body_index_find(bodies, event->row.event_id);
}

static struct slice find_body(void *context, struct slice event_id)
{
    (void)event_id;
    const struct side_lane *lane = context;
    return backtest_body(lane->side->bodies, &lane->batch->events[lane->event]);
}

static void add_answer(struct side_lane *lane, const struct event *event, const struct outcome *outcome, bool dry_run)
{
    backtest_answers_add(&lane->batch->answers[lane->side->number], lane->event, dry_run, outcome,
                         event ? event->sender : SLICE_ABSENT);
}

static void on_judged(void *context, const struct verdict *verdict)
{
    struct side_lane *lane = context;
    if (verdict->outcome->kind != OUTCOME_PASSED)
        add_answer(lane, verdict->event, verdict->outcome, false);
}

static void on_dry_run(void *context, const struct callback_arguments *arguments, const struct outcome *outcome)
{
    struct side_lane *lane = context;
    add_answer(lane, arguments->event, outcome, true);
}

static void on_position(void *context, enum stream stream, struct slice writer, int64_t token)
{
    (void)context, (void)stream, (void)writer, (void)token;
}

static void start_judging(struct side_lane *lane)
{
    const struct backtest_side *side = lane->side;
    struct observer_settings settings = {.chain = side->chain,
                                         .bodies = {.context = lane, .find = find_body},
                                         .ask_as_synapse = side->ask_as_synapse,
                                         .queue_limit = SIZE_MAX};
    struct observer_callbacks callbacks = {.context = lane, .judged = on_judged, .position = on_position};
    lane->registry = metrics_create();
    observer_metrics_register(&lane->metrics, lane->registry, NULL);
    lane->judging = judging_create(&settings, &callbacks, &lane->counts, &lane->metrics);
}

/* The event itself may have brought its body. What a redaction redacts has to be found. */
static struct slice find_followed(void *context, struct slice event_id)
{
    const struct backtest_side *side = context;
    if (slice_equal(side->told->row.event_id, event_id))
        return backtest_body(side->bodies, side->told);
    return side->bodies ? body_index_find(side->bodies, event_id) : SLICE_ABSENT;
}

struct backtest_side *backtest_side_create(struct chain *chain, unsigned number, bool ask_as_synapse)
{
    struct backtest_side *side = memory_allocate_zeroed(1, sizeof *side);
    side->chain = chain;
    side->number = number;
    side->ask_as_synapse = ask_as_synapse;
    for (unsigned lane = 0; lane < LANES_MAXIMUM; lane++)
        side->lanes[lane].side = side;
    side->followed = followed_rooms_create(&(struct body_source){.context = side, .find = find_followed});
    followed_rooms_use_chain(side->followed, chain);
    return side;
}

void backtest_side_destroy(struct backtest_side *side)
{
    if (!side)
        return;
    unsigned own_lane = lane_number;
    for (lane_number = 0; lane_number < LANES_MAXIMUM; lane_number++) {
        struct side_lane *lane = &side->lanes[lane_number];
        if (lane->judging) {
            judging_destroy(lane->judging);
            metrics_destroy(lane->registry);
        }
        chain_on_dry_run(side->chain, NULL, NULL);
        buffer_free(&lane->scratch);
    }
    lane_number = own_lane;
    followed_rooms_destroy(side->followed);
    free(side);
}

bool backtest_side_ordered(const struct backtest_side *side, const char **reason)
{
    uint32_t module_index;
    *reason = NULL;
    if (!chain_concurrent(side->chain, &module_index))
        *reason = chain_module(side->chain, module_index)->name;
    else if (side->ask_as_synapse)
        *reason = "observe.ask: as_synapse";
    else if (followed_rooms_any(side->followed))
        *reason = "a followed room";
    return *reason != NULL;
}

bool backtest_side_follows(const struct backtest_side *side, struct slice room_id)
{
    return followed_rooms_has(side->followed, room_id);
}

void backtest_side_use_bodies(struct backtest_side *side, const struct body_index *bodies)
{
    side->bodies = bodies;
}

/* Its sender's clock, for a picture over time, where nobody wrote down when it arrived. */
static void note_claimed_time(struct side_lane *lane, struct backtest_event *event)
{
    if (event->recorded_ms == 0)
        event->claimed_ms = event_time_claimed(backtest_body(lane->side->bodies, event), &lane->scratch);
}

void backtest_side_judge(struct backtest_side *side, struct backtest_batch *batch)
{
    const char *reason;
    struct side_lane *lane = &side->lanes[backtest_side_ordered(side, &reason) ? 0 : lane_number];
    if (!lane->judging)
        start_judging(lane);
    chain_on_dry_run(side->chain, on_dry_run, lane);
    lane->batch = batch;
    for (lane->event = 0; lane->event < batch->event_count; lane->event++) {
        struct backtest_event *event = &batch->events[lane->event];
        if (event->state) {
            side->told = event;
            if (backtest_side_follows(side, event->row.room_id))
                followed_rooms_row(side->followed, &event->row, event->token);
            continue;
        }
        struct event_origin origin = {.writer = judging_writer(lane->judging, event->writer),
                                      .token = event->token,
                                      .now_ms = event->recorded_ms};
        judging_event(lane->judging, &event->row, &origin, event->alone);
        if (judging_parked(lane->judging))
            judging_give_up(lane->judging, "a backtest asks no services");
        if (side->number == BACKTEST_NEW)
            note_claimed_time(lane, event);
    }
}

struct observer_counts backtest_side_counts(const struct backtest_side *side)
{
    struct observer_counts counts = {0};
    for (unsigned index = 0; index < LANES_MAXIMUM; index++) {
        const struct observer_counts *lane = &side->lanes[index].counts;
        counts.judged += lane->judged;
        counts.denied += lane->denied;
        counts.changed += lane->changed;
        counts.failed += lane->failed;
        counts.bodies_missing += lane->bodies_missing;
        counts.bodies_unreadable += lane->bodies_unreadable;
    }
    return counts;
}
