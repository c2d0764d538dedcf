/* What a backtest counts, from answers made by hand: kinds, changes, what a dry run would have done, and the bounds of
 * what is kept. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "engine/backtest_tally.h"

struct fixture {
    struct chain *chains[BACKTEST_SIDES];
    struct backtest_tally *tally;
    struct backtest_batch batch;
};

static struct chain *chain_of(unsigned modules)
{
    static const struct module_host host = {0};
    struct chain *chain = chain_create(&(struct chain_settings){.server_name = "lab.test"});
    json_t *config = json_pack("{s:[s]}", "deny", "m.sticker");
    while (modules--)
        cr_assert(chain_append(chain, module_find("event_types"), config, NULL, &host));
    cr_assert(chain_seal(chain, NULL, NULL));
    json_decref(config);
    return chain;
}

static void set_up(struct fixture *fixture, bool old)
{
    *fixture = (struct fixture){.chains = {chain_of(3), old ? chain_of(2) : NULL}};
    fixture->tally = backtest_tally_create(fixture->chains[BACKTEST_NEW], fixture->chains[BACKTEST_OLD]);
}

static void tear_down(struct fixture *fixture)
{
    backtest_tally_destroy(fixture->tally);
    backtest_batch_free(&fixture->batch);
    for (unsigned side = 0; side < BACKTEST_SIDES; side++)
        if (fixture->chains[side])
            chain_destroy(fixture->chains[side]);
}

/* The next event, a second after the one before it. */
static uint32_t add_event(struct fixture *fixture)
{
    static char ids[1000][8];
    uint32_t place = fixture->batch.event_count;
    snprintf(ids[place], sizeof ids[place], "$%u", (unsigned)place);
    struct backtest_event *event = backtest_batch_add_event(&fixture->batch);
    event->row = (struct event_row){
        .event_id = slice_from_string(ids[place]), .room_id = SLICE("!r:lab.test"), .type = SLICE("m.room.message")};
    event->recorded_ms = INT64_C(1795424321000) + place * 1000;
    event->body = SLICE("{\"content\":{\"body\":\"said\"}}");
    return place;
}

static void add_answer(struct fixture *fixture, unsigned side, uint32_t event, enum outcome_kind kind, const char *code,
                       uint32_t module, const char *rule, bool dry_run)
{
    struct outcome outcome = {.kind = kind,
                              .result = {.value = value_code(slice_from_string(code)), .rule = slice_from_string(rule)},
                              .callback = CALLBACK_check_event_for_spam,
                              .module = "event_types",
                              .module_index = module};
    backtest_answers_add(&fixture->batch.answers[side], event, dry_run, &outcome, SLICE("@a:lab.test"));
}

static void count(struct fixture *fixture)
{
    backtest_tally_add(fixture->tally, &fixture->batch, NULL);
    backtest_batch_clear(&fixture->batch);
}

