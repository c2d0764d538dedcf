#include "filters/event_format.h"

#include <criterion/criterion.h>

#include "filters/redaction.h"
#include "filters/server_name.h"

static json_t *event_of(const char *members)
{
    json_t *event = json_loads(
        "{\"type\":\"m.room.message\",\"sender\":\"@a:h\",\"room_id\":\"!r:h\",\"content\":{},\"hashes\":{\"sha256\":"
        "\"x\"},\"signatures\":{},\"origin_server_ts\":1,\"depth\":1,\"prev_events\":[\"$p\"],\"auth_events\":[]}",
        0, NULL);
    json_error_t error;
    json_t *changes = json_loads(members, 0, &error);
    cr_assert_not_null(changes, "%s: %s", members, error.text);
    json_object_update(event, changes);
    json_decref(changes);
    return event;
}

static void expect_problem(const char *version, const char *members, const char *sentence)
{
    json_t *event = event_of(members);
    const char *problem = event_format_problem(event, room_version_find(slice_from_string(version)));
    if (sentence)
        cr_expect_str_eq(problem ? problem : "none", sentence, "%s", members);
    else
        cr_expect_null(problem, "%s: %s", members, problem);
    json_decref(event);
}

Test(event_format, members)
{
    expect_problem("10", "{}", NULL);
    expect_problem("10", "{\"type\": null}", "`type` must be a text of at most 255 bytes");
    expect_problem("10", "{\"sender\": \"a\"}", "`sender` must be a user id of at most 255 bytes");
    expect_problem("10", "{\"sender\": \"@a\"}", "`sender` must be a user id of at most 255 bytes");
    expect_problem("10", "{\"state_key\": 1}", "`state_key` must be a text of at most 255 bytes");
    expect_problem("10", "{\"content\": []}", "`content` must be an object");
    expect_problem("10", "{\"hashes\": []}", "`hashes` must be an object");
    expect_problem("10", "{\"unsigned\": []}", "`unsigned` must be an object");
    expect_problem("10", "{\"depth\": 1.0}", "`depth` must be an integer");
    expect_problem("10", "{\"prev_events\": {}}", "`prev_events` must be a list of at most 20 events");
    expect_problem("10", "{\"prev_events\": [[\"$p\", {}]]}", "`prev_events` must be a list of at most 20 events");
    expect_problem("10", "{\"auth_events\": [1]}", "`auth_events` must be a list of at most 10 events");
    expect_problem("10", "{\"auth_events\": [\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\"]}",
                   "`auth_events` must be a list of at most 10 events");
    expect_problem("10", "{\"room_id\": \"r\"}", "`room_id` must be a room id of at most 255 bytes");
    expect_problem("1", "{\"prev_events\": []}", "`event_id` must be an event id of at most 255 bytes");
    expect_problem("1", "{\"prev_events\": [[\"$p:h\", {}]], \"event_id\": \"$e:h\"}", NULL);
}

Test(event_format, room_of_a_new_room)
{
    expect_problem("12", "{\"type\": \"m.room.create\", \"state_key\": \"\"}",
                   "`room_id` must be a room id of at most 255 bytes");
    expect_problem("11", "{\"type\": \"m.room.create\", \"state_key\": \"\"}", NULL);
    json_t *event = event_of("{\"type\": \"m.room.create\", \"state_key\": \"\"}");
    json_object_del(event, "room_id");
    cr_expect(event_format_creates_room(event));
    cr_expect_null(event_format_problem(event, room_version_find(SLICE("12"))));
    cr_expect_not_null(event_format_problem(event, room_version_find(SLICE("11"))));
    json_object_set_new(event, "state_key", json_string("x"));
    cr_expect_not(event_format_creates_room(event));
    cr_expect_not_null(event_format_problem(event, room_version_find(SLICE("12"))));
    json_decref(event);
}

