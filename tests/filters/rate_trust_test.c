/* Trust: who bears the tag that an earlier module sets has more of a rate, in a bucket of its own. */
#include "filters/chain_state.h"
#include "tests/filters/module_fixture.h"

#define START 1700000000000

/* A module that gives a tag to all whose names begin with `@t`, and passes. */
struct marker_configuration {
    char *tag;
};
static const struct parameter marker_parameters[] = {{.name = "tag",
                                                      .type = PARAMETER_TEXT,
                                                      .offset = offsetof(struct marker_configuration, tag),
                                                      .fallback = "trusted",
                                                      .text = "The tag."}};
static uint64_t marker_bit;

static void mark(void *state, const struct callback_arguments *arguments, struct result *result)
{
    (void)state;
    result->value.kind = VALUE_PASS;
    if (slice_starts_with(arguments->event->sender, SLICE("@t")))
        result->tags = marker_bit;
}
static void *marker_create(const struct module_setup *setup)
{
    const struct marker_configuration *configuration = setup->configuration;
    marker_bit = module_tag(setup, configuration->tag, "tag");
    return &marker_bit;
}
static void marker_destroy(void *state)
{
    (void)state;
}
static const struct module_callback marker_callbacks[] = {
    {.callback = CALLBACK_check_event_for_spam, .function = mark}};
static const struct module_definition marker = {.name = "marker",
                                                .summary = "Sets a tag.",
                                                .parameters = marker_parameters,
                                                .parameter_count = 1,
                                                .configuration_size = sizeof(struct marker_configuration),
                                                .needs_body = true,
                                                .sets_tags = true,
                                                .callbacks = marker_callbacks,
                                                .callback_count = 1,
                                                .create = marker_create,
                                                .destroy = marker_destroy};

/* A chain of the marker and `rate`; "" for a marker of the default tag, NULL for none. */
static void open_chain(struct module_fixture *fixture, const char *marker_config, const char *rate_config)
{
    struct module_host host = {.context = fixture, .report = fixture_report};
    json_t *rate = json_loads(rate_config, 0, NULL);
    json_t *tag = marker_config && *marker_config ? json_loads(marker_config, 0, NULL) : NULL;
    fixture->chain = chain_create(&(struct chain_settings){.server_name = "example.org"});
    cr_assert(!marker_config || chain_append(fixture->chain, &marker, tag, NULL, &host));
    cr_assert(chain_append(fixture->chain, module_find("rate"), rate, NULL, &host), "%s", fixture->reports);
    json_decref(rate);
    json_decref(tag);
    chain_seal(fixture->chain, NULL, NULL);
    fixture->judge = judge_create(fixture->chain);
}

/* How many of a thousand events at once pass. */
static int passed_of_many(struct module_fixture *fixture, int64_t now_ms, const char *sender)
{
    int passed = 0;
    char body[256];
    snprintf(body, sizeof body, "{\"sender\":\"%s\",\"room_id\":\"!r:x\",\"type\":\"m.t\",\"content\":{}}", sender);
    judge_set_time(fixture->judge, now_ms, false);
    for (int time = 0; time < 1000; time++) {
        struct event event = {0};
        cr_assert_eq(judge_read(fixture->judge, slice_from_string(body), &event), EVENT_READ_OK);
        fixture->outcome = *judge_event(fixture->judge, &event, JUDGE_EVENT_FOR_SPAM);
        passed += fixture->outcome.kind == OUTCOME_PASSED;
    }
    return passed;
}

Test(rate_trust, times_rate_and_burst)
{
    struct module_fixture fixture = {0};
    open_chain(&fixture, "", "{\"rules\": [{\"rate\": \"10/m\", \"burst\": 3}]}");
    cr_expect_eq(passed_of_many(&fixture, START, "@a:x"), 3);
    EXPECT_SLICE(fixture.outcome.result.reason, "more than 3 at once and then 10/m");
    cr_expect_eq(passed_of_many(&fixture, START, "@t:x"), 15);
    EXPECT_SLICE(fixture.outcome.result.reason, "more than 15 at once and then 50/m, although trusted");
    EXPECT_SLICE(fixture.outcome.result.rule, "10/m for each sender");
    EXPECT_SLICE(fixture.outcome.result.evidence, "@t:x");
    cr_expect_eq(passed_of_many(&fixture, START + 1199, "@t:x"), 0);
    cr_expect_eq(passed_of_many(&fixture, START + 1200, "@t:x"), 1);
    cr_expect_eq(passed_of_many(&fixture, START + 6000, "@a:x"), 1);
    cr_expect_eq(passed_of_many(&fixture, START + 6000, "@t:x"), 4);
    fixture_close(&fixture);
}

