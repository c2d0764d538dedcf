#include "engine/console_session.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "engine/login_pause.h"

#define SECOND UINT64_C(1000000000)

static struct slice id_of(const char *id)
{
    return slice_of(id, CONSOLE_SESSION_ID_LENGTH);
}

Test(console_session, begins_and_ends)
{
    struct console_sessions *sessions = console_sessions_create(10 * SECOND);
    char one[CONSOLE_SESSION_ID_LENGTH + 1], other[CONSOLE_SESSION_ID_LENGTH + 1];
    cr_assert(console_sessions_begin(sessions, SECOND, one));
    cr_assert(console_sessions_begin(sessions, SECOND, other));
    cr_expect_str_neq(one, other);
    cr_expect_eq(strspn(one, "0123456789abcdef"), CONSOLE_SESSION_ID_LENGTH);
    uint64_t first = console_sessions_find(sessions, id_of(one), SECOND);
    uint64_t second = console_sessions_find(sessions, id_of(other), SECOND);
    cr_expect(first && second && first != second);
    cr_expect(console_sessions_is_open(sessions, first, SECOND));
    cr_expect_eq(console_sessions_count(sessions, SECOND), 2);

    console_sessions_end(sessions, first);
    cr_expect_eq(console_sessions_find(sessions, id_of(one), SECOND), 0);
    cr_expect_not(console_sessions_is_open(sessions, first, SECOND));
    cr_expect_eq(console_sessions_find(sessions, id_of(other), 11 * SECOND - 1), second);
    cr_expect_eq(console_sessions_find(sessions, id_of(other), 11 * SECOND), 0, "it lasts ten seconds");
    cr_expect_not(console_sessions_is_open(sessions, second, 11 * SECOND));
    console_sessions_destroy(sessions);
}

Test(console_session, ids_that_are_none)
{
    struct console_sessions *sessions = console_sessions_create(10 * SECOND);
    char id[CONSOLE_SESSION_ID_LENGTH + 1];
    static const char zeros[CONSOLE_SESSION_ID_LENGTH];
    cr_assert(console_sessions_begin(sessions, SECOND, id));
    cr_expect_eq(console_sessions_find(sessions, SLICE(""), SECOND), 0);
    cr_expect_eq(console_sessions_find(sessions, SLICE_ABSENT, SECOND), 0);
    cr_expect_eq(console_sessions_find(sessions, slice_of(id, 63), SECOND), 0);
    cr_expect_eq(console_sessions_find(sessions, slice_of(zeros, sizeof zeros), SECOND), 0);
    id[5] ^= 1;
    cr_expect_eq(console_sessions_find(sessions, id_of(id), SECOND), 0);
    cr_expect_not(console_sessions_is_open(sessions, 0, SECOND));
    console_sessions_end(sessions, 0);
    id[5] ^= 1;
    cr_expect_neq(console_sessions_find(sessions, id_of(id), SECOND), 0);
    console_sessions_end_all(sessions);
    cr_expect_eq(console_sessions_find(sessions, id_of(id), SECOND), 0);
    console_sessions_destroy(sessions);
}

Test(console_session, the_oldest_goes)
{
    struct console_sessions *sessions = console_sessions_create(1000 * SECOND);
    char ids[CONSOLE_SESSIONS_MAXIMUM + 2][CONSOLE_SESSION_ID_LENGTH + 1];
    for (size_t index = 0; index < CONSOLE_SESSIONS_MAXIMUM + 2; index++)
        cr_assert(console_sessions_begin(sessions, SECOND + index, ids[index]));
    for (size_t index = 0; index < CONSOLE_SESSIONS_MAXIMUM + 2; index++)
        cr_expect_eq(console_sessions_find(sessions, id_of(ids[index]), 2 * SECOND) != 0, index >= 2, "%zu", index);
    cr_expect_eq(console_sessions_count(sessions, 2 * SECOND), CONSOLE_SESSIONS_MAXIMUM);
    console_sessions_destroy(sessions);
}

Test(login_pause, grows_and_is_forgotten)
{
    struct login_pauses *pauses = login_pauses_create();
    const struct slice address = SLICE("192.0.2.7"), other = SLICE("192.0.2.8");
    static const unsigned expected[] = {0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60};
    uint64_t now = 100 * SECOND;
    for (size_t index = 0; index < sizeof expected / sizeof *expected; index++) {
        login_pauses_wrong(pauses, address, now);
        cr_expect_eq(login_pauses_left(pauses, address, now), expected[index], "%zu", index);
        now += expected[index] * SECOND;
        cr_expect_eq(login_pauses_left(pauses, address, now), 0);
    }
    login_pauses_wrong(pauses, address, now);
    cr_expect_eq(login_pauses_left(pauses, other, now), 0, "another address has not tried");
    cr_expect_eq(login_pauses_left(pauses, address, now + SECOND / 2), 60, "whole seconds, up");
    login_pauses_right(pauses, address);
    cr_expect_eq(login_pauses_left(pauses, address, now), 0);
    for (int tries = 0; tries < 20; tries++)
        login_pauses_wrong(pauses, address, now);
    cr_expect_eq(login_pauses_left(pauses, address, now), 60);
    now += 3600 * SECOND;
    cr_expect_eq(login_pauses_left(pauses, address, now), 0);
    login_pauses_wrong(pauses, address, now);
    cr_expect_eq(login_pauses_left(pauses, address, now), 0, "an hour later it begins anew");
    login_pauses_destroy(pauses);
}

Test(login_pause, a_network_of_ipv6_counts_as_one)
{
    struct login_pauses *pauses = login_pauses_create();
    for (int tries = 0; tries < 8; tries++)
        login_pauses_wrong(pauses, SLICE("2001:db8:1:2::1"), SECOND);
    cr_expect_gt(login_pauses_left(pauses, SLICE("2001:db8:1:2:ffff::9"), SECOND), 0);
    cr_expect_eq(login_pauses_left(pauses, SLICE("2001:db8:1:3::1"), SECOND), 0);
    cr_expect_eq(login_pauses_left(pauses, SLICE("no address"), SECOND), 0);
    login_pauses_destroy(pauses);
}

Test(login_pause, is_bounded)
{
    struct login_pauses *pauses = login_pauses_create();
    char address[16];
    for (int tries = 0; tries < 5; tries++)
        login_pauses_wrong(pauses, SLICE("192.0.2.1"), SECOND);
    for (unsigned index = 0; index < LOGIN_PAUSE_ADDRESSES; index++) {
        snprintf(address, sizeof address, "10.0.%u.%u", index / 256, index % 256);
        login_pauses_wrong(pauses, slice_from_string(address), SECOND);
    }
    cr_expect_eq(login_pauses_left(pauses, SLICE("192.0.2.1"), SECOND), 0, "it was the oldest");
    login_pauses_destroy(pauses);
}
