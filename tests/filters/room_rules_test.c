/* What room_rules catches and what it must let pass. */
#include "tests/filters/question_fixture.h"

#define CREATE(user, config) "{'user_id':'" user "','room_config':" config "}"
#define ON_CREATE(user, config, admin)                                                                                 \
    "{'requester':{'user_id':'" user "'},'config':" config ",'is_requester_admin':" admin "}"

static void open_module(struct module_fixture *fixture, const char *configuration)
{
    cr_assert(fixture_open(fixture, "room_rules", configuration), "%s", fixture->reports);
}

Test(room_rules, names_topics_and_aliases)
{
    struct module_fixture fixture = {0};
    open_module(&fixture,
                "{\"name\": {\"deny\": [\"casino\"], \"allow\": [\"^Casino royale\"]}, \"topic\": \"buy now\", "
                "\"alias\": [\"^admin\"]}");
    EXPECT_RULE(&fixture, user_may_create_room, CREATE("@a:x", "{'name':'A CASINO'}"), "casino");
    EXPECT_SLICE(fixture.outcome.result.reason, "the room's name matches a pattern");
    EXPECT_RULE(&fixture, user_may_create_room, CREATE("@a:x", "{'name':'casino Royale fans'}"), "");
    EXPECT_RULE(&fixture, user_may_create_room, CREATE("@a:x", "{'topic':'Buy NOW!'}"), "buy now");
    EXPECT_RULE(&fixture, user_may_create_room, CREATE("@a:x", "{'room_alias_name':'admins'}"), "^admin");
    EXPECT_RULE(&fixture, user_may_create_room, CREATE("@a:x", "{'topic':'casino','name':'buy now'}"), "");
    EXPECT_RULE(&fixture, user_may_create_room, CREATE("@a:x", "{'name':7,'topic':null}"), "");
    EXPECT_RULE(&fixture, user_may_create_room,
                CREATE("@a:x", "{'initial_state':[{'type':'m.room.name','content':{'name':'casino'}}]}"), "casino");
    EXPECT_RULE(&fixture, user_may_create_room,
                CREATE("@a:x", "{'initial_state':[7,{'type':'m.room.topic','content':{'topic':'buy now'}}]}"),
                "buy now");
    EXPECT_RULE(&fixture, user_may_create_room,
                CREATE("@a:x", "{'initial_state':[{'type':'m.room.other','content':{'name':'casino'}}]}"), "");
    EXPECT_RULE(&fixture, user_may_create_room_alias, "{'user_id':'@a:x','room_alias':'#Admin:x'}", "^admin");
    EXPECT_RULE(&fixture, user_may_create_room_alias, "{'user_id':'@a:x','room_alias':'#noadmin:admin'}", "");
    EXPECT_RULE(&fixture, user_may_create_room_alias, "{'user_id':'@a:x','room_alias':''}", "");
    fixture_close(&fixture);
}

Test(room_rules, who_may_make_and_publish)
{
    struct module_fixture fixture = {0};
    open_module(&fixture, "{\"creators\": [\"@staff-*:x\", \"@boss:x\"], \"publishers\": [\"@boss:x\"]}");
    EXPECT_RULE(&fixture, user_may_create_room, CREATE("@a:x", "{}"), "creators");
    EXPECT_SLICE(fixture.outcome.result.evidence, "@a:x");
    EXPECT_RULE(&fixture, user_may_create_room, CREATE("@Staff-1:x", "{}"), "");
    EXPECT_RULE(&fixture, user_may_create_room, CREATE("@staff-1:x", "{'visibility':'public'}"), "publishers");
    EXPECT_RULE(&fixture, user_may_create_room, CREATE("@boss:x", "{'visibility':'public'}"), "");
    EXPECT_RULE(&fixture, user_may_publish_room, "{'user_id':'@staff-1:x','room_id':'!r:x'}", "publishers");
    EXPECT_RULE(&fixture, user_may_publish_room, "{'user_id':'@boss:x','room_id':'!r:x'}", "");
    EXPECT_RULE(&fixture, on_create_room, ON_CREATE("@a:x", "{}", "false"), "creators");
    EXPECT_RULE(&fixture, on_create_room, ON_CREATE("@a:x", "{}", "true"), "");
    EXPECT_RULE(&fixture, on_create_room, ON_CREATE("@boss:x", "{}", "false"), "");
    fixture_close(&fixture);
}

