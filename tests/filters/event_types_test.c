/* What event_types catches, and that the stream row is enough for it. */
#include "tests/filters/question_fixture.h"

static bool denied(struct module_fixture *fixture, const char *type)
{
    struct event event = {.type = slice_from_string(type)};
    fixture->outcome = *judge_event(fixture->judge, &event, JUDGE_BOTH);
    return fixture->outcome.kind != OUTCOME_PASSED;
}

Test(event_types, judges_from_the_row)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "event_types",
                           "{\"deny\": [\"m.call.*\", \"org.bad\"], \"allow\": [\"m.call.hang?p\"]}"));
    cr_expect_not(chain_needs_body(fixture.chain));
    cr_expect(denied(&fixture, "m.call.invite"));
    EXPECT_SLICE(fixture.outcome.result.rule, "m.call.*");
    EXPECT_SLICE(fixture.outcome.result.value.text, "M_FORBIDDEN");
    EXPECT_SLICE(fixture.outcome.result.reason, "the event type is on the list");
    cr_expect(denied(&fixture, "org.bad"));
    cr_expect_not(denied(&fixture, "m.call.hangup"));
    cr_expect_not(denied(&fixture, "M.call.invite"));
    cr_expect_not(denied(&fixture, "org.bad.not"));
    cr_expect_not(denied(&fixture, "orgxbad"));
    cr_expect_not(denied(&fixture, ""));
    cr_expect_not(denied(&fixture, NULL));
    fixture_close(&fixture);
}

#define ALLOWED "{\"tuple\":[{\"bool\":true},{\"none\":true}]}"
#define REFUSED "{\"tuple\":[{\"bool\":false},{\"none\":true}]}"

Test(event_types, what_was_configured_before_asks_no_more)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open_quoted(&fixture, "event_types", "{'deny': ['m.room.*'], 'allow': ['m.room.name']}"));
    EXPECT_ANSWER(&fixture, check_event_allowed, "{'type': 'm.room.topic', 'state_key': ''}", ALLOWED);
    EXPECT_RULE(&fixture, check_event_for_spam, "{'type': 'm.room.topic', 'state_key': ''}", "m.room.*");
    EXPECT_RULE(&fixture, check_event_for_spam, "{'type': 'm.room.name', 'state_key': ''}", "");
    fixture_close(&fixture);
}

Test(event_types, state_keys)
{
    for (int semantics = SEMANTICS_LATEST; semantics <= SEMANTICS_147; semantics++) {
        struct module_fixture fixture = {.semantics = (enum semantics)semantics};
        cr_assert(fixture_open_quoted(
            &fixture, "event_types",
            "{'deny': ['m.room.member/@spam*', 'm.widget/*', 'odd/type'], 'allow': ['*/@spam-ok:*']}"));
        cr_expect_not(chain_needs_body(fixture.chain));
        EXPECT_RULE(&fixture, check_event_for_spam, "{'type': 'm.room.member', 'state_key': '@spam1:x'}",
                    "m.room.member/@spam*");
        EXPECT_ANSWER(&fixture, check_event_allowed, "{'type': 'm.room.member', 'state_key': '@spam1:x'}", REFUSED);
        EXPECT_ANSWER(&fixture, check_event_allowed, "{'type': 'm.room.member', 'state_key': '@spam-ok:x'}", ALLOWED);
        EXPECT_ANSWER(&fixture, check_event_allowed, "{'type': 'm.room.member', 'state_key': '@good:x'}", ALLOWED);
        EXPECT_RULE(&fixture, check_event_for_spam, "{'type': 'm.widget', 'state_key': ''}", "m.widget/*");
        EXPECT_RULE(&fixture, check_event_for_spam, "{'type': 'm.widget'}", "");
        EXPECT_RULE(&fixture, check_event_for_spam, "{'type': 'odd/type'}", "odd/type");
        if (semantics == SEMANTICS_LATEST) {
            EXPECT_RULE(
                &fixture, user_may_send_state_event,
                "{'user_id': '@a:x', 'room_id': '!r:x', 'event_type': 'm.widget', 'state_key': 'a', 'content': {}}",
                "m.widget/*");
            EXPECT_RULE(
                &fixture, user_may_send_state_event,
                "{'user_id': '@a:x', 'room_id': '!r:x', 'event_type': 'm.room.name', 'state_key': '', 'content': "
                "{}}",
                "");
        }
        fixture_close(&fixture);
    }
}

