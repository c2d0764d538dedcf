/* What a module costs that looks at nothing, and what dry_run costs: events of the stream's row alone, so that nothing
 * but the walk is measured. */
#include "bench/figure.h"
#include "bench/pass_chain.h"
#include "filters/judge.h"

#define EVENTS 100000
#define ROUNDS 4
#define RUNS 15
#define MODULES 20

static void judge_events(void *context)
{
    struct judge *judge = context;
    struct event event = {.event_id = SLICE("$e"), .room_id = SLICE("!r:x"), .type = SLICE("m.room.message")};
    for (unsigned index = 0; index < EVENTS; index++)
        if (judge_event(judge, &event, JUDGE_BOTH)->kind != OUTCOME_PASSED)
            bench_fail("a module that passes denied");
}

/* What a chain of that one module comes down to: its answer made ready, and the call. */
static void call_alone(void *context)
{
    callback_function *volatile function = pass_event;
    struct event event = {.event_id = SLICE("$e"), .room_id = SLICE("!r:x"), .type = SLICE("m.room.message")};
    struct callback_arguments arguments = {.callback = CALLBACK_check_event_for_spam, .event = &event, .count = 1};
    (void)context;
    for (unsigned index = 0; index < EVENTS; index++) {
        struct result result = {0};
        function(NULL, &arguments, &result);
        if (result.value.kind != VALUE_PASS)
            bench_fail("a module that passes denied");
    }
}

struct pair {
    struct judge *ours;
    struct judge *reference;
};

static void judge_ours(void *context)
{
    judge_events(((struct pair *)context)->ours);
}

static void judge_reference(void *context)
{
    judge_events(((struct pair *)context)->reference);
}

/* `ours` against `reference`; the value is what one of `difference` modules adds, in nanoseconds. */
static void measure(struct figure *figure, struct chain *ours, struct chain *reference, unsigned difference,
                    const char *json_path)
{
    struct pair pair = {judge_create(ours), judge_create(reference)};
    for (unsigned run = 0; run <= bench_runs(RUNS); run++) {
        struct figure_pair seconds = figure_measure(judge_ours, judge_reference, &pair, ROUNDS);
        double added = (seconds.ours - (difference ? seconds.reference : 0)) * 1e9 / ROUNDS / EVENTS;
        if (run > 0)
            figure_add(figure, seconds.ours / seconds.reference, difference ? added / difference : added);
    }
    figure_report(figure, json_path);
    judge_destroy(pair.ours);
    judge_destroy(pair.reference);
}

/* All that judging costs beside its one module. */
static void measure_walk(struct chain *one, const char *json_path)
{
    struct figure figure = {.name = "walk_ns",
                            .reference = "calling the one module of that chain directly; the value is the difference",
                            .unit = "ns/event"};
    struct pair pair = {.ours = judge_create(one)};
    for (unsigned run = 0; run <= bench_runs(RUNS); run++) {
        struct figure_pair seconds = figure_measure(judge_ours, call_alone, &pair, ROUNDS);
        if (run > 0)
            figure_add(&figure, seconds.ours / seconds.reference,
                       (seconds.ours - seconds.reference) * 1e9 / ROUNDS / EVENTS);
    }
    figure_report(&figure, json_path);
    judge_destroy(pair.ours);
}

int main(int argument_count, char **arguments)
{
    if (argument_count < 2)
        bench_fail("usage: module_bench JSON");
    struct chain *one = pass_chain(1, 0), *many = pass_chain(1 + MODULES, 0);
    struct chain *live = pass_chain(MODULES, 0), *half = pass_chain(MODULES, MODULES / 2);
    struct figure overhead = {.name = "module_overhead_ns",
                              .reference = "a chain of one such module; the value is what each of 20 more adds",
                              .unit = "ns/event"};
    struct figure dry = {.name = "dry_run_vs_live",
                         .reference = "the same 20 modules, all of them live",
                         .unit = "ns/event",
                         .bound = BOUND_AT_MOST,
                         .limit = 1.05}; /* no more than 1, and what pairs of equal work differ by */
    measure(&overhead, many, one, MODULES, arguments[1]);
    measure_walk(one, arguments[1]);
    measure(&dry, half, live, 0, arguments[1]);
    chain_destroy(one);
    chain_destroy(many);
    chain_destroy(live);
    chain_destroy(half);
    return 0;
}