Test(room_rules, presets_and_versions)
{
    struct module_fixture fixture = {0};
    open_module(&fixture, "{\"presets\": [\"private_chat\", \"trusted_private_chat\"], \"versions\": [\"1?\"]}");
    EXPECT_RULE(&fixture, user_may_create_room, CREATE("@a:x", "{'preset':'public_chat'}"), "presets");
    EXPECT_RULE(&fixture, user_may_create_room, CREATE("@a:x", "{'visibility':'public'}"), "presets");
    EXPECT_SLICE(fixture.outcome.result.evidence, "public_chat");
    EXPECT_RULE(&fixture, user_may_create_room, CREATE("@a:x", "{'preset':'private_chat','visibility':'public'}"), "");
    EXPECT_RULE(&fixture, user_may_create_room, CREATE("@a:x", "{}"), "");
    EXPECT_RULE(&fixture, user_may_create_room, CREATE("@a:x", "{'room_version':'9'}"), "versions");
    EXPECT_RULE(&fixture, user_may_create_room, CREATE("@a:x", "{'room_version':'12'}"), "");
    EXPECT_RULE(&fixture, user_may_create_room, CREATE("@a:x", "{'creation_content':{'room_version':'9'}}"),
                "versions");
    fixture_close(&fixture);
    open_module(&fixture, "{\"presets\": \"public_chat\"}");
    EXPECT_RULE(&fixture, user_may_create_room, CREATE("@a:x", "{}"), "presets");
    EXPECT_RULE(&fixture, user_may_create_room, CREATE("@a:x", "{'creation_content':{'predecessor':{}}}"), "");
    fixture_close(&fixture);
}

Test(room_rules, invitees_and_encryption)
{
    struct module_fixture fixture = {0};
    open_module(&fixture, "{\"max_invitees\": 2, \"require_encryption\": true}");
#define ENCRYPTED "'initial_state':[{'type':'m.room.encryption','content':{'algorithm':'a'}}]"
    EXPECT_RULE(&fixture, user_may_create_room, CREATE("@a:x", "{'invite':['@b:x','@c:x']," ENCRYPTED "}"), "");
    EXPECT_RULE(&fixture, user_may_create_room,
                CREATE("@a:x", "{'invite':['@b:x','@c:x'],'invite_3pid':[{}]," ENCRYPTED "}"), "max_invitees");
    EXPECT_SLICE(fixture.outcome.result.evidence, "3");
    EXPECT_RULE(&fixture, user_may_create_room, CREATE("@a:x", "{'invite':['@b:x']}"), "require_encryption");
    EXPECT_RULE(&fixture, user_may_create_room, CREATE("@a:x", "{'initial_state':{}}"), "require_encryption");
    fixture_close(&fixture);
}

Test(room_rules, every_callback_refuses_in_its_own_way)
{
    static const char *const configuration =
        "{\"creators\": [\"@b:x\"], \"publishers\": [\"@b:x\"], \"alias\": \"a\", \"code\": \"M_UNKNOWN\"}";
    struct module_fixture fixture = {0};
    open_module(&fixture, configuration);
#define CODE "{\"code\":\"M_UNKNOWN\",\"fields\":{}}"
#define RAISED                                                                                                         \
    "{\"raise\":{\"type\":\"SynapseError\",\"code\":403,\"errcode\":\"M_UNKNOWN\",\"msg\":\"refused by a module\"}}"
    EXPECT_ANSWER(&fixture, user_may_create_room, CREATE("@a:x", "{}"), CODE);
    EXPECT_ANSWER(&fixture, user_may_create_room_alias, "{'user_id':'@b:x','room_alias':'#a:x'}", CODE);
    EXPECT_ANSWER(&fixture, user_may_publish_room, "{'user_id':'@a:x','room_id':'!r:x'}", CODE);
    EXPECT_ANSWER(&fixture, on_create_room, ON_CREATE("@a:x", "{}", "false"), RAISED);
    fixture_close(&fixture);
    fixture.semantics = SEMANTICS_147;
    open_module(&fixture, configuration);
    EXPECT_ANSWER(&fixture, user_may_create_room, CREATE("@a:x", "{}"), "{\"bool\":false}");
    EXPECT_ANSWER(&fixture, user_may_create_room_alias, "{'user_id':'@b:x','room_alias':'#a:x'}", "{\"bool\":false}");
    EXPECT_ANSWER(&fixture, user_may_publish_room, "{'user_id':'@a:x','room_id':'!r:x'}", "{\"bool\":false}");
    EXPECT_ANSWER(&fixture, on_create_room, ON_CREATE("@a:x", "{}", "false"), RAISED);
    fixture_close(&fixture);
}

