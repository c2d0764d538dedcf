/* What room_list catches and what it must let pass. */
#include "tests/filters/question_fixture.h"

#define MESSAGE(room) "{'type':'m.room.message','sender':'@a:x','room_id':'" room "','content':{}}"
#define MEMBER(membership)                                                                                             \
    "{'type':'m.room.member','sender':'@a:x','state_key':'@b:x','room_id':'!bad:x','content':{'membership':"           \
    "'" membership "'}}"

/* Every callback of the module, each asked about !bad:x. */
static const struct {
    enum callback callback;
    const char *denied;
    const char *latest, *old; /* NULL: the callback did not exist */
} callbacks[] = {
#define CODE "{\"code\":\"M_UNKNOWN\",\"fields\":{}}"
    {CALLBACK_check_event_for_spam, MESSAGE("!bad:x"), CODE, "{\"bool\":true}"},
    {CALLBACK_user_may_join_room, "{'user_id':'@a:x','room_id':'!bad:x','is_invited':false}", CODE, "{\"bool\":false}"},
    {CALLBACK_user_may_invite, "{'inviter':'@a:x','invitee':'@b:x','room_id':'!bad:x'}", CODE, "{\"bool\":false}"},
    {CALLBACK_federated_user_may_invite, MEMBER("invite"), CODE, NULL},
    {CALLBACK_user_may_publish_room, "{'user_id':'@a:x','room_id':'!bad:x'}", CODE, "{\"bool\":false}"},
    {CALLBACK_check_visibility_can_be_modified, "{'room_id':'!bad:x','state':[],'new_visibility':'public'}",
     "{\"bool\":false}", "{\"bool\":false}"},
    {CALLBACK_user_may_send_state_event,
     "{'user_id':'@a:x','room_id':'!bad:x','event_type':'t','state_key':'','content':{}}", CODE, NULL},
};

Test(room_list, every_callback_refuses_in_its_own_way)
{
    cr_expect_eq(module_find("room_list")->callback_count, sizeof callbacks / sizeof *callbacks);
    for (int semantics = SEMANTICS_LATEST; semantics <= SEMANTICS_147; semantics++) {
        struct module_fixture fixture = {.semantics = (enum semantics)semantics};
        cr_assert(fixture_open(&fixture, "room_list", "{\"deny\": [\"!bad:x\"], \"code\": \"M_UNKNOWN\"}"));
        for (size_t index = 0; index < sizeof callbacks / sizeof *callbacks; index++) {
            const char *name = callback_definitions[callbacks[index].callback].name;
            const char *expected = semantics == SEMANTICS_147 ? callbacks[index].old : callbacks[index].latest;
            if (!expected)
                continue;
            const char *answer = fixture_question(&fixture, callbacks[index].callback, callbacks[index].denied);
            cr_expect_str_eq(answer, expected, "%s: %s", name, answer);
            EXPECT_SLICE(fixture.outcome.result.rule, "!bad:x");
            EXPECT_SLICE(fixture.outcome.result.reason, "the room is on the list");
            char other[512];
            snprintf(other, sizeof other, "%s", callbacks[index].denied);
            memcpy(strstr(other, "!bad"), "!Bad", 4);
            fixture_question(&fixture, callbacks[index].callback, other);
            cr_expect_eq(fixture.outcome.kind, OUTCOME_PASSED, "%s", name);
        }
        fixture_close(&fixture);
    }
}

Test(room_list, globs_files_and_allow)
{
    struct module_fixture fixture = {.file_content = "!listed\n!good*:evil.example\n"};
    cr_assert(
        fixture_open(&fixture, "room_list", "{\"deny\": [\"*:evil.example\", \"!listed\"], \"allow_files\": \"f\"}"));
    EXPECT_RULE(&fixture, check_event_for_spam, MESSAGE("!r:evil.example"), "*:evil.example");
    EXPECT_SLICE(fixture.outcome.result.reason, "the room matches a pattern on the list");
    EXPECT_RULE(&fixture, check_event_for_spam, MESSAGE("!good1:evil.example"), "");
    EXPECT_RULE(&fixture, check_event_for_spam, MESSAGE("!listed"), "");
    EXPECT_RULE(&fixture, check_event_for_spam, MESSAGE("!other:x"), "");
    EXPECT_RULE(&fixture, check_event_for_spam, "{'content':{}}", "");
    fixture_close(&fixture);
}

Test(room_list, judges_from_the_row)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "room_list", "{\"deny\": [\"!bad:x\"]}"));
    struct event event = {.type = SLICE("m.room.message"), .room_id = SLICE("!bad:x")};
    cr_expect_eq(judge_event(fixture.judge, &event, JUDGE_BOTH)->kind, OUTCOME_DENIED);
    event.room_id = SLICE("!other:x");
    cr_expect_eq(judge_event(fixture.judge, &event, JUDGE_BOTH)->kind, OUTCOME_PASSED);
    event = (struct event){.type = SLICE("m.room.member"), .room_id = SLICE("!bad:x"), .membership = SLICE("leave")};
    cr_expect_eq(judge_event(fixture.judge, &event, JUDGE_BOTH)->kind, OUTCOME_PASSED);
    cr_expect_not(chain_needs_body(fixture.chain));
    fixture_close(&fixture);
}

Test(room_list, people_get_out)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "room_list", "{\"deny\": [\"!bad:x\"]}"));
    EXPECT_RULE(&fixture, check_event_for_spam, MEMBER("leave"), "");
    EXPECT_RULE(&fixture, check_event_for_spam, MEMBER("join"), "!bad:x");
    EXPECT_RULE(&fixture, check_event_for_spam, MEMBER("ban"), "!bad:x");
    fixture_close(&fixture);
}

Test(room_list, allow_only_lets_private_rooms_be_made)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "room_list", "{\"mode\": \"allow_only\", \"allow\": [\"!good:x\"]}"));
    EXPECT_RULE(&fixture, user_may_join_room, "{'user_id':'@a:x','room_id':'!good:x','is_invited':false}", "");
    EXPECT_RULE(&fixture, user_may_join_room, "{'user_id':'@a:x','room_id':'!new','is_invited':false}", "allow_only");
    EXPECT_SLICE(fixture.outcome.result.reason, "the room is not on the list of those allowed");
    EXPECT_RULE(&fixture, check_visibility_can_be_modified, "{'room_id':'!new','state':[],'new_visibility':'private'}",
                "");
    EXPECT_RULE(&fixture, check_visibility_can_be_modified, "{'room_id':'!new','state':[],'new_visibility':null}", "");
    EXPECT_RULE(&fixture, check_visibility_can_be_modified, "{'room_id':'!new','state':[],'new_visibility':'public'}",
                "allow_only");
    EXPECT_RULE(&fixture, check_visibility_can_be_modified,
                "{'room_id':'!good:x','state':[],'new_visibility':'public'}", "");
    fixture_close(&fixture);
}
