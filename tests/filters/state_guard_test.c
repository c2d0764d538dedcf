/* state_guard: who may change what, as far as the room's state is known, and how often. */
#include "filters/chain_state.h"
#include "tests/filters/question_fixture.h"

#define ALLOWED "{\"tuple\":[{\"bool\":true},{\"none\":true}]}"
#define REFUSED "{\"tuple\":[{\"bool\":false},{\"none\":true}]}"

#define CREATE "{'type':'m.room.create','state_key':'','sender':'@owner:x','content':{'creator':'@owner:x'}}"
#define CREATE_12                                                                                                      \
    "{'type':'m.room.create','state_key':'','sender':'@owner:x',"                                                      \
    "'content':{'room_version':'12','additional_creators':['@second:x']}}"
#define LEVELS                                                                                                         \
    "{'type':'m.room.power_levels','state_key':'','content':{'users':{'@owner:x':100,'@mod:x':50,'@old:x':'75'},"      \
    "'users_default':1}}"
#define TOPIC "{'type':'m.room.topic','state_key':'','content':{'topic':'first'}}"
#define ROOM "[" CREATE "," LEVELS "," TOPIC "]"

/* Whether `user` may set this, in a room with `state` (single quotes; NULL: not known); what stopped it is in the
 * fixture's outcome. */
static bool may(struct module_fixture *fixture, const char *user, const char *type_and_content, const char *state)
{
    char event[1024], json[2048], state_json[4096];
    snprintf(event, sizeof event, "{'room_id':'!r:x','state_key':'','sender':'%s',%s}", user, type_and_content);
    fixture_requote(event, json, sizeof json);
    if (state)
        fixture_requote(state, state_json, sizeof state_json);
    const char *answer = fixture_event_question(fixture, CALLBACK_check_event_allowed, json, state ? state_json : NULL);
    return strcmp(answer, ALLOWED) == 0;
}

#define NEW_TOPIC "'type':'m.room.topic','content':{'topic':'new'}"
#define OLD_TOPIC "'type':'m.room.topic','content':{'topic':'first'}"
#define NEW_NAME "'type':'m.room.name','content':{'name':'new'}"

Test(state_guard, rules_by_users_and_servers)
{
    for (int semantics = SEMANTICS_LATEST; semantics <= SEMANTICS_147; semantics++) {
        struct module_fixture fixture = {.semantics = (enum semantics)semantics};
        cr_assert(
            fixture_open_quoted(&fixture, "state_guard",
                                "{'rules':[{'name':'ours','types':['m.room.topic','m.widget/a*'],'users':['@good:x',"
                                "'@bot-*'],'servers':['Trusted.example']}]}"),
            "%s", fixture.reports);
        cr_expect(may(&fixture, "@good:x", NEW_TOPIC, NULL));
        cr_expect(may(&fixture, "@bot-1:x", NEW_TOPIC, NULL));
        cr_expect(may(&fixture, "@a:trusted.example:8448", NEW_TOPIC, NULL));
        cr_expect_not(may(&fixture, "@bad:x", NEW_TOPIC, NULL));
        EXPECT_SLICE(fixture.outcome.result.rule, "ours");
        EXPECT_SLICE(fixture.outcome.result.reason, "this user may not set this part of the state");
        cr_expect_not(may(&fixture, "@bad:x", NEW_TOPIC, ROOM));
        cr_expect(may(&fixture, "@bad:x", OLD_TOPIC, ROOM), "it changes nothing");
        cr_expect(may(&fixture, "@bad:x", NEW_NAME, ROOM));
        EXPECT_ANSWER(&fixture, check_event_allowed,
                      "{'type':'m.room.topic','sender':'@bad:x','content':{'topic':'no state'}}", ALLOWED);
        EXPECT_ANSWER(&fixture, check_event_allowed,
                      "{'type':'m.widget','state_key':'ab','sender':'@bad:x','content':{}}", REFUSED);
        EXPECT_ANSWER(&fixture, check_event_allowed,
                      "{'type':'m.widget','state_key':'b','sender':'@bad:x','content':{}}", ALLOWED);
        fixture_close(&fixture);
    }
}

#define SENDING(user, type)                                                                                            \
    "{'user_id':'" user "','room_id':'!r:x','event_type':'" type "','state_key':'','content':{'topic':'new'}}"

