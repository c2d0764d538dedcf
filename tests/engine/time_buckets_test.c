/* Counts over time: nothing is lost when the steps grow, in whatever order moments come. */
#include <criterion/criterion.h>

#include "engine/time_buckets.h"

#define HOUR INT64_C(3600000)

static uint64_t sum(const struct time_buckets *buckets, uint32_t series)
{
    uint64_t total = 0;
    for (uint32_t step = 0; step < buckets->used; step++)
        total += time_buckets_count(buckets, step, series);
    return total;
}

Test(time_buckets, grow)
{
    struct time_buckets buckets;
    time_buckets_init(&buckets, 2);
    cr_expect_null(time_buckets_at(&buckets, 0));
    cr_expect_null(time_buckets_at(&buckets, INT64_MAX));
    cr_expect_eq(buckets.used, 0);
    int64_t start = INT64_C(1795424325) * 1000;
    for (int64_t step = 0; step < 4000; step++) {
        uint64_t *counts = time_buckets_at(&buckets, start + step * step * 100);
        cr_assert_not_null(counts);
        counts[0]++;
        counts[1] += 2;
        cr_assert_leq(buckets.used, TIME_BUCKETS);
    }
    cr_expect_eq(sum(&buckets, 0), 4000);
    cr_expect_eq(sum(&buckets, 1), 8000);
    cr_expect_eq(buckets.start_ms % buckets.width_ms, 0);
    cr_expect_leq(buckets.start_ms, start);
    cr_expect_gt(buckets.used, 20);
    time_buckets_free(&buckets);
}

Test(time_buckets, any_order)
{
    struct time_buckets buckets;
    time_buckets_init(&buckets, 1);
    int64_t now = 1000 * HOUR;
    for (unsigned index = 0; index < 500; index++) {
        now = 1000 * HOUR + (int64_t)(index * 7919 % 500) * HOUR;
        time_buckets_at(&buckets, now)[0]++;
        cr_assert_eq(sum(&buckets, 0), index + 1);
    }
    cr_expect_eq(buckets.width_ms, 6 * HOUR);
    for (uint32_t step = 1; step + 1 < buckets.used; step++)
        cr_expect_eq(time_buckets_count(&buckets, step, 0), 6);
    time_buckets_free(&buckets);
}

Test(time_buckets, from_the_first_moment_to_the_last)
{
    struct time_buckets buckets;
    time_buckets_init(&buckets, 1);
    time_buckets_at(&buckets, INT64_C(253402300799999))[0]++;
    time_buckets_at(&buckets, 1)[0]++;
    cr_expect_eq(sum(&buckets, 0), 2);
    cr_expect_leq(buckets.used, TIME_BUCKETS);
    cr_expect_eq(buckets.first_ms, 1);
    time_buckets_free(&buckets);
}