Test(backtest_tally, both_sides)
{
    struct fixture fixture;
    set_up(&fixture, true);
    add_event(&fixture); /* both pass */
    uint32_t event = add_event(&fixture);
    add_answer(&fixture, BACKTEST_NEW, event, OUTCOME_DENIED, "M_FORBIDDEN", 1, "new", false);
    event = add_event(&fixture);
    add_answer(&fixture, BACKTEST_OLD, event, OUTCOME_DENIED, "M_FORBIDDEN", 0, "old", false);
    event = add_event(&fixture); /* the same for another reason */
    add_answer(&fixture, BACKTEST_NEW, event, OUTCOME_DENIED, "M_FORBIDDEN", 0, "new", false);
    add_answer(&fixture, BACKTEST_OLD, event, OUTCOME_DENIED, "M_FORBIDDEN", 0, "old", false);
    event = add_event(&fixture); /* another code */
    add_answer(&fixture, BACKTEST_NEW, event, OUTCOME_DENIED, "M_UNKNOWN", 0, "new", false);
    add_answer(&fixture, BACKTEST_OLD, event, OUTCOME_DENIED, "M_FORBIDDEN", 0, "new", false);
    event = add_event(&fixture); /* a dry run decides nothing */
    add_answer(&fixture, BACKTEST_NEW, event, OUTCOME_DENIED, "M_FORBIDDEN", 2, "dry", true);
    count(&fixture);
    const struct backtest_tally *tally = fixture.tally;
    cr_expect_eq(tally->events, 6);
    cr_expect_eq(tally->kinds[BACKTEST_NEW][OUTCOME_DENIED], 3);
    cr_expect_eq(tally->kinds[BACKTEST_NEW][OUTCOME_PASSED], 3);
    cr_expect_eq(tally->kinds[BACKTEST_OLD][OUTCOME_DENIED], 3);
    cr_expect_eq(tally->would_have[BACKTEST_NEW], 1);
    cr_expect_eq(tally->modules[BACKTEST_NEW][2].would_have, 1);
    cr_expect_eq(tally->modules[BACKTEST_NEW][0].kinds[OUTCOME_DENIED], 2);
    cr_expect_eq(tally->changes[OUTCOME_PASSED][OUTCOME_PASSED], 2);
    cr_expect_eq(tally->changes[OUTCOME_PASSED][OUTCOME_DENIED], 1);
    cr_expect_eq(tally->changes[OUTCOME_DENIED][OUTCOME_PASSED], 1);
    cr_expect_eq(tally->changes[OUTCOME_DENIED][OUTCOME_DENIED], 2);
    cr_expect_eq(tally->changed, 3);
    cr_expect_eq(tally->same_kind, 1);
    cr_expect_eq(tally->other_reason, 1);
    cr_assert_eq(tally->example_count, 3);
    cr_expect(slice_equal(tally->examples[1].event_id, SLICE("$2")));
    cr_expect(slice_equal(tally->examples[1].sender, SLICE("@a:lab.test")));
    cr_expect(slice_equal(tally->examples[1].excerpt, SLICE("said")));
    cr_expect(slice_equal(tally->examples[1].sides[BACKTEST_OLD].rule, SLICE("old")));
    cr_expect_eq(tally->examples[1].sides[BACKTEST_NEW].kind, OUTCOME_PASSED);
    struct top_entry rooms[2];
    cr_assert_eq(top_table_list(tally->rooms, rooms, 2), 1);
    cr_expect_eq(rooms[0].counts[BACKTEST_NEW], 3);
    cr_expect_eq(rooms[0].counts[BACKTEST_OLD], 3);
    uint64_t steps = 0;
    for (uint32_t step = 0; step < tally->times.used; step++)
        steps += time_buckets_count(&tally->times, step, TALLY_MODULES);
    cr_expect_eq(steps, 2, "what the first module denied, over time");
    tear_down(&fixture);
}

Test(backtest_tally, bounds)
{
    struct fixture fixture;
    set_up(&fixture, false);
    for (unsigned event = 0; event < 150; event++)
        add_answer(&fixture, BACKTEST_NEW, add_event(&fixture), OUTCOME_DENIED, "M_FORBIDDEN", 0, "many", false);
    for (unsigned event = 0; event < 7; event++)
        add_answer(&fixture, BACKTEST_NEW, add_event(&fixture), OUTCOME_DENIED, "M_FORBIDDEN", 1, "few", event % 2);
    count(&fixture);
    cr_expect_eq(fixture.tally->example_candidates, 157);
    cr_expect_eq(fixture.tally->example_count, BACKTEST_EXAMPLES_OF_MODULE + 7);
    tear_down(&fixture);
    set_up(&fixture, true);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned event = 0; event < 500; event++)
            add_answer(&fixture, BACKTEST_NEW, add_event(&fixture), OUTCOME_DENIED, "M_FORBIDDEN", 0, "many", false);
        count(&fixture);
    }
    cr_expect_eq(fixture.tally->changed, 1500);
    cr_expect_eq(fixture.tally->example_candidates, 1500);
    cr_expect_eq(fixture.tally->example_count, BACKTEST_EXAMPLES);
    tear_down(&fixture);
}

Test(backtest_tally, rows_for_followers_count_for_nothing)
{
    struct fixture fixture;
    set_up(&fixture, false);
    uint32_t event = add_event(&fixture);
    fixture.batch.events[event].state = true;
    event = add_event(&fixture);
    fixture.batch.events[event].recorded_ms = 0;
    add_answer(&fixture, BACKTEST_NEW, event, OUTCOME_DENIED, "M_FORBIDDEN", 0, "", false);
    count(&fixture);
    cr_expect_eq(fixture.tally->events, 1);
    cr_expect_eq(fixture.tally->undated, 1);
    cr_expect_eq(fixture.tally->kinds[BACKTEST_NEW][OUTCOME_DENIED], 1);
    tear_down(&fixture);
}
