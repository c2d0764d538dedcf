/* What server_list catches and what it must let pass. The homeserver of the fixture is example.org. */
#include "tests/filters/question_fixture.h"

#define FROM(server) "{'type':'m.room.message','sender':'@a:" server "','room_id':'!r:other.example','content':{}}"
#define INVITE(server, room)                                                                                           \
    "{'type':'m.room.member','sender':'@a:" server "','state_key':'@b:example.org','room_id':'!r" room                 \
    "','content':{'membership':'invite'}}"
#define JOIN(room) "{'user_id':'@u:example.org','room_id':'!r" room "','is_invited':false}"
#define LOCAL_INVITE(room) "{'inviter':'@u:example.org','invitee':'@b:x.example','room_id':'!r" room "'}"

Test(server_list, names_without_case_and_port)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "server_list",
                           "{\"deny\": [\"Evil.example\", \"*.spam.example\", \"ported.example:8448\"]}"));
    EXPECT_RULE(&fixture, check_event_for_spam, FROM("evil.EXAMPLE"), "evil.example");
    EXPECT_SLICE(fixture.outcome.result.reason, "the server is on the list");
    EXPECT_SLICE(fixture.outcome.result.value.text, "M_FORBIDDEN");
    EXPECT_RULE(&fixture, check_event_for_spam, FROM("evil.example:8448"), "evil.example");
    EXPECT_RULE(&fixture, check_event_for_spam, FROM("a.Spam.example:1"), "*.spam.example");
    EXPECT_SLICE(fixture.outcome.result.reason, "the server matches a pattern on the list");
    EXPECT_RULE(&fixture, check_event_for_spam, FROM("ported.example"), "ported.example");
    EXPECT_RULE(&fixture, check_event_for_spam, FROM("ported.example:1"), "ported.example");
    EXPECT_RULE(&fixture, check_event_for_spam, FROM("spam.example"), "");
    EXPECT_RULE(&fixture, check_event_for_spam, FROM("notevil.example"), "");
    EXPECT_RULE(&fixture, check_event_for_spam, "{'sender':'evil.example','content':{}}", "");
    EXPECT_RULE(&fixture, check_event_for_spam, "{'content':{}}", "");
    fixture_close(&fixture);
}

Test(server_list, every_callback_refuses_in_its_own_way)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "server_list", "{\"deny\": [\"evil.example\"], \"code\": \"M_UNKNOWN\"}"));
    EXPECT_ANSWER(&fixture, check_event_for_spam, FROM("evil.example"), "{\"code\":\"M_UNKNOWN\",\"fields\":{}}");
    EXPECT_ANSWER(&fixture, check_event_allowed, FROM("evil.example"),
                  "{\"tuple\":[{\"bool\":false},{\"none\":true}]}");
    EXPECT_ANSWER(&fixture, should_drop_federated_event, FROM("evil.example"), "{\"bool\":true}");
    EXPECT_ANSWER(&fixture, should_drop_federated_event, FROM("x.example"), "{\"bool\":false}");
    EXPECT_ANSWER(&fixture, federated_user_may_invite, INVITE("evil.example", ":x.example"),
                  "{\"code\":\"M_UNKNOWN\",\"fields\":{}}");
    EXPECT_ANSWER(&fixture, user_may_invite, LOCAL_INVITE(":evil.example"), "{\"code\":\"M_UNKNOWN\",\"fields\":{}}");
    EXPECT_ANSWER(&fixture, user_may_join_room, JOIN(":evil.example:8448"), "{\"code\":\"M_UNKNOWN\",\"fields\":{}}");
    EXPECT_ANSWER(&fixture, user_may_join_room, JOIN(":x.example"), "\"NOT_SPAM\"");
    EXPECT_ANSWER(&fixture, user_may_join_room, JOIN(""), "\"NOT_SPAM\"");
    fixture_close(&fixture);
    fixture.semantics = SEMANTICS_147;
    cr_assert(fixture_open(&fixture, "server_list", "{\"deny\": [\"evil.example\"]}"));
    EXPECT_ANSWER(&fixture, check_event_for_spam, FROM("evil.example"), "{\"bool\":true}");
    EXPECT_ANSWER(&fixture, check_event_allowed, FROM("evil.example"),
                  "{\"tuple\":[{\"bool\":false},{\"none\":true}]}");
    EXPECT_ANSWER(&fixture, user_may_invite, LOCAL_INVITE(":evil.example"), "{\"bool\":false}");
    EXPECT_ANSWER(&fixture, user_may_join_room, JOIN(":evil.example"), "{\"bool\":false}");
    EXPECT_ANSWER(&fixture, user_may_join_room, JOIN(":x.example"), "{\"bool\":true}");
    fixture_close(&fixture);
}

Test(server_list, the_rooms_server_counts_in_invites_only)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "server_list", "{\"deny\": [\"evil.example\"]}"));
    EXPECT_RULE(&fixture, check_event_for_spam, INVITE("x.example", ":evil.example"), "evil.example");
    EXPECT_RULE(&fixture, federated_user_may_invite, INVITE("x.example", ":evil.example"), "evil.example");
    EXPECT_RULE(&fixture, federated_user_may_invite, INVITE("x.example", ":x.example"), "");
    EXPECT_RULE(&fixture, federated_user_may_invite, INVITE("x.example", "version12"), "");
    EXPECT_RULE(&fixture, check_event_for_spam,
                "{'type':'m.room.message','sender':'@a:x','room_id':'!r:evil.example','content':{}}", "");
    fixture_close(&fixture);
}