Test(event_types, sticky_events)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open_quoted(&fixture, "event_types", "{'sticky': 'deny', 'allow': 'm.rtc.member'}"));
    cr_expect(chain_needs_body(fixture.chain));
    EXPECT_RULE(&fixture, check_event_for_spam,
                "{'type': 'm.room.message', 'content': {}, 'sticky': {'duration_ms': 60000}}", "sticky");
    EXPECT_ANSWER(&fixture, check_event_allowed,
                  "{'type': 'm.room.message', 'content': {}, 'msc4354_sticky': {'duration_ms': 1}}", REFUSED);
    EXPECT_RULE(&fixture, check_event_for_spam, "{'type': 'a', 'st\\u0069cky': {'duration_ms': 60000}}", "sticky");
    EXPECT_RULE(&fixture, check_event_for_spam, "{'type': 'm.rtc.member', 'sticky': {'duration_ms': 1}}", "");
    EXPECT_RULE(&fixture, check_event_for_spam, "{'type': 'a', 'sticky': {'duration_ms': '60000'}}", "");
    EXPECT_RULE(&fixture, check_event_for_spam, "{'type': 'a', 'sticky': true}", "");
    EXPECT_RULE(&fixture, check_event_for_spam, "{'type': 'a', 'content': {'sticky': {'duration_ms': 1}}}", "");
    fixture_close(&fixture);
}

Test(event_types, encrypted_events)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open_quoted(&fixture, "event_types", "{'encrypted': 'deny', 'code': 'M_UNKNOWN'}"));
    cr_expect_not(chain_needs_body(fixture.chain));
    cr_expect(denied(&fixture, "m.room.encrypted"));
    EXPECT_RULE(&fixture, check_event_for_spam, "{'type': 'm.room.encrypted'}", "encrypted");
    EXPECT_SLICE(fixture.outcome.result.value.text, "M_UNKNOWN");
    EXPECT_ANSWER(&fixture, check_event_allowed, "{'type': 'm.room.encrypted'}", REFUSED);
    cr_expect_not(denied(&fixture, "m.room.encryption"));
    fixture_close(&fixture);
}

Test(event_types, malformed_events)
{
    static const char *const bad[] = {
        "{'type': 'm.room.message', 'content': {'body': 'a'}}",
        "{'type': 'm.room.message', 'content': {'msgtype': 'm.text'}}",
        "{'type': 'm.room.message', 'content': {'msgtype': 'm.text', 'body': 5}}",
        "{'type': 'm.room.message', 'content': {'msgtype': 'm.text', 'body': null}}",
        "{'type': 'm.room.message', 'content': {'msgtype': 'm.text', 'body': []}}",
        "{'type': 'm.room.message', 'content': {'msgtype': 'm.text', 'body': 'a', 'formatted_body': {'a': 1}}}",
        "{'type': 'm.room.message', 'content': {'msgtype': 'm.text', 'body': 'a', 'm.mentions': 'all'}}",
        "{'type': 'm.room.message', 'content': {'msgtype': 'm.text', 'body': 'a', 'm.relates_to': [1]}}",
        "{'type': 'm.reaction', 'content': {'key': 'a'}}",
        "{'type': 'm.room.member', 'state_key': '@a:b', 'content': {}}",
        "{'type': 'm.room.member', 'state_key': '@a:b', 'content': {'membership': 'join', 'displayname': 5}}",
        "{'type': 'm.room.server_acl', 'state_key': '', 'content': {'allow': '*'}}",
        "{'type': 'm.room.server_acl', 'state_key': '', 'content': {'allow_ip_literals': 'no'}}",
        "{'type': 'm.room.power_levels', 'state_key': '', 'content': {'users': [1]}}",
        "{'type': 'm.room.join_rules', 'state_key': '', 'content': {}}",
    };
    static const char *const good[] = {
        "{'type': 'm.room.message', 'content': {'msgtype': 'm.text', 'body': ''}}",
        "{'type': 'm.room.message', 'content': {'msgtype': 'org.own', 'body': 'a', 'info': {}, 'm.mentions': {}}}",
        "{'type': 'm.room.message', 'content': {}}",
        "{'type': 'm.reaction', 'content': {}}",
        "{'type': 'm.reaction', 'content': {'m.relates_to': {'key': 'a'}}}",
        "{'type': 'm.reaction', 'content': {'a': 1, 'm.relates_to': {}}}",
        "{'type': 'm.room.member', 'state_key': '@a:b', 'content': {'membership': 'join', 'displayname': null}}",
        "{'type': 'm.room.name', 'state_key': '', 'content': {}}",
        "{'type': 'm.room.server_acl', 'state_key': '', 'content': {'allow': [], 'allow_ip_literals': false}}",
        "{'type': 'org.unknown', 'content': {'body': 5, 'msgtype': []}}",
    };
    struct module_fixture fixture = {0};
    cr_assert(fixture_open_quoted(&fixture, "event_types", "{'malformed': 'deny'}"));
    for (size_t index = 0; index < sizeof bad / sizeof *bad; index++) {
        EXPECT_ANSWER(&fixture, check_event_allowed, bad[index], REFUSED);
        EXPECT_RULE(&fixture, check_event_for_spam, bad[index], "malformed");
    }
    EXPECT_SLICE(fixture.outcome.result.reason, "join_rule of the content is not a text");
    for (size_t index = 0; index < sizeof good / sizeof *good; index++)
        EXPECT_RULE(&fixture, check_event_for_spam, good[index], "");
    cr_expect_not(denied(&fixture, "m.room.message"), "without a body nothing is malformed");
    fixture_close(&fixture);
}
