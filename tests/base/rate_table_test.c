/* Token buckets: what they let pass, held against an exact model; what gives way in a full table. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/keyed_hash.h"
#include "base/memory.h"
#include "base/rate_table.h"

#define START 1700000000000

static uint64_t key_of(uint64_t number)
{
    return keyed_hash(slice_of((const char *)&number, sizeof number), 7);
}

Test(rate_table, a_burst_then_the_rate)
{
    struct rate_table *table = rate_table_create(&(struct rate_limit){10, 60000, 5}, 1024);
    for (int count = 0; count < 5; count++)
        cr_expect(rate_table_take(table, 1, 1, START));
    cr_expect_not(rate_table_take(table, 1, 1, START));
    cr_expect_not(rate_table_has(table, 1, 1, START + 5999));
    cr_expect(rate_table_has(table, 1, 1, START + 6000));
    cr_expect(rate_table_take(table, 1, 1, START + 6000));
    cr_expect_not(rate_table_take(table, 1, 1, START + 6000));
    cr_expect(rate_table_take(table, 2, 5, START + 6000), "another key has its own bucket");
    /* Never more than the burst, however long it was quiet. */
    cr_expect_eq(rate_table_tokens(table, 1, START + 86400000), 5);
    rate_table_destroy(table);
}

Test(rate_table, costs)
{
    struct rate_table *table = rate_table_create(&(struct rate_limit){1000, 1000, 10000}, 1024);
    cr_expect(rate_table_take(table, 1, 6000, START));
    cr_expect_not(rate_table_take(table, 1, 4001, START));
    cr_expect_eq(rate_table_tokens(table, 1, START), 4000, "a refusal takes nothing");
    cr_expect(rate_table_take(table, 1, 4000, START));
    cr_expect_not(rate_table_take(table, 1, 10001, START + 86400000), "more than a full bucket");
    cr_expect_not(rate_table_take(table, 1, INT64_MAX, START + 86400000));
    cr_expect(rate_table_take(table, 1, 0, START + 86400000));
    cr_expect(rate_table_take(table, 1, INT64_MIN, START + 86400000));
    cr_expect_eq(rate_table_tokens(table, 1, START + 86400000), 10000);
    rate_table_destroy(table);
}

Test(rate_table, the_largest_limits_do_not_overflow)
{
    const struct rate_limit limit = {RATE_COUNT_MAXIMUM - 1, RATE_PERIOD_MAXIMUM_MS, RATE_BURST_MAXIMUM};
    struct rate_table *table = rate_table_create(&limit, 1024);
    cr_expect(rate_table_take(table, 1, RATE_BURST_MAXIMUM, START));
    cr_expect_not(rate_table_take(table, 1, 1, START));
    /* In thirty years about 6.2e9 tokens come back, more than the bucket holds; and time does not end there. */
    int64_t later = START + (int64_t)30 * 365 * 86400 * 1000;
    cr_expect(rate_table_take(table, 1, RATE_BURST_MAXIMUM, later));
    cr_expect_not(rate_table_take(table, 1, 1, later));
    cr_expect_not(rate_table_take(table, 2, RATE_BURST_MAXIMUM + 1, INT64_MAX));
    cr_expect(rate_table_take(table, 2, RATE_BURST_MAXIMUM, INT64_MAX));
    cr_expect_not(rate_table_take(table, 2, 1, INT64_MAX));
    cr_expect_not(rate_table_take(table, 2, 1, 1));
    cr_expect_not(rate_table_take(table, 2, 1, INT64_MIN));
    cr_expect_not(rate_table_take(table, 2, 1, INT64_MAX));
    rate_table_destroy(table);
}

Test(rate_table, time_that_runs_backwards)
{
    struct rate_table *table = rate_table_create(&(struct rate_limit){1, 1000, 2}, 1024);
    cr_expect(rate_table_take(table, 1, 2, START));
    /* A little: it stands still, and no token comes back twice. */
    cr_expect_not(rate_table_take(table, 1, 1, START - 60000));
    cr_expect_not(rate_table_take(table, 1, 1, START + 999));
    cr_expect(rate_table_take(table, 1, 1, START + 1000));
    /* A clock that was set back by a day: tokens come at the rate, from there on. */
    int64_t day_before = START - 86400000;
    cr_expect_not(rate_table_take(table, 1, 1, day_before));
    cr_expect_not(rate_table_take(table, 1, 1, day_before + 999));
    cr_expect(rate_table_take(table, 1, 1, day_before + 1000));
    cr_expect_not(rate_table_take(table, 1, 1, day_before + 1000));
    cr_expect_eq(rate_table_tokens(table, 1, day_before + 3000), 2);
    rate_table_destroy(table);
}

/* A bucket as people think of it: tokens as a fraction with the denominator `period`. */
struct model {
    __int128 level; /* tokens * period */
    int64_t at;
};