Test(rate_trust, nothing_changes_without_the_tag)
{
    static const char *const markers[] = {NULL, "{\"tag\": \"other\"}", ""};
    static const char *const rates[] = {"{\"rules\": [{\"rate\": \"4/m\"}]}",
                                        "{\"rules\": [{\"rate\": \"4/m\"}], \"trusted_tag\": \"friend\"}",
                                        "{\"rules\": [{\"rate\": \"4/m\", \"trusted_factor\": 1}]}"};
    for (int marker_index = 0; marker_index < 3; marker_index++)
        for (int rate = 0; rate < 3; rate++) {
            struct module_fixture fixture = {0};
            bool trusted = marker_index == 2 && rate == 0;
            open_chain(&fixture, markers[marker_index], rates[rate]);
            cr_expect_eq(passed_of_many(&fixture, START, "@t:x"), trusted ? 20 : 4, "%d %d", marker_index, rate);
            fixture_close(&fixture);
        }
    struct module_fixture fixture = {0};
    open_chain(&fixture, "{\"tag\": \"friend\"}",
               "{\"rules\": [{\"rate\": \"4/m\", \"trusted_factor\": 100}], \"trusted_tag\": \"friend\"}");
    cr_expect_eq(passed_of_many(&fixture, START, "@t:x"), 400);
    fixture_close(&fixture);
}

/* Strangers who flood a room do not silence those whom it trusts. */
Test(rate_trust, the_trusted_of_a_room_share_a_bucket)
{
    struct module_fixture fixture = {0};
    open_chain(&fixture, "", "{\"rules\": [{\"rate\": \"10/m\", \"key\": \"room\"}]}");
    cr_expect_eq(passed_of_many(&fixture, START, "@a:x"), 10);
    cr_expect_eq(passed_of_many(&fixture, START, "@b:x"), 0);
    cr_expect_eq(passed_of_many(&fixture, START, "@t1:x"), 50);
    cr_expect_eq(passed_of_many(&fixture, START, "@t2:x"), 0);
    fixture_close(&fixture);
}

Test(rate_trust, beyond_what_a_table_counts)
{
    struct module_fixture fixture = {0};
    open_chain(&fixture, "",
               "{\"rules\": [{\"rate\": \"3999999/h\", \"burst\": 1000000000, \"trusted_factor\": 100}]}");
    cr_expect_eq(passed_of_many(&fixture, START, "@t:x"), 1000);
    fixture_close(&fixture);
}

Test(rate_trust, both_buckets_are_saved)
{
    static const char rate[] = "{\"rules\": [{\"rate\": \"10/h\", \"burst\": 2}]}";
    struct module_fixture fixture = {0}, next = {0};
    struct buffer snapshot = {0};
    struct chain_state_counts counts;
    const char *problem;
    open_chain(&fixture, "", rate);
    cr_expect_eq(passed_of_many(&fixture, START, "@t:x"), 10);
    cr_expect_eq(passed_of_many(&fixture, START, "@a:x"), 2);
    chain_state_save(fixture.chain, &snapshot);
    open_chain(&next, "", rate);
    cr_assert(chain_state_restore(next.chain, buffer_slice(&snapshot), &counts, &problem));
    cr_expect_eq(counts.restored, 1);
    cr_expect_eq(passed_of_many(&next, START + 1, "@t:x"), 0);
    cr_expect_eq(passed_of_many(&next, START + 1, "@a:x"), 0);
    cr_expect_eq(passed_of_many(&next, START + 1, "@t2:x"), 10);
    fixture_close(&next);
    fixture_close(&fixture);
    buffer_free(&snapshot);
}