Test(room_rules, nothing_by_default_and_faults_are_told)
{
    struct module_fixture fixture = {0};
    open_module(&fixture, "{}");
    EXPECT_RULE(&fixture, user_may_create_room,
                CREATE("@a:x", "{'name':'n','topic':'t','room_alias_name':'l','preset':'public_chat','room_version':"
                               "'1','visibility':'public','invite':['@b:x']}"),
                "");
    EXPECT_RULE(&fixture, user_may_publish_room, "{'user_id':'@a:x','room_id':'!r:x'}", "");
    EXPECT_RULE(&fixture, user_may_create_room_alias, "{'user_id':'@a:x','room_alias':'#l:x'}", "");
    fixture_close(&fixture);
    cr_assert_not(fixture_open(&fixture, "room_rules", "{\"name\": \"(\", \"creators\": [\"\"], \"max_invitees\": 1}"));
    cr_expect_not_null(strstr(fixture.reports, "name.deny[0]: "), "%s", fixture.reports);
    cr_expect_not_null(strstr(fixture.reports, "creators[0]: "), "%s", fixture.reports);
    fixture_close(&fixture);
    cr_assert_not(fixture_open(&fixture, "room_rules", "{\"max_invitees\": 1001}"));
    fixture_close(&fixture);
}

Test(room_rules, how_many_rooms_a_user_may_make)
{
    struct module_fixture fixture = {0};
    open_module(&fixture, "{\"rate\": \"2/h\", \"name\": [\"casino\"]}");
    uint32_t index;
    cr_expect(chain_concurrent(fixture.chain, &index), "no replay asks it");
    fixture.now_ms = 1700000000000;
    for (int count = 0; count < 2; count++) {
        EXPECT_RULE(&fixture, user_may_create_room, CREATE("@a:x", "{'name':'casino'}"), "casino");
        EXPECT_RULE(&fixture, user_may_create_room, CREATE("@a:x", "{}"), "");
        EXPECT_RULE(&fixture, on_create_room, ON_CREATE("@a:x", "{}", "false"), "");
        EXPECT_RULE(&fixture, user_may_create_room_alias, "{'user_id':'@a:x','room_alias':'#a:x'}", "");
        EXPECT_RULE(&fixture, user_may_publish_room, "{'user_id':'@a:x','room_id':'!r:x'}", "");
    }
    EXPECT_RULE(&fixture, user_may_create_room, CREATE("@a:x", "{}"), "rate");
    EXPECT_SLICE(fixture.outcome.result.reason, "more than 2 at once and then 2/h");
    EXPECT_SLICE(fixture.outcome.result.evidence, "@a:x");
    EXPECT_RULE(&fixture, on_create_room, ON_CREATE("@a:x", "{}", "false"), "");
    EXPECT_RULE(&fixture, user_may_create_room, CREATE("@b:x", "{}"), "");
    fixture.now_ms += 1800000;
    EXPECT_RULE(&fixture, user_may_create_room, CREATE("@a:x", "{}"), "");
    EXPECT_RULE(&fixture, user_may_create_room, CREATE("@a:x", "{}"), "rate");
    fixture_close(&fixture);
}
