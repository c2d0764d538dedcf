/* One act, several questions. */
#include <criterion/criterion.h>

#include "base/keyed_hash.h"
#include "filters/asked_once.h"

#define START 1700000000000
#define SEED 3

/* What the table says; 99: it knows nothing of it. */
static uint32_t known(struct asked_once *table, enum callback callback, int64_t now_ms, uint64_t act, const char *id)
{
    struct event event = {.event_id = id ? slice_from_string(id) : SLICE_ABSENT};
    struct callback_arguments arguments = {.callback = callback, .event = id ? &event : NULL, .now_ms = now_ms};
    uint32_t answer;
    return asked_once_find(table, &arguments, act, SEED, &answer) ? answer : 99;
}

static void put(struct asked_once *table, enum callback callback, int64_t now_ms, uint64_t act, uint32_t answer)
{
    struct callback_arguments arguments = {.callback = callback, .now_ms = now_ms};
    asked_once_put(table, &arguments, act, SEED, answer);
}

Test(asked_once, each_callback_may_ask_once)
{
    struct asked_once *table = asked_once_create(64);
    cr_expect_eq(known(table, CALLBACK_user_may_invite, START, 5, NULL), 99u);
    put(table, CALLBACK_federated_user_may_invite, START, 5, 7);
    cr_expect_eq(known(table, CALLBACK_user_may_invite, START, 5, NULL), 7u);
    cr_expect_eq(known(table, CALLBACK_check_event_allowed, START + 59000, 5, "$1"), 7u);
    cr_expect_eq(known(table, CALLBACK_user_may_invite, START, 6, NULL), 99u, "another act");
    cr_expect_eq(known(table, CALLBACK_user_may_invite, START, 5, NULL), 99u, "asked for the second time");
    cr_expect_eq(known(table, CALLBACK_check_event_for_spam, START + 62000, 5, "$2"), 99u, "too late");
    cr_expect_eq(known(table, CALLBACK_check_event_allowed, START + 9000000, 5, "$1"), 7u, "the event is known");
    put(table, CALLBACK_user_may_invite, START + 70000, 5, 0);
    cr_expect_eq(known(table, CALLBACK_check_event_allowed, START + 71000, 5, "$3"), 0u);
    asked_once_destroy(table);
}

Test(asked_once, a_trial_changes_nothing)
{
    struct asked_once *table = asked_once_create(64);
    struct callback_arguments arguments = {.callback = CALLBACK_user_may_invite, .now_ms = START, .trial = true};
    uint32_t answer;
    asked_once_put(table, &arguments, 5, SEED, 1);
    cr_expect_eq(known(table, CALLBACK_check_event_allowed, START, 5, NULL), 99u);
    put(table, CALLBACK_federated_user_may_invite, START, 5, 2);
    for (int time = 0; time < 3; time++)
        cr_expect(asked_once_find(table, &arguments, 5, SEED, &answer) && answer == 2);
    asked_once_destroy(table);
}

Test(asked_once, a_snapshot_says_the_same)
{
    struct asked_once *table = asked_once_create(64), *restored = asked_once_create(64);
    struct buffer saved = {0};
    put(table, CALLBACK_user_may_invite, START, 5, 3);
    asked_once_save(table, &saved);
    cr_expect(asked_once_restore(restored, buffer_slice(&saved)));
    cr_expect_eq(known(restored, CALLBACK_check_event_allowed, START, 5, NULL), 3u);
    for (size_t length = 0; length < saved.length; length++)
        cr_expect_not(asked_once_restore(restored, slice_of(saved.data, length)));
    cr_expect_eq(known(restored, CALLBACK_check_event_allowed, START, 5, NULL), 99u);
    buffer_free(&saved);
    asked_once_destroy(table);
    asked_once_destroy(restored);
}