Test(state_guard, before_the_event_is_made)
{
    struct module_fixture fixture = {0};
    cr_assert(
        fixture_open_quoted(&fixture, "state_guard",
                            "{'rules':[{'types':'m.room.topic','users':'@good:x'},{'types':'m.room.name','power':50},"
                            "{'types':'m.room.avatar','action':'freeze'}],'code':'M_BAD_STATE'}"));
    EXPECT_RULE(&fixture, user_may_send_state_event, SENDING("@good:x", "m.room.topic"), "");
    EXPECT_RULE(&fixture, user_may_send_state_event, SENDING("@bad:x", "m.room.topic"), "m.room.topic");
    /* Power and what was there before are not known yet: check_event_allowed is asked next. */
    EXPECT_RULE(&fixture, user_may_send_state_event, SENDING("@bad:x", "m.room.name"), "");
    EXPECT_RULE(&fixture, user_may_send_state_event, SENDING("@bad:x", "m.room.avatar"), "");
    fixture_close(&fixture);
}

Test(state_guard, rules_by_power)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open_quoted(&fixture, "state_guard", "{'rules':[{'types':'m.room.*','power':75}]}"));
    cr_expect(may(&fixture, "@owner:x", NEW_TOPIC, ROOM));
    cr_expect(may(&fixture, "@old:x", NEW_TOPIC, ROOM), "a level as text");
    cr_expect_not(may(&fixture, "@mod:x", NEW_TOPIC, ROOM));
    EXPECT_SLICE(fixture.outcome.result.rule, "m.room.*");
    cr_expect_not(may(&fixture, "@nobody:x", NEW_NAME, ROOM));
    cr_expect(may(&fixture, "@nobody:x", NEW_NAME, NULL), "without the state nobody's power is known");
    cr_expect(may(&fixture, "@nobody:x", NEW_NAME, "[]"), "nor before there is any");
    /* No levels: the creator has 100, the others nothing. */
    cr_expect(may(&fixture, "@owner:x", NEW_NAME, "[" CREATE "]"));
    cr_expect_not(may(&fixture, "@mod:x", NEW_NAME, "[" CREATE "]"));
    /* Version 12: creators stand above all. */
    cr_expect(may(&fixture, "@second:x", NEW_NAME, "[" CREATE_12 "," LEVELS "]"));
    cr_expect_not(may(&fixture, "@second:x", NEW_NAME, ROOM));
    fixture_close(&fixture);
}

Test(state_guard, frozen_state_may_be_set_once)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open_quoted(
        &fixture, "state_guard",
        "{'rules':[{'types':['m.room.topic','m.room.name'],'action':'freeze','users':'@good:x','power':90}]}"));
    cr_expect(may(&fixture, "@mod:x", NEW_NAME, ROOM), "there is none yet");
    cr_expect_not(may(&fixture, "@mod:x", NEW_TOPIC, ROOM));
    EXPECT_SLICE(fixture.outcome.result.reason, "this part of the room's state is frozen");
    cr_expect(may(&fixture, "@mod:x", OLD_TOPIC, ROOM));
    cr_expect(may(&fixture, "@good:x", NEW_TOPIC, ROOM));
    cr_expect(may(&fixture, "@owner:x", NEW_TOPIC, ROOM));
    cr_expect(may(&fixture, "@mod:x", NEW_TOPIC, NULL));
    fixture_close(&fixture);
}

#define TOMBSTONE "'type':'m.room.tombstone','content':{'replacement_room':'!n:x','body':''}"
#define WEAK_ROOM                                                                                                      \
    "[" CREATE ",{'type':'m.room.power_levels','state_key':'','content':{'users':{'@mod:x':50,'@m:x':25}}}]"

Test(state_guard, old_rooms_are_protected)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open_quoted(&fixture, "state_guard", "{'protect':['tombstone','encryption','policy']}"));
    cr_expect(may(&fixture, "@owner:x", TOMBSTONE, ROOM));
    cr_expect_not(may(&fixture, "@mod:x", TOMBSTONE, ROOM));
    EXPECT_SLICE(fixture.outcome.result.rule, "protect");
    EXPECT_SLICE(fixture.outcome.result.reason, "protected: needs power 100, the user has 50");
    cr_expect(may(&fixture, "@mod:x", TOMBSTONE, WEAK_ROOM), "nobody has more");
    cr_expect_not(may(&fixture, "@m:x", TOMBSTONE, WEAK_ROOM));
    cr_expect_not(may(&fixture, "@mod:x", "'type':'m.room.encryption','content':{'algorithm':'a'}", ROOM));
    cr_expect_not(may(&fixture, "@mod:x", "'type':'org.matrix.msc4284.policy','content':{'via':'a'}", ROOM));
    cr_expect(may(&fixture, "@mod:x", "'type':'m.room.server_acl','content':{'allow':['*']}", ROOM));
    cr_expect(may(&fixture, "@mod:x", TOMBSTONE, NULL));
    /* While the room is made its creator has all the power there is. */
    cr_expect(may(&fixture, "@owner:x", "'type':'m.room.encryption','content':{'algorithm':'a'}", "[" CREATE "]"));
    fixture_close(&fixture);
}

