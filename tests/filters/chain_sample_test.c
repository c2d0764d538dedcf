#include "filters/chain_sample.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <time.h>

#include "filters/judge.h"

#define SLOW_NS 200000

static unsigned calls[3];

static void pass(void *state, const struct callback_arguments *arguments, struct result *result)
{
    (void)arguments;
    calls[*(const int *)state]++;
    result->value.kind = VALUE_PASS;
}

static void refuse_slowly(void *state, const struct callback_arguments *arguments, struct result *result)
{
    (void)arguments;
    calls[*(const int *)state]++;
    nanosleep(&(struct timespec){.tv_nsec = SLOW_NS}, NULL);
    result->value.kind = VALUE_REFUSE;
}

static int places[] = {0, 1, 2};
static int made;

static void *create(const struct module_setup *setup)
{
    (void)setup;
    return &places[made++];
}

static void destroy(void *state)
{
    (void)state;
}

static const struct module_callback both[] = {{.callback = CALLBACK_check_event_allowed, .function = pass},
                                              {.callback = CALLBACK_check_event_for_spam, .function = pass}};
static const struct module_callback slow[] = {{.callback = CALLBACK_check_event_for_spam, .function = refuse_slowly}};
static const struct module_definition definitions[] = {
    {.name = "pass",
     .callbacks = both,
     .callback_count = 2,
     .answers_alike = true,
     .create = create,
     .destroy = destroy},
    {.name = "slow", .callbacks = slow, .callback_count = 1, .create = create, .destroy = destroy},
    {.name = "behind", .callbacks = slow, .callback_count = 1, .create = create, .destroy = destroy},
};

static struct chain *build(void)
{
    static const struct module_host host;
    struct chain *chain = chain_create(&(struct chain_settings){.server_name = "x"});
    made = 0;
    for (size_t index = 0; index < 3; index++)
        cr_assert(chain_append(chain, &definitions[index], NULL, NULL, &host));
    cr_assert(chain_seal(chain, NULL, NULL));
    return chain;
}

Test(chain_sample, what_a_sample_stands_for_adds_up)
{
    struct chain_sampler sampler;
    struct chain *chain = build();
    chain_sampler_start(&sampler);
    unsigned sampled = 0;
    for (unsigned walk = 1; walk <= 4096; walk++) {
        if (!chain_sampler_is_due(&sampler))
            continue;
        bool early = walk <= 256 && (walk & (walk - 1)) == 0;
        cr_expect(early || walk % 256 == 0, "walk %u", walk);
        chain_sample_begin(chain, &sampler);
        struct callback_arguments arguments = {.event = &(struct event){.event_id = SLICE("$e")}, .now_ms = 1};
        struct outcome outcome;
        chain_run(chain, CALLBACK_check_event_allowed, &arguments, &outcome);
        chain_sample_end(chain);
        cr_expect_eq(chain_module_counts(chain, 0).asked, walk);
        sampled++;
    }
    cr_expect_eq(sampled, 9 + 15);
    chain_destroy(chain);
}

/* The same modules are asked, and the same comes of it, as without. */
Test(chain_sample, a_sampled_event_is_judged_like_any_other)
{
    struct chain_sampler sampler;
    struct chain *chain = build();
    struct judge *judge = judge_create(chain);
    struct event event = {.event_id = SLICE("$e"), .sender = SLICE("@a:x")};
    chain_sampler_start(&sampler);
    for (unsigned turn = 1; turn <= 2; turn++) {
        bool sample = turn == 1;
        if (sample)
            chain_sample_begin(chain, &sampler);
        const struct outcome *outcome = judge_event(judge, &event, JUDGE_BOTH);
        if (sample)
            chain_sample_end(chain);
        cr_expect_eq(outcome->kind, OUTCOME_DENIED);
        cr_expect_eq(outcome->module_index, 1);
        cr_expect_eq(calls[0], turn, "a module that answers alike is asked once, not %u times", calls[0]);
        cr_expect_eq(calls[1], turn);
        cr_expect_eq(calls[2], 0);
        cr_expect_eq(chain_module_counts(chain, 0).asked, 1, "an event that is not sampled is not counted");
    }
    struct module_counts slow_one = chain_module_counts(chain, 1);
    cr_expect_eq(slow_one.asked, 1);
    cr_expect_geq(slow_one.nanoseconds, SLOW_NS);
    cr_expect_lt(chain_module_counts(chain, 0).nanoseconds, slow_one.nanoseconds);
    cr_expect_eq(chain_module_counts(chain, 2).asked, 0);
    judge_destroy(judge);
    chain_destroy(chain);
}

Test(chain_sample, one_that_was_not_started_samples_nothing)
{
    struct chain_sampler sampler = {0};
    for (unsigned walk = 0; walk < 10000; walk++)
        cr_assert_not(chain_sampler_is_due(&sampler));
}

static unsigned traced;

static void on_trace(void *context, uint32_t module_index, const struct callback_arguments *arguments,
                     const struct result *result, uint64_t nanoseconds)
{
    (void)context, (void)module_index, (void)arguments, (void)result, (void)nanoseconds;
    traced++;
}

Test(chain_sample, a_trace_sees_a_sample_and_stays_behind_it)
{
    struct chain_sampler sampler;
    struct chain *chain = build();
    struct callback_arguments arguments = {.event = &(struct event){.event_id = SLICE("$e")}, .now_ms = 1};
    struct outcome outcome;
    chain_sampler_start(&sampler);
    chain_trace(chain, on_trace, NULL);
    chain_sample_begin(chain, &sampler);
    chain_run(chain, CALLBACK_check_event_allowed, &arguments, &outcome);
    chain_sample_end(chain);
    cr_expect_eq(traced, 1);
    chain_run(chain, CALLBACK_check_event_allowed, &arguments, &outcome);
    cr_expect_eq(traced, 2);
    cr_expect_eq(chain_module_counts(chain, 0).asked, 1);
    chain_trace(chain, NULL, NULL);
    chain_run(chain, CALLBACK_check_event_allowed, &arguments, &outcome);
    cr_expect_eq(traced, 2);
    chain_destroy(chain);
}
