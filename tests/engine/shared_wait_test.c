#include "engine/shared_wait.h"

#include <criterion/criterion.h>

struct sleeper {
    struct shared_waiter waiter;
    struct shared_waits *waits;
    struct shared_waiter *takes_along; /* leaves when this one is woken */
    bool again;                        /* joins again when it is woken */
    int woken;
    const void *result;
};

static void on_woken(void *context, const void *result)
{
    struct sleeper *sleeper = context;
    sleeper->woken++;
    sleeper->result = result;
    if (sleeper->takes_along)
        shared_waits_leave(sleeper->takes_along);
    if (sleeper->again)
        cr_expect_eq(shared_waits_join(sleeper->waits, SLICE("a"), &sleeper->waiter), sleeper->woken == 1);
}

static void prepare(struct sleeper *sleepers, size_t count, struct shared_waits *waits)
{
    for (size_t index = 0; index < count; index++)
        sleepers[index] = (struct sleeper){.waiter = {.woken = on_woken, .context = &sleepers[index]}, .waits = waits};
}

Test(shared_wait, the_first_starts_and_all_are_woken)
{
    struct shared_waits *waits = shared_waits_create();
    struct sleeper sleepers[4];
    prepare(sleepers, 4, waits);
    cr_expect(shared_waits_join(waits, SLICE("a"), &sleepers[0].waiter));
    cr_expect_not(shared_waits_join(waits, SLICE("a"), &sleepers[1].waiter));
    cr_expect(shared_waits_join(waits, SLICE("ab"), &sleepers[2].waiter));
    cr_expect_not(shared_waits_join(waits, SLICE("a"), &sleepers[3].waiter));
    cr_expect_eq(shared_waits_count(waits), 2u);
    cr_expect(shared_waits_has(waits, SLICE("a")));
    shared_waits_wake(waits, SLICE("a"), "result");
    shared_waits_wake(waits, SLICE("a"), "nobody");
    shared_waits_wake(waits, SLICE("nothing"), "nobody");
    static const int expected[] = {1, 1, 0, 1};
    for (size_t index = 0; index < 4; index++) {
        cr_expect_eq(sleepers[index].woken, expected[index]);
        if (expected[index])
            cr_expect_str_eq(sleepers[index].result, "result");
    }
    cr_expect_not(shared_waits_has(waits, SLICE("a")));
    cr_expect_eq(shared_waits_count(waits), 1u);
    shared_waits_destroy(waits);
}

Test(shared_wait, who_leaves_is_not_woken)
{
    struct shared_waits *waits = shared_waits_create();
    struct sleeper sleepers[4];
    prepare(sleepers, 4, waits);
    for (size_t index = 0; index < 3; index++)
        shared_waits_join(waits, SLICE("a"), &sleepers[index].waiter);
    shared_waits_leave(&sleepers[2].waiter); /* the last, so that the next one follows the one before */
    shared_waits_leave(&sleepers[2].waiter);
    shared_waits_leave(&sleepers[0].waiter);
    shared_waits_join(waits, SLICE("a"), &sleepers[3].waiter);
    shared_waits_wake(waits, SLICE("a"), NULL);
    cr_expect_eq(sleepers[0].woken, 0);
    cr_expect_eq(sleepers[1].woken, 1);
    cr_expect_eq(sleepers[2].woken, 0);
    cr_expect_eq(sleepers[3].woken, 1);
    shared_waits_destroy(waits);
}

Test(shared_wait, the_work_goes_on_without_anybody)
{
    struct shared_waits *waits = shared_waits_create();
    struct sleeper sleepers[2];
    prepare(sleepers, 2, waits);
    shared_waits_join(waits, SLICE("a"), &sleepers[0].waiter);
    shared_waits_leave(&sleepers[0].waiter);
    cr_expect_not(shared_waits_join(waits, SLICE("a"), &sleepers[1].waiter));
    shared_waits_wake(waits, SLICE("a"), NULL);
    cr_expect_eq(sleepers[1].woken, 1);
    shared_waits_destroy(waits);
}

Test(shared_wait, changes_from_within)
{
    struct shared_waits *waits = shared_waits_create();
    struct sleeper sleepers[3];
    prepare(sleepers, 3, waits);
    sleepers[0].again = true;
    sleepers[0].takes_along = &sleepers[1].waiter;
    for (size_t index = 0; index < 3; index++)
        shared_waits_join(waits, SLICE("a"), &sleepers[index].waiter);
    shared_waits_wake(waits, SLICE("a"), NULL);
    cr_expect_eq(sleepers[0].woken, 1);
    cr_expect_eq(sleepers[1].woken, 0);
    cr_expect_eq(sleepers[2].woken, 1);
    cr_expect(shared_waits_has(waits, SLICE("a")));
    sleepers[0].again = false;
    shared_waits_wake(waits, SLICE("a"), NULL);
    cr_expect_eq(sleepers[0].woken, 2);
    shared_waits_destroy(waits);
}
