/* A module that judges events by their content, asked by both callbacks, which must agree. */
#ifndef WEIR_TESTS_FILTERS_CONTENT_FIXTURE_H
#define WEIR_TESTS_FILTERS_CONTENT_FIXTURE_H

#include "tests/filters/module_fixture.h"

/* The rule that hits the event with this body, or NULL; the fixture's outcome is that of check_event_for_spam. */
static inline const char *content_judge(struct module_fixture *fixture, const char *body)
{
    static char rule[512];
    struct event event = {0};
    cr_assert_eq(judge_read(fixture->judge, slice_from_string(body), &event), EVENT_READ_OK, "%s", body);
    bool allowed = judge_event(fixture->judge, &event, JUDGE_EVENT_ALLOWED)->kind == OUTCOME_PASSED;
    fixture->outcome = *judge_event(fixture->judge, &event, JUDGE_EVENT_FOR_SPAM);
    cr_expect_eq(allowed, fixture->outcome.kind == OUTCOME_PASSED, "%s", body);
    if (fixture->outcome.kind == OUTCOME_PASSED)
        return NULL;
    struct slice text = fixture->outcome.result.rule;
    snprintf(rule, sizeof rule, "%.*s", (int)text.length, text.data);
    return rule;
}

#define CONTENT_HIT(fixture, body, expected)                                                                           \
    do {                                                                                                               \
        const char *rule_ = content_judge(fixture, body);                                                              \
        cr_expect(rule_ &&strcmp(rule_, expected) == 0, "%.200s: hit by %s instead of %s", body,                       \
                  rule_ ? rule_ : "none", expected);                                                                   \
    } while (0)

#define CONTENT_PASS(fixture, body)                                                                                    \
    do {                                                                                                               \
        const char *rule_ = content_judge(fixture, body);                                                              \
        cr_expect_null(rule_, "%.200s: hit by %s", body, rule_);                                                       \
    } while (0)

#endif
