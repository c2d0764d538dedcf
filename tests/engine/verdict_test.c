/* The row of `verdicts`: its members, their order, their escapes. */
#include <criterion/criterion.h>

#include "engine/verdict.h"

static void expect_row(const struct event *event, const struct outcome *outcome, const char *wanted)
{
    struct verdict verdict = {
        .event = event, .outcome = outcome, .stream = SLICE("events"), .instance = SLICE("persister1"), .token = 42};
    struct buffer row = {0};
    verdict_append_row(&verdict, &row);
    cr_expect_str_eq(buffer_string(&row), wanted);
    buffer_free(&row);
}

Test(verdict, a_denied_event)
{
    struct event event = {
        .event_id = SLICE("$e\"1"), .room_id = SLICE("!r:x"), .sender = SLICE("@a:x"), .type = SLICE("m.room.message")};
    json_t *fields = json_pack("{s:i}", "retry_after_ms", 5);
    struct outcome outcome = {
        .kind = OUTCOME_DENIED,
        .callback = CALLBACK_check_event_for_spam,
        .module = "keywords",
        .result = {.value = {.kind = VALUE_CODE, .text = SLICE("M_LIMIT_EXCEEDED"), .object = fields},
                   .rule = SLICE("sp\xc3\xa4m"),
                   .reason = SLICE("body holds a keyword")}};
    expect_row(&event, &outcome,
               "{\"event_id\":\"$e\\\"1\",\"room_id\":\"!r:x\",\"sender\":\"@a:x\",\"type\":\"m.room.message\","
               "\"callback\":\"check_event_for_spam\",\"result\":{\"code\":\"M_LIMIT_EXCEEDED\",\"fields\":"
               "{\"retry_after_ms\":5}},\"module\":\"keywords\",\"rule\":\"sp\\u00e4m\",\"reason\":\"body holds a "
               "keyword\",\"stream\":\"events\",\"instance\":\"persister1\",\"token\":42,\"origin\":\"observe\","
               "\"dry_run\":false}");
    json_decref(fields);
}

Test(verdict, an_event_without_a_body_that_passed)
{
    struct event event = {.event_id = SLICE("$e"), .room_id = SLICE("!r"), .type = SLICE("t")};
    struct outcome outcome = {.callback = CALLBACK_check_event_for_spam, .result = {.value = {.kind = VALUE_NOT_SPAM}}};
    expect_row(
        &event, &outcome,
        "{\"event_id\":\"$e\",\"room_id\":\"!r\",\"sender\":null,\"type\":\"t\",\"callback\":"
        "\"check_event_for_spam\",\"result\":\"NOT_SPAM\",\"module\":null,\"rule\":null,\"reason\":null,"
        "\"stream\":\"events\",\"instance\":\"persister1\",\"token\":42,\"origin\":\"observe\",\"dry_run\":false}");
}
