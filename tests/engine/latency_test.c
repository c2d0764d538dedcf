#include "engine/latency.h"

#include <criterion/criterion.h>

Test(latency, empty)
{
    static struct latency latency;
    cr_expect_eq(latency_quantile(&latency, 0.5), 0u);
    cr_expect_eq(latency_count_below(&latency, 1000), 0u);
}

Test(latency, every_scale_is_right_to_one_part_in_32)
{
    for (uint64_t value = 1; value < (uint64_t)1 << 51; value = value * 5 / 4 + 1) {
        static struct latency latency;
        memset(&latency, 0, sizeof latency);
        latency_record(&latency, value);
        latency_record(&latency, value * 2);
        uint64_t median = latency_quantile(&latency, 0.5);
        cr_assert_geq(median, value);
        cr_assert_leq(median, value + value / 32);
        cr_assert_eq(latency_quantile(&latency, 1), value * 2);
        cr_assert_eq(latency_count_below(&latency, value), 1u);
        cr_assert_eq(latency_count_below(&latency, value * 2), 2u);
        cr_assert_eq(latency_count_below(&latency, value - value / 16 - 1), 0u);
    }
}

Test(latency, quantiles_of_a_ramp)
{
    static struct latency latency;
    for (uint64_t value = 1; value <= 100000; value++)
        latency_record(&latency, value * 1000);
    cr_expect_eq(latency.count, 100000u);
    cr_expect_eq(latency.sum_ns, 100000ull * 100001 / 2 * 1000);
    cr_expect_eq(latency.maximum_ns, 100000000u);
    const double quantiles[] = {0.001, 0.01, 0.5, 0.9, 0.99, 0.999};
    for (size_t index = 0; index < 6; index++) {
        double exact = quantiles[index] * 1e8;
        double found = (double)latency_quantile(&latency, quantiles[index]);
        cr_expect(found >= exact && found <= exact * 33 / 32, "%f: %f", quantiles[index], found);
    }
    cr_expect_geq(latency_quantile(&latency, 0), 1000u);
    cr_expect_leq(latency_quantile(&latency, 0), 1032u);
    cr_expect_eq(latency_quantile(&latency, 2), 100000000u);
}

Test(latency, beyond_the_last_bucket)
{
    static struct latency latency;
    latency_record(&latency, UINT64_MAX);
    latency_record(&latency, 0);
    cr_expect_eq(latency_quantile(&latency, 1), UINT64_MAX);
    cr_expect_eq(latency_quantile(&latency, 0.5), 0u);
    cr_expect_eq(latency_count_below(&latency, UINT64_MAX), 2u);
    cr_expect_eq(latency_count_below(&latency, 1000000000), 1u);
}
