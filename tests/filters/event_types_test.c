/* What event_types catches, and that the stream row is enough for it. */
#include "tests/filters/module_fixture.h"

static bool denied(struct module_fixture *fixture, const char *type)
{
    struct event event = {.type = slice_from_string(type)};
    fixture->outcome = *judge_event(fixture->judge, &event, JUDGE_BOTH);
    return fixture->outcome.kind != OUTCOME_PASSED;
}

Test(event_types, judges_from_the_row)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "event_types",
                           "{\"deny\": [\"m.call.*\", \"org.bad\"], \"allow\": [\"m.call.hang?p\"]}"));
    cr_expect_not(chain_needs_body(fixture.chain));
    cr_expect(denied(&fixture, "m.call.invite"));
    EXPECT_SLICE(fixture.outcome.result.rule, "m.call.*");
    EXPECT_SLICE(fixture.outcome.result.value.text, "M_FORBIDDEN");
    EXPECT_SLICE(fixture.outcome.result.reason, "the event type is on the list");
    cr_expect(denied(&fixture, "org.bad"));
    cr_expect_not(denied(&fixture, "m.call.hangup"));
    cr_expect_not(denied(&fixture, "M.call.invite"));
    cr_expect_not(denied(&fixture, "org.bad.not"));
    cr_expect_not(denied(&fixture, "orgxbad"));
    cr_expect_not(denied(&fixture, ""));
    cr_expect_not(denied(&fixture, NULL));
    fixture_close(&fixture);
}
