/* The breaker by itself, with a clock of the test's. */
#include "engine/service_breaker.h"

#include <criterion/criterion.h>

Test(service_breaker, opens_after_failures_in_a_row)
{
    struct service_breaker breaker = {.threshold = 3, .pause_ns = 100};
    for (int turn = 0; turn < 5; turn++) { /* a success between them begins the row again */
        cr_expect_not(service_breaker_failed(&breaker, 10));
        cr_expect_not(service_breaker_failed(&breaker, 10));
        cr_expect_not(service_breaker_succeeded(&breaker));
    }
    cr_expect_not(service_breaker_failed(&breaker, 10));
    cr_expect_not(service_breaker_failed(&breaker, 10));
    cr_expect(service_breaker_admits(&breaker, 10));
    cr_expect(service_breaker_failed(&breaker, 20));
    cr_expect_not(service_breaker_admits(&breaker, 20));
    cr_expect_not(service_breaker_admits(&breaker, 119));
    cr_expect_not(service_breaker_failed(&breaker, 119), "what was out already changes nothing");
    cr_expect(service_breaker_admits(&breaker, 120));
    cr_expect_eq(breaker.state, BREAKER_HALF_OPEN);
    cr_expect_not(service_breaker_admits(&breaker, 500), "one question decides");
    cr_expect(service_breaker_failed(&breaker, 130));
    cr_expect_not(service_breaker_admits(&breaker, 229));
    cr_expect(service_breaker_admits(&breaker, 230));
    cr_expect(service_breaker_succeeded(&breaker));
    cr_expect_eq(breaker.state, BREAKER_CLOSED);
    cr_expect(service_breaker_admits(&breaker, 231));
    cr_expect_not(service_breaker_failed(&breaker, 232));
}

Test(service_breaker, an_answer_to_an_old_question_closes_it)
{
    struct service_breaker breaker = {.threshold = 1, .pause_ns = 100};
    cr_expect(service_breaker_failed(&breaker, 10));
    cr_expect(service_breaker_succeeded(&breaker));
    cr_expect(service_breaker_admits(&breaker, 11));
}

Test(service_breaker, may_be_turned_off)
{
    struct service_breaker breaker = {.threshold = 0, .pause_ns = 100};
    for (int turn = 0; turn < 1000; turn++)
        cr_expect_not(service_breaker_failed(&breaker, 10));
    cr_expect(service_breaker_admits(&breaker, 10));
}