static bool model_take(struct model *model, const struct rate_limit *limit, int64_t cost, int64_t now)
{
    __int128 full = (__int128)limit->burst * limit->period_ms;
    if (!model->at) {
        model->at = now;
        model->level = full;
    }
    model->level += (__int128)(now - model->at) * limit->count;
    model->at = now;
    if (model->level > full)
        model->level = full;
    if (cost <= 0 || (__int128)cost * limit->period_ms > model->level)
        return cost <= 0;
    model->level -= (__int128)cost * limit->period_ms;
    return true;
}

static uint64_t random_state;
static uint64_t random_number(uint64_t below)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (random_state >> 24) % below;
}

/* While the table has room for all keys, it says what the model says, to the millisecond. */
Test(rate_table, agrees_with_an_exact_model)
{
    enum { KEYS = 500 };
    for (random_state = 1; random_state < 40; random_state++) {
        uint64_t seed = random_state;
        struct model models[KEYS] = {0};
        struct rate_limit limit = {1 + (int64_t)random_number(1 + random_number(RATE_COUNT_MAXIMUM)),
                                   1 + (int64_t)random_number(1 + random_number((uint64_t)RATE_PERIOD_MAXIMUM_MS)),
                                   1 + (int64_t)random_number(1 + random_number(100000))};
        struct rate_table *table = rate_table_create(&limit, 1024);
        uint64_t step = 1 + random_number(1 + random_number((uint64_t)limit.period_ms));
        int64_t now = START;
        for (int count = 0; count < 20000; count++) {
            uint64_t number = random_number(KEYS);
            int64_t cost = 1 + (int64_t)random_number(1 + random_number((uint64_t)limit.burst + 2));
            now += random_number(4) ? 0 : (int64_t)random_number(step);
            bool has = rate_table_has(table, key_of(number), cost, now);
            bool took = rate_table_take(table, key_of(number), cost, now);
            bool wanted = model_take(&models[number], &limit, cost, now);
            cr_assert(took == wanted && has == wanted, "seed %lu, step %d: %d, the model %d", (unsigned long)seed,
                      count, took, wanted);
            cr_assert_eq(rate_table_tokens(table, key_of(number), now),
                         (int64_t)(models[number].level / limit.period_ms));
        }
        cr_expect_eq(rate_table_forgotten(table), 0u);
        rate_table_destroy(table);
        random_state = seed;
    }
}

Test(rate_table, a_million_keys_fit_into_64_mebibytes)
{
    enum { KEYS = 1000000 };
    struct rate_table *table = rate_table_create(&(struct rate_limit){1, 3600000, 2}, KEYS);
    cr_expect_leq(rate_table_memory(table), 64u << 20);
    for (uint64_t number = 0; number < KEYS; number++)
        cr_assert(rate_table_take(table, key_of(number), 2, START + (int64_t)number / 1000));
    cr_expect_leq(rate_table_forgotten(table), KEYS / 2000);
    uint64_t passed = 0;
    for (uint64_t number = 0; number < KEYS; number++)
        passed += rate_table_has(table, key_of(number), 1, START + 1000);
    cr_expect_leq(passed, rate_table_forgotten(table));
    rate_table_destroy(table);
}

/* Whoever comes with ever new keys pushes out those that did as little, and not who is being held back. */
Test(rate_table, what_matters_least_gives_way)
{
    struct rate_table *table = rate_table_create(&(struct rate_limit){1, 1000, 100}, 1024);
    for (uint64_t flooder = 0; flooder < 200; flooder++)
        cr_expect(rate_table_take(table, key_of(flooder), 100, START));
    for (uint64_t number = 1000; number < 101000; number++)
        cr_expect(rate_table_take(table, key_of(number), 1, START));
    cr_expect_gt(rate_table_forgotten(table), 90000u);
    for (uint64_t flooder = 0; flooder < 200; flooder++)
        cr_expect_not(rate_table_has(table, key_of(flooder), 1, START), "%lu", (unsigned long)flooder);
    rate_table_destroy(table);
}

Test(rate_table, full_buckets_age_out)
{
    struct rate_table *table = rate_table_create(&(struct rate_limit){1, 1000, 10}, 1024);
    int64_t now = START;
    for (uint64_t number = 0; number < 100000; number++) {
        now += 20; /* a bucket is full again when 50 others have come */
        cr_expect(rate_table_take(table, key_of(number), 1, now));
    }
    cr_expect_eq(rate_table_forgotten(table), 0u);
    rate_table_destroy(table);
}