Test(event_format, numbers)
{
    static const char sentence[] = "a number in it is no integer of at most 53 bits";
    expect_problem("5", "{\"content\": {\"a\": [1.5, 9007199254740992]}}", NULL);
    expect_problem("6", "{\"content\": {\"a\": [9007199254740991, -9007199254740991]}}", NULL);
    expect_problem("6", "{\"content\": {\"a\": [9007199254740992]}}", sentence);
    expect_problem("6", "{\"content\": {\"a\": {\"b\": -9007199254740992}}}", sentence);
    expect_problem("6", "{\"content\": {\"a\": 1.0}}", sentence);
}

Test(event_format, size)
{
    json_t *event = event_of("{}");
    char *text = calloc(1, EVENT_FORMAT_SIZE_MAXIMUM);
    memset(text, 'x', EVENT_FORMAT_SIZE_MAXIMUM - 500);
    json_object_set_new(event, "content", json_pack("{s:s}", "body", text));
    cr_expect_null(event_format_problem(event, room_version_find(SLICE("10"))));
    memset(text, 'x', EVENT_FORMAT_SIZE_MAXIMUM - 50);
    json_object_set_new(event, "content", json_pack("{s:s}", "body", text));
    cr_expect_str_eq(event_format_problem(event, room_version_find(SLICE("10"))),
                     "it is larger than 65,536 bytes, or nested too deep");
    free(text);
    json_decref(event);
}

Test(event_format, redaction_of_what_is_no_event)
{
    for (size_t index = 0; room_version_at(index); index++) {
        json_t *event = json_loads("{\"type\": 5, \"content\": [], \"room_id\": \"x\", \"z\": 1}", 0, NULL);
        json_t *redacted = redaction_of(event, room_version_at(index));
        json_t *expected = json_loads("{\"type\": 5, \"content\": {}, \"room_id\": \"x\"}", 0, NULL);
        cr_expect(json_equal(redacted, expected));
        json_decref(event);
        json_decref(redacted);
        json_decref(expected);
    }
    cr_expect_null(room_version_find(SLICE("13")));
    cr_expect_null(room_version_find(SLICE_ABSENT));
}

Test(event_format, third_party_invites)
{
    static const char *const cases[][2] = {
        {"{\"third_party_invite\": {\"signed\": {\"a\": 1}, \"display_name\": \"x\"}}",
         "{\"third_party_invite\": {\"signed\": {\"a\": 1}}}"},
        {"{\"third_party_invite\": {\"display_name\": \"x\"}}", "{\"third_party_invite\": {}}"},
        {"{\"third_party_invite\": 1}", "{}"},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        json_t *event =
            json_pack("{s:s, s:o}", "type", "m.room.member", "content", json_loads(cases[index][0], 0, NULL));
        json_t *expected = json_loads(cases[index][1], 0, NULL);
        json_t *redacted = redaction_of(event, room_version_find(SLICE("11")));
        cr_expect(json_equal(json_object_get(redacted, "content"), expected), "%s", cases[index][0]);
        json_decref(redacted);
        redacted = redaction_of(event, room_version_find(SLICE("10")));
        cr_expect_eq(json_object_size(json_object_get(redacted, "content")), 0u);
        json_decref(redacted);
        json_decref(expected);
        json_decref(event);
    }
}

Test(event_format, server_names)
{
    static const char *const good[] = {"matrix.org",        "localhost:8008", "1.2.3.4",    "1.2.3.4:1",
                                       "[1234:5678::abcd]", "[::1]:5678",     "a-b.Example"};
    static const char *const bad[] = {"",     "a b",  "a_b", "a:",  "a:x", "a:123456",
                                      "a:1x", "[::1", "[]",  "[x]", "::1", "ü"};
    for (size_t index = 0; index < sizeof good / sizeof *good; index++)
        cr_expect(server_name_valid(slice_from_string(good[index])), "%s", good[index]);
    for (size_t index = 0; index < sizeof bad / sizeof *bad; index++)
        cr_expect_not(server_name_valid(slice_from_string(bad[index])), "%s", bad[index]);
    cr_expect_not(server_name_valid(SLICE_ABSENT));
}
