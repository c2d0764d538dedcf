#include "replication/replica_lag.h"

#include <criterion/criterion.h>

#define PATIENCE_MS 1000

static struct replica_memory memory;
static struct replica_wait waiting;

static enum replica_verdict ask(int64_t highest, int64_t writer_stands, int64_t upto, int64_t now_ms)
{
    struct replica_state state = {true, highest, writer_stands};
    return replica_judge(&memory, &state, &waiting, SLICE("persister1"), upto, now_ms, PATIENCE_MS);
}

Test(replica_lag, a_primary_has_everything)
{
    struct replica_state state = {false, INT64_MIN, INT64_MIN};
    cr_assert_eq(replica_judge(&memory, &state, &waiting, SLICE("persister1"), 10, 1, PATIENCE_MS), REPLICA_HAS_IT);
}

Test(replica_lag, the_writers_position_is_enough)
{
    cr_assert_eq(ask(9, 9, 10, 1), REPLICA_IS_BEHIND);
    cr_assert_eq(ask(10, 10, 10, 2), REPLICA_HAS_IT);
}

Test(replica_lag, another_writers_token_has_to_have_been_seen_a_while_ago)
{
    cr_assert_eq(ask(9, 4, 10, 1), REPLICA_IS_BEHIND);
    cr_assert_eq(ask(11, 4, 10, 50), REPLICA_IS_BEHIND);
    cr_assert_eq(ask(12, 4, 10, 49 + REPLICA_SETTLE_MS), REPLICA_IS_BEHIND);
    cr_assert_eq(ask(12, 4, 10, 50 + REPLICA_SETTLE_MS), REPLICA_HAS_IT);
}

Test(replica_lag, patience_ends)
{
    cr_assert_eq(ask(9, 4, 10, 5), REPLICA_IS_BEHIND);
    cr_assert_eq(ask(9, 4, 10, 4 + PATIENCE_MS), REPLICA_IS_BEHIND);
    cr_assert_eq(ask(9, 4, 10, 5 + PATIENCE_MS), REPLICA_GIVEN_UP);
}

Test(replica_lag, an_empty_replica_is_behind)
{
    cr_assert_eq(ask(INT64_MIN, INT64_MIN, 10, 5), REPLICA_IS_BEHIND);
}

Test(replica_lag, the_next_pages_of_a_range_do_not_wait)
{
    ask(9, 4, 10, 5);
    cr_assert_eq(ask(9, 4, 10, 5 + PATIENCE_MS), REPLICA_GIVEN_UP);
    waiting = (struct replica_wait){0};
    cr_assert_eq(ask(9, 4, 10, 2000), REPLICA_HAS_IT, "given up once for the range");
    cr_assert_eq(ask(9, 4, 11, 2001), REPLICA_IS_BEHIND, "but not beyond it");
    waiting = (struct replica_wait){0};
    struct replica_state state = {true, 9, 4};
    cr_assert_eq(replica_judge(&memory, &state, &waiting, SLICE("persister2"), 10, 2002, PATIENCE_MS),
                 REPLICA_IS_BEHIND);
}