#define MINUTE 60000

Test(state_guard, changes_keep_their_distance)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open_quoted(&fixture, "state_guard", "{'min_interval':'1m'}"));
    fixture.now_ms = 1000000;
    cr_expect(may(&fixture, "@mod:x", NEW_TOPIC, ROOM));
    fixture.now_ms += MINUTE - 1;
    cr_expect_not(may(&fixture, "@owner:x", NEW_TOPIC, ROOM));
    EXPECT_SLICE(fixture.outcome.result.rule, "min_interval");
    cr_expect(may(&fixture, "@owner:x", OLD_TOPIC, ROOM), "it changes nothing");
    cr_expect(may(&fixture, "@owner:x", NEW_NAME, ROOM), "each piece of state by itself");
    fixture.now_ms += 1;
    /* What is only going to be an event takes nothing. */
    EXPECT_RULE(&fixture, user_may_send_state_event, SENDING("@mod:x", "m.room.topic"), "");
    EXPECT_RULE(&fixture, user_may_send_state_event, SENDING("@mod:x", "m.room.topic"), "");
    cr_expect(may(&fixture, "@mod:x", NEW_TOPIC, ROOM));
    EXPECT_RULE(&fixture, user_may_send_state_event, SENDING("@mod:x", "m.room.topic"), "min_interval");
    EXPECT_ANSWER(&fixture, check_event_allowed,
                  "{'type':'m.room.topic','state_key':'','room_id':'!other:x','sender':'@a:x','content':{}}", ALLOWED);
    for (int time = 0; time < 2; time++)
        EXPECT_ANSWER(&fixture, check_event_allowed,
                      "{'type':'m.room.member','state_key':'@a:x','room_id':'!r:x','sender':'@a:x','content':{}}",
                      ALLOWED);
    /* The same event again is no other change. */
    for (int time = 0; time < 3; time++)
        EXPECT_ANSWER(&fixture, check_event_allowed,
                      "{'event_id':'$1','type':'m.a','state_key':'','room_id':'!r:x','sender':'@a:x','content':{}}",
                      ALLOWED);
    EXPECT_ANSWER(&fixture, check_event_allowed,
                  "{'event_id':'$2','type':'m.a','state_key':'','room_id':'!r:x','sender':'@a:x','content':{}}",
                  REFUSED);
    fixture_close(&fixture);
}

Test(state_guard, remembers_over_a_restart)
{
    struct module_fixture fixture = {0}, next = {0};
    struct chain_state_counts counts = {0};
    struct buffer snapshot = {0};
    const char *problem = NULL;
    cr_assert(fixture_open_quoted(&fixture, "state_guard", "{'min_interval':'1m'}"));
    cr_assert(fixture_open_quoted(&next, "state_guard", "{'min_interval':'1m'}"));
    fixture.now_ms = next.now_ms = 1000000;
    cr_expect(may(&fixture, "@mod:x", NEW_TOPIC, ROOM));
    chain_state_save(fixture.chain, &snapshot);
    cr_assert(chain_state_restore(next.chain, buffer_slice(&snapshot), &counts, &problem), "%s", problem);
    cr_expect_eq(counts.restored, 1);
    cr_expect_not(may(&next, "@mod:x", NEW_TOPIC, ROOM));
    cr_expect(may(&next, "@mod:x", NEW_NAME, ROOM));
    buffer_free(&snapshot);
    fixture_close(&fixture);
    fixture_close(&next);
}

Test(state_guard, faults_of_the_configuration)
{
    struct module_fixture fixture = {0};
    cr_expect_not(fixture_open_quoted(&fixture, "state_guard", "{'protect':['topic']}"));
    cr_expect_not_null(strstr(fixture.reports, "protect[0]: must be one of"), "%s", fixture.reports);
    fixture_close(&fixture);
    cr_expect_not(fixture_open_quoted(&fixture, "state_guard", "{'rules':[{'types':['a','']},{'users':['']}]}"));
    cr_expect_not_null(strstr(fixture.reports, "rules[0].types[1]: "), "%s", fixture.reports);
    cr_expect_not_null(strstr(fixture.reports, "rules[1].types: is empty"), "%s", fixture.reports);
    cr_expect_not_null(strstr(fixture.reports, "rules[1].users[0]: an empty entry"), "%s", fixture.reports);
    fixture_close(&fixture);
    cr_expect(fixture_open_quoted(&fixture, "state_guard", "{}"));
    cr_expect_str_eq(fixture.reports, "warning: : nothing is guarded: every change passes\n");
    fixture_close(&fixture);
}