Test(rate_table, a_snapshot_goes_on_where_it_was)
{
    const struct rate_limit limit = {10, 60000, 20};
    struct rate_table *table = rate_table_create(&limit, 4096), *restored = rate_table_create(&limit, 8192);
    struct buffer saved = {0};
    rate_table_save(table, &saved);
    cr_expect(rate_table_restore(restored, buffer_slice(&saved)), "one that was never asked");
    for (uint64_t number = 0; number < 1000; number++)
        rate_table_take(table, key_of(number), (int64_t)(number % 21), START + (int64_t)number);
    buffer_clear(&saved);
    rate_table_save(table, &saved);
    cr_expect_lt(saved.length, 1001 * 16u);
    cr_expect(rate_table_take(restored, 5, 20, START));
    cr_assert(rate_table_restore(restored, buffer_slice(&saved)));
    cr_expect(rate_table_has(restored, 5, 20, START), "what it held before is gone");
    for (uint64_t number = 0; number < 1100; number++)
        for (int64_t later = 0; later < 120000; later += 3333)
            cr_assert_eq(rate_table_tokens(restored, key_of(number), START + 1000 + later),
                         rate_table_tokens(table, key_of(number), START + 1000 + later));
    /* What no table of this limit has saved empties it. */
    for (size_t length = 0; length < saved.length; length += 7) {
        cr_expect_not(rate_table_restore(restored, slice_of(saved.data, length)));
        cr_expect(rate_table_has(restored, key_of(20), 20, START));
    }
    struct rate_table *other = rate_table_create(&(struct rate_limit){11, 60000, 20}, 4096);
    cr_expect_not(rate_table_restore(other, buffer_slice(&saved)));
    buffer_free(&saved);
    rate_table_destroy(other);
    rate_table_destroy(restored);
    rate_table_destroy(table);
}

Test(keyed_hash, seeds_and_pairs)
{
    cr_expect_neq(keyed_hash(SLICE("@a:b"), 1), keyed_hash(SLICE("@a:b"), 2));
    cr_expect_eq(keyed_hash(SLICE_ABSENT, 1), keyed_hash(SLICE(""), 1));
    cr_expect_neq(keyed_hash_pair(SLICE("ab"), SLICE("c"), 1), keyed_hash_pair(SLICE("a"), SLICE("bc"), 1));
    keyed_hash_draw_seed();
    uint64_t drawn = keyed_hash_seed;
    keyed_hash_draw_seed();
    cr_expect_neq(drawn, keyed_hash_seed);
}

Test(rate_table, keys_are_counted_or_estimated)
{
    const struct rate_limit limit = {.count = 1, .period_ms = 1000, .burst = 1};
    const uint32_t capacities[] = {1024, 1000000};
    for (int index = 0; index < 2; index++) {
        struct rate_table *table = rate_table_create(&limit, capacities[index]);
        cr_expect_eq(rate_table_keys(table), 0u);
        uint32_t wanted = capacities[index] / 2;
        for (uint32_t key = 1; key <= wanted; key++)
            cr_expect(rate_table_take(table, key * UINT64_C(0x9e3779b97f4a7c15), 1, 1700000000000));
        double error = (double)rate_table_keys(table) / wanted - 1;
        cr_expect(error > -0.03 && error < 0.03, "%f", error);
        (void)rate_table_take(table, 5, 0, 1700000001000);
        cr_expect_eq(rate_table_keys(table), 0u, "all are full again");
        rate_table_destroy(table);
    }
}

/* Somebody else let pass what this bucket had not: it is made up for later. */
Test(rate_table, a_charge_beyond_what_is_there)
{
    const struct rate_limit limit = {.count = 1, .period_ms = 1000, .burst = 2};
    struct rate_table *table = rate_table_create(&limit, 64), *copy = rate_table_create(&limit, 64);
    const int64_t start = 1700000000000;
    struct buffer saved = {0};
    for (int time = 0; time < 3; time++)
        rate_table_charge(table, 5, 1, start);
    cr_expect_eq(rate_table_tokens(table, 5, start), -1);
    cr_expect_not(rate_table_take(table, 5, 1, start + 1999));
    cr_expect(rate_table_take(table, 5, 1, start + 2000));
    for (int time = 0; time < 100; time++)
        rate_table_charge(table, 5, 1000000000, start + 2000);
    cr_expect_eq(rate_table_tokens(table, 5, start + 2000), -2, "at most twice what it holds");
    rate_table_charge(table, 6, 0, start + 2000);
    cr_expect_eq(rate_table_tokens(table, 6, start + 2000), 2);
    rate_table_save(table, &saved);
    cr_expect(rate_table_restore(copy, buffer_slice(&saved)));
    cr_expect_eq(rate_table_tokens(copy, 5, start + 2000), 0);
    buffer_free(&saved);
    rate_table_destroy(table);
    rate_table_destroy(copy);
}

Test(rate_table, what_is_given_back)
{
    const struct rate_limit limit = {.count = 1, .period_ms = 1000, .burst = 3};
    struct rate_table *table = rate_table_create(&limit, 64);
    const int64_t start = 1700000000000;
    rate_table_give_back(table, 5, 1, start);
    cr_expect_eq(rate_table_tokens(table, 5, start), 3, "nothing was taken");
    cr_expect(rate_table_take(table, 5, 3, start));
    rate_table_give_back(table, 5, 0, start);
    cr_expect_eq(rate_table_tokens(table, 5, start), 0);
    rate_table_give_back(table, 5, 1, start);
    cr_expect_eq(rate_table_tokens(table, 5, start), 1);
    cr_expect_eq(rate_table_tokens(table, 5, start + 1000), 2);
    rate_table_give_back(table, 5, 1000000000, start + 500);
    cr_expect_eq(rate_table_tokens(table, 5, start + 500), 3, "a full bucket is full");
    cr_expect_eq(rate_table_keys(table), 0u);
    rate_table_destroy(table);
}