Test(server_list, addresses_as_names)
{
    static const char *const literals[] = {"192.0.2.1", "192.0.2.1:8448", "[2001:db8::1]", "[2001:db8::1]:8448"};
    static const struct {
        const char *configuration;
        bool in_invites, elsewhere;
    } cases[] = {
        {"{}", true, false},
        {"{\"ip_literals\": \"pass\"}", false, false},
        {"{\"ip_literals\": \"deny\"}", true, true},
        {"{\"ip_literals\": \"deny\", \"allow\": [\"192.0.2.*\", \"[2001:db8::1]\"]}", false, false},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        struct module_fixture fixture = {0};
        cr_assert(fixture_open(&fixture, "server_list", cases[index].configuration));
        for (size_t literal = 0; literal < 4; literal++) {
            char event[512];
            snprintf(event, sizeof event, INVITE("%s", ":x.example"), literals[literal]);
            EXPECT_RULE(&fixture, federated_user_may_invite, event, cases[index].in_invites ? "ip_literals" : "");
            EXPECT_RULE(&fixture, check_event_for_spam, event, cases[index].in_invites ? "ip_literals" : "");
            snprintf(event, sizeof event, FROM("%s"), literals[literal]);
            EXPECT_RULE(&fixture, check_event_for_spam, event, cases[index].elsewhere ? "ip_literals" : "");
            snprintf(event, sizeof event, LOCAL_INVITE(":%s"), literals[literal]);
            EXPECT_RULE(&fixture, user_may_invite, event, cases[index].in_invites ? "ip_literals" : "");
            snprintf(event, sizeof event, JOIN(":%s"), literals[literal]);
            EXPECT_RULE(&fixture, user_may_join_room, event, cases[index].elsewhere ? "ip_literals" : "");
        }
        EXPECT_RULE(&fixture, federated_user_may_invite, INVITE("1.example", ":1.2.3.example"), "");
        EXPECT_RULE(&fixture, federated_user_may_invite, INVITE("192.0.2", ":x.example"), "");
        fixture_close(&fixture);
    }
}

Test(server_list, allow_only)
{
    struct module_fixture fixture = {.file_content = "more.example\n"};
    cr_assert(fixture_open(&fixture, "server_list",
                           "{\"mode\": \"allow_only\", \"allow\": [\"*.Good.example\"], \"allow_files\": \"f\"}"));
    EXPECT_RULE(&fixture, check_event_for_spam, FROM("x.example"), "allow_only");
    EXPECT_SLICE(fixture.outcome.result.reason, "the server is not on the list of those allowed");
    EXPECT_RULE(&fixture, check_event_for_spam, FROM("a.good.example:8448"), "");
    EXPECT_RULE(&fixture, check_event_for_spam, FROM("more.example"), "");
    EXPECT_RULE(&fixture, check_event_for_spam, FROM("example.org"), "");
    EXPECT_RULE(&fixture, user_may_join_room, JOIN(":example.org"), "");
    EXPECT_RULE(&fixture, user_may_join_room, JOIN(":x.example"), "allow_only");
    EXPECT_RULE(&fixture, user_may_join_room, JOIN("version12"), "");
    EXPECT_RULE(&fixture, check_event_for_spam, "{'content':{}}", "");
    fixture_close(&fixture);
    cr_assert(fixture_open(&fixture, "server_list", "{\"mode\": \"allow_only\", \"deny\": [\"x\"]}"));
    cr_expect(strstr(fixture.reports, "warning: mode: `deny` has no effect"), "%s", fixture.reports);
    cr_expect(strstr(fixture.reports, "warning: mode: `allow` is empty"), "%s", fixture.reports);
    fixture_close(&fixture);
}

Test(server_list, the_homeserver_and_whoever_leaves_pass)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "server_list", "{\"deny\": [\"*\"]}"));
    EXPECT_RULE(&fixture, check_event_for_spam, FROM("x.example"), "*");
    EXPECT_RULE(&fixture, check_event_for_spam, FROM("example.org"), "");
    EXPECT_RULE(&fixture, check_event_allowed, FROM("Example.ORG"), "");
    EXPECT_RULE(&fixture, user_may_join_room, JOIN(":example.org"), "");
    EXPECT_RULE(&fixture, should_drop_federated_event,
                "{'type':'m.room.member','sender':'@a:x','state_key':'@a:x','room_id':'!r:x',"
                "'content':{'membership':'leave'}}",
                "");
    EXPECT_RULE(&fixture, should_drop_federated_event,
                "{'type':'m.room.member','sender':'@a:x','state_key':'@b:x','room_id':'!r:x',"
                "'content':{'membership':'leave'}}",
                "*");
    fixture_close(&fixture);
    cr_assert_not(fixture_open(&fixture, "server_list", "{\"deny\": [\":8448\"]}"));
    cr_expect(strstr(fixture.reports, "deny[0]: has no server name before the port"), "%s", fixture.reports);
    fixture_close(&fixture);
}
