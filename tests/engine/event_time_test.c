/* What modules take for the time in a replay. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "engine/event_time.h"
#include "replication/recording.h"

static int64_t claim(struct event_time *time, const char *origin_server_ts)
{
    char body[200];
    snprintf(body, sizeof body, "{\"content\":{\"origin_server_ts\":7},\"origin_server_ts\":%s}", origin_server_ts);
    return event_time_of_body(time, slice_from_string(body));
}

Test(event_time, is_never_zero)
{
    struct event_time time = {0};
    cr_expect_eq(event_time_recorded(&time, 0), 1);
    cr_expect_eq(event_time_of_body(&time, SLICE_ABSENT), 1);
    cr_expect_eq(claim(&time, "0"), 1);
    event_time_free(&time);
}

Test(event_time, of_a_recording_it_never_runs_backwards)
{
    struct event_time time = {0};
    cr_expect_eq(event_time_recorded(&time, 5000), 5000);
    cr_expect_eq(event_time_recorded(&time, 4000), 5000);
    cr_expect_eq(event_time_recorded(&time, -1), 5000);
    cr_expect_eq(event_time_recorded(&time, INT64_MAX), INT64_MAX);
}

Test(event_time, of_events_it_follows_their_claims)
{
    struct event_time time = {0};
    cr_expect_eq(claim(&time, "1795424324604"), 1795424324604);
    cr_expect_eq(claim(&time, "1795424324000"), 1795424324604);
    cr_expect_eq(claim(&time, "1795424325000"), 1795424325000);
    static const char *const useless[] = {"-5",   "1.5", "1e15", "\"1795424326000\"", "null",
                                          "true", "[1]", "{}",   "9007199254740993",  "99999999999999999999999"};
    for (size_t index = 0; index < sizeof useless / sizeof *useless; index++)
        cr_expect_eq(claim(&time, useless[index]), 1795424325000, "%s", useless[index]);
    cr_expect_eq(event_time_of_body(&time, SLICE("{\"content\":{}}")), 1795424325000);
    cr_expect_eq(event_time_of_body(&time, SLICE("{\"origin_server_ts\":1795424326000")), 1795424325000, "no JSON");
    event_time_free(&time);
}

Test(event_time, one_lie_is_not_believed)
{
    struct event_time time = {0};
    cr_expect_eq(claim(&time, "1795424324604"), 1795424324604);
    cr_expect_eq(claim(&time, "9007199254740992"), 1795424324604);
    cr_expect_eq(claim(&time, "1795424324700"), 1795424324700);
    cr_expect_eq(claim(&time, "9007199254740992"), 1795424324700);
    /* A pause of a day in what was recorded: the second event of the new day sets the time. */
    cr_expect_eq(claim(&time, "1795510800000"), 1795424324700);
    cr_expect_eq(claim(&time, "1795510801000"), 1795510800000);
    cr_expect_eq(claim(&time, "1795510802000"), 1795510802000);
    event_time_free(&time);
}

Test(event_time, of_a_recorded_message)
{
    static const struct {
        const char *text;
        int64_t milliseconds;
    } rows[] = {{"1795424160.8891146", 1795424160889},
                {"1795424160", 1795424160000},
                {"1795424160.5", 1795424160500},
                {"0", 0},
                {"0.0019", 1},
                {"253402300800.001", 0},
                {"99999999999999999999999999999999", 0}};
    for (size_t index = 0; index < sizeof rows / sizeof *rows; index++) {
        struct recording_message message = {.time = slice_from_string(rows[index].text)};
        cr_expect_eq(recording_message_time_ms(&message), rows[index].milliseconds, "%s", rows[index].text);
    }
    cr_expect_eq(recording_message_time_ms(&(struct recording_message){0}), 0);
}
