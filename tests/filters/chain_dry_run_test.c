/* Modules that are put into dry_run while the chain works. */
#include <criterion/criterion.h>

#include "filters/chain_walk.h"
#include "tests/filters/modules_fixture.h"

#define START 1700000000000
#define BAD "{\"patterns\": [\"bad\"]}"

static unsigned reported;

static void on_dry_run(void *context, const struct callback_arguments *arguments, const struct outcome *outcome)
{
    (void)context, (void)arguments;
    cr_expect_eq(outcome->kind, OUTCOME_DENIED);
    reported++;
}

static bool set_dry_run(struct module_fixture *fixture, uint32_t index, bool dry_run)
{
    struct buffer problem = {0};
    bool done = chain_set_dry_run(fixture->chain, index, dry_run, &problem);
    cr_expect_eq(done, problem.length == 0);
    buffer_free(&problem);
    return done;
}

Test(chain_dry_run, is_switched_between_two_events)
{
    struct module_fixture fixture = {0};
    modules_begin(&fixture);
    cr_assert(modules_append(&fixture, "keywords", BAD, NULL));
    modules_seal(&fixture);
    chain_on_dry_run(fixture.chain, on_dry_run, NULL);
    cr_expect_str_eq(modules_message(&fixture, START, "@a:x", "bad"), "keywords");
    cr_expect_not(chain_module_in_dry_run(fixture.chain, 0));
    cr_expect(set_dry_run(&fixture, 0, true));
    cr_expect(chain_module_in_dry_run(fixture.chain, 0));
    cr_expect_not(chain_module_options(fixture.chain, 0)->dry_run, "the file said otherwise");
    cr_expect_str_eq(modules_message(&fixture, START, "@a:x", "bad"), "");
    cr_expect_eq(reported, 1u);
    cr_expect_eq(chain_module_counts(fixture.chain, 0).dry_runs, 1u);
    cr_expect(set_dry_run(&fixture, 0, false));
    cr_expect_str_eq(modules_message(&fixture, START, "@a:x", "bad"), "keywords");
    cr_expect_eq(reported, 1u);
    fixture_close(&fixture);
}

/* A walk may be parked in the midst of a list of those that are asked for the second time. */
Test(chain_dry_run, lists_of_links_stay)
{
    struct module_fixture fixture = {0};
    modules_begin(&fixture);
    cr_assert(modules_append(&fixture, "links", "{\"deny\": \"worse.example\"}", NULL));
    cr_assert(modules_append(&fixture, "links", "{\"deny\": \"bad.example\"}", NULL));
    modules_seal(&fixture);
    const struct link_list *none = fixture.chain->second;
    cr_assert_eq(none->count, 0u, "both answer alike");
    cr_expect(set_dry_run(&fixture, 1, true));
    const struct link_list *one = fixture.chain->second;
    cr_assert_eq(one->count, 1u);
    cr_expect_eq(one->links[0].module_index, 1u);
    cr_expect_eq(none->count, 0u);
    for (int times = 0; times < 100; times++) {
        cr_expect(set_dry_run(&fixture, 1, times % 2));
        cr_expect_eq(fixture.chain->second, times % 2 ? one : none, "there is one of each");
    }
    fixture_close(&fixture);
}

#define TRUST "{\"sources\": [{\"users\": \"@a:x\"}]}"

Test(chain_dry_run, tags_are_set_or_not)
{
    struct module_fixture fixture = {0};
    modules_begin(&fixture);
    cr_assert(modules_append(&fixture, "trust", TRUST, NULL));
    cr_assert(modules_append(&fixture, "keywords", BAD, "{\"except\": {\"tags\": \"trusted\"}}"));
    modules_seal(&fixture);
    cr_expect_str_eq(modules_message(&fixture, START, "@a:x", "bad"), "");
    cr_expect(set_dry_run(&fixture, 0, true));
    cr_expect_str_eq(modules_message(&fixture, START, "@a:x", "bad"), "keywords");
    cr_expect(set_dry_run(&fixture, 0, false), "it was made so");
    cr_expect_str_eq(modules_message(&fixture, START, "@a:x", "bad"), "");
    fixture_close(&fixture);
}

/* Those behind it were made without its tags, and some look for none then. */
Test(chain_dry_run, tags_that_others_were_made_without_stay_away)
{
    struct module_fixture fixture = {0};
    modules_begin(&fixture);
    cr_assert(modules_append(&fixture, "trust", TRUST, "{\"dry_run\": true}"));
    cr_assert(modules_append(&fixture, "mentions", "{}", NULL));
    modules_seal(&fixture);
    cr_expect_not(set_dry_run(&fixture, 0, false));
    cr_expect(chain_module_in_dry_run(fixture.chain, 0));
    cr_expect(set_dry_run(&fixture, 1, true));
    fixture_close(&fixture);
}

#define MENTIONS_INSIDE                                                                                                \
    "{\"rules\": [{\"name\": \"many\", \"module\": \"mentions\", \"config\": {}}], \"expression\": \"many\"}"

/* Whoever asks one of them was made without them as well. */
Test(chain_dry_run, tags_that_a_module_inside_was_made_without_stay_away)
{
    struct module_fixture fixture = {0};
    modules_begin(&fixture);
    cr_assert(modules_append(&fixture, "trust", TRUST, "{\"dry_run\": true}"));
    cr_assert(modules_append(&fixture, "combine", MENTIONS_INSIDE, NULL), "%s", fixture.reports);
    modules_seal(&fixture);
    cr_expect_not(set_dry_run(&fixture, 0, false));
    cr_expect(chain_module_in_dry_run(fixture.chain, 0));
    fixture_close(&fixture);
}
