/* Every kind of answer that a script can give, and what it becomes. */
#include "tests/filters/lua_fixture.h"

Test(lua_answer, plain_values)
{
    EXPECT_RETURNS("", "{'none':true}");
    EXPECT_RETURNS("return nil", "{'none':true}");
    EXPECT_RETURNS("return true", "{'bool':true}");
    EXPECT_RETURNS("return 7", "{'int':7}");
    EXPECT_RETURNS("return 7.5", "{'float':7.5}");
    EXPECT_RETURNS("return 'M_FORBIDDEN'", "{'str':'M_FORBIDDEN'}");
    EXPECT_RETURNS("return ALL", "{'str':'ALL'}");
    EXPECT_RETURNS("return print", "{'callable':true}");
    EXPECT_FAILS("return 1/0", "infinite or no number");
    EXPECT_FAILS("return '\\xff'", "not UTF-8");
}

Test(lua_answer, constants)
{
    EXPECT_RETURNS("return NOT_SPAM", "'NOT_SPAM'");
    EXPECT_RETURNS("return ALLOW", "{'behaviour':'ALLOW'}");
    EXPECT_RETURNS("return DENY", "{'behaviour':'DENY'}");
    EXPECT_RETURNS("return SHADOW_BAN", "{'behaviour':'SHADOW_BAN'}");
    EXPECT_RETURNS("return pass", "pass");
    EXPECT_RETURNS("return tostring(NOT_SPAM) .. tostring(pass)", "{'str':'NOT_SPAMpass'}");
}

Test(lua_answer, codes)
{
    EXPECT_RETURNS("return code('M_FORBIDDEN')", "{'code':'M_FORBIDDEN','fields':{}}");
    EXPECT_RETURNS("return code('M_LIMIT_EXCEEDED', {retry_after_ms = 10, a = {1, 2}})",
                   "{'code':'M_LIMIT_EXCEEDED','fields':{'a':[1,2],'retry_after_ms':10}}");
    EXPECT_RETURNS("return refuse()", "refuse ");
    EXPECT_RETURNS("return refuse('M_UNKNOWN')", "refuse M_UNKNOWN");
    EXPECT_FAILS("return code('M_FORBIDEN')", "did you mean `M_FORBIDDEN`?");
    EXPECT_FAILS("return code('XYZ')", "`XYZ` is no Matrix error code");
    EXPECT_FAILS("return code('M_FORBIDDEN', {1})", "fields of an answer are a list");
    EXPECT_FAILS("return refuse('M_FORBIDDEN', {f = print})", "function has no place in JSON");
}

Test(lua_answer, containers)
{
    EXPECT_RETURNS("return 1, 'a', nil", "{'tuple':[{'int':1},{'str':'a'},{'none':true}]}");
    EXPECT_RETURNS("return tuple(true, nil)", "{'tuple':[{'bool':true},{'none':true}]}");
    EXPECT_RETURNS("return tuple()", "{'tuple':[]}");
    EXPECT_RETURNS("return {1, 'b', {}}", "{'list':[{'int':1},{'str':'b'},{'dict':{}}]}");
    EXPECT_RETURNS("return {z = 1, a = 2}", "{'dict':{'a':{'int':2},'z':{'int':1}}}");
    EXPECT_RETURNS("return {}", "{'dict':{}}");
    EXPECT_RETURNS("return weir.array{}", "{'list':[]}");
    EXPECT_RETURNS("return {weir.null}", "{'list':[{'none':true}]}");
    EXPECT_RETURNS("return set{'a', 'b', 'a', 1, 1, true, true}", "{'set':['a','b',{'int':1},{'bool':true}]}");
    EXPECT_RETURNS("return set{}", "{'set':[]}");
    EXPECT_FAILS("return set{{}}", "a set holds texts");
    EXPECT_FAILS("return {1, 2, x = 3}", "both a list's items and other keys");
    EXPECT_FAILS("return {[1.5] = 3}", "a table has a number as a key");
    EXPECT_FAILS("local t = {} t.t = t return t", "nested above 32 levels");
    EXPECT_FAILS("local t = {} t[1] = t return code('M_UNKNOWN', {t = t})", "nested above 64 levels");
}

Test(lua_answer, limits_and_overrides)
{
    struct lua_fixture fixture = {0};
    lua_fixture_open(&fixture, "function get_media_upload_limits_for_user(user)\n"
                               "  if user == '@none:x' then return weir.array{} end\n"
                               "  return {limit(100, 1000), limit(5, 2000)} end\n"
                               "function get_ratelimit_override_for_user(user, limiter) return override(0.5, 10) end\n"
                               "function on_media_upload_limit_exceeded(user, limit, sent, attempted)\n"
                               "  print(user, limit.max_bytes, limit.time_period_ms, sent, attempted) end");
    EXPECT_TEXT(lua_fixture_ask(&fixture, "get_media_upload_limits_for_user", "{\"user_id\":\"@a:x\"}"),
                "{'list':[{'limit':[100,1000]},{'limit':[5,2000]}]}");
    cr_expect_eq(fixture.outcome.result.value.items[0].limit.time_period_ms, 2000);
    EXPECT_TEXT(lua_fixture_ask(&fixture, "get_media_upload_limits_for_user", "{\"user_id\":\"@none:x\"}"),
                "{'list':[]}");
    EXPECT_TEXT(lua_fixture_ask(&fixture, "get_ratelimit_override_for_user",
                                "{\"user_id\":\"@a:x\",\"limiter_name\":\"rc_invites.per_user\"}"),
                "{'override':[0.5,10]}");
    lua_fixture_log[0] = '\0';
    lua_fixture_ask(&fixture, "on_media_upload_limit_exceeded",
                    "{\"user_id\":\"@a:x\",\"limit\":{\"max_bytes\":9,\"time_period_ms\":8},\"sent_bytes\":7,"
                    "\"attempted_bytes\":6}");
    cr_expect_str_eq(lua_fixture_log, "info: @a:x 9 8 7 6\n");
    lua_fixture_close(&fixture);
    EXPECT_FAILS("return limit(-1, 5)", "must not be negative");
    EXPECT_FAILS("return override('x', 5)", "number expected");
}

Test(lua_answer, errors)
{
    EXPECT_RETURNS("raise{status = 429, errcode = 'M_LIMIT_EXCEEDED', msg = 'slow', fields = {retry = 1}}",
                   "{'raise':{'type':'SynapseError','code':429,'errcode':'M_LIMIT_EXCEEDED','msg':'slow','fields':{"
                   "'retry':1}}}");
    EXPECT_RETURNS("raise{}", "{'raise':{'type':'SynapseError','code':403,'errcode':'M_FORBIDDEN','msg':'refused by a "
                              "script'}}");
    EXPECT_RETURNS("local good, e = pcall(raise, {msg = 'm'}) error(e)",
                   "{'raise':{'type':'SynapseError','code':403,'errcode':'M_FORBIDDEN','msg':'m'}}");
    EXPECT_FAILS("raise{status = 200}", "HTTP status from 400 to 599");
    EXPECT_FAILS("raise{message = 'x'}", "raise does not know `message`");
    EXPECT_FAILS("raise{msg = 5}", "msg of raise must be a text");
    EXPECT_FAILS("raise{msg = '\\xff'}", "cannot be read");
    EXPECT_FAILS("local x = nil; return x.y", "t.lua:1: attempt to index a nil value (local 'x')");
    EXPECT_FAILS("error('mine', 0)", "mine");
    EXPECT_FAILS("error({code = 5})", "raised an error that is a table");
    EXPECT_FAILS("error(setmetatable({}, {__tostring = function() while true do end end}))", "error that is a table");
}

Test(lua_answer, errors_name_the_line_and_are_logged_and_counted)
{
    struct lua_fixture fixture = {0};
    lua_fixture_open(&fixture, "function check_event_for_spam(event)\n\n  return event.content.a.b.c\nend");
    lua_fixture_log[0] = '\0';
    const char *expected = "t.lua:3: attempt to index a nil value (field 'a')";
    cr_expect(strstr(lua_fixture_judge(&fixture, "{}"), expected));
    cr_expect_eq(fixture.outcome.kind, OUTCOME_FAILED);
    cr_expect_eq(fixture.outcome.result.value.raised->kind, RAISED_OTHER);
    EXPECT_SLICE_EQUAL(fixture.outcome.result.value.raised->text, expected);
    cr_expect_eq(chain_module_counts(fixture.chain, 0).raised, 1);
    cr_expect(strstr(lua_fixture_log, expected), "%s", lua_fixture_log);
    lua_fixture_close(&fixture);
}

Test(lua_answer, replacement_of_the_event)
{
    struct lua_fixture fixture = {0};
    lua_fixture_open(&fixture, "function check_event_allowed(event, state)\n"
                               "  local body = event.content.body\n"
                               "  if body == 'deny' then return false end\n"
                               "  if body == 'pass' then return true end\n"
                               "  if body == 'none' then return end\n"
                               "  local content = weir.copy(event.content)\n"
                               "  content.body = body:upper()\n"
                               "  return true, replace{content = content}\n"
                               "end");
    static const struct {
        const char *body;
        const char *answer;
        enum outcome_kind outcome;
    } cases[] = {
        {"deny", "{'tuple':[{'bool':false},{'none':true}]}", OUTCOME_DENIED},
        {"pass", "{'tuple':[{'bool':true},{'none':true}]}", OUTCOME_PASSED},
        {"none", "{'none':true}", OUTCOME_FAILED},
        {"loud", NULL, OUTCOME_CHANGED},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        char arguments[200];
        snprintf(
            arguments, sizeof arguments,
            "{\"event\":{\"type\":\"m.room.message\",\"sender\":\"@a:b\",\"content\":{\"body\":\"%s\",\"n\":[1]}}}",
            cases[index].body);
        const char *answer = lua_fixture_ask(&fixture, "check_event_allowed", arguments);
        cr_expect_eq(fixture.outcome.kind, cases[index].outcome, "%s: %d", cases[index].body, fixture.outcome.kind);
        if (cases[index].answer)
            EXPECT_TEXT(answer, cases[index].answer);
    }
    const struct value *pair = &fixture.outcome.result.value;
    cr_assert_eq(pair->count, 2);
    cr_assert_eq(pair->items[1].kind, VALUE_EVENT);
    char *json = json_dumps(pair->items[1].object, JSON_SORT_KEYS | JSON_COMPACT);
    cr_expect_str_eq(json, "{\"content\":{\"body\":\"LOUD\",\"n\":[1]}}");
    free(json);
    lua_fixture_close(&fixture);
}

Test(lua_answer, reasons)
{
    struct lua_fixture fixture = {0};
    lua_fixture_open(&fixture, "function check_event_for_spam(event)\n"
                               "  if event.content.bad then reason('it is bad', 'rule 1') return refuse() end\n"
                               "  if event.content.worse then reason('unused') error('x') end\n"
                               "  return pass\n"
                               "end");
    lua_fixture_judge(&fixture, "{\"bad\":true}");
    EXPECT_SLICE_EQUAL(fixture.reason, "it is bad");
    EXPECT_SLICE_EQUAL(fixture.rule, "rule 1");
    EXPECT_SLICE_EQUAL(fixture.outcome.result.reason, "it is bad");
    cr_expect_eq(fixture.outcome.kind, OUTCOME_DENIED);
    lua_fixture_judge(&fixture, "{\"worse\":true}");
    cr_expect_not(slice_present(fixture.reason));
    lua_fixture_judge(&fixture, "{}");
    cr_expect_not(slice_present(fixture.reason));
    cr_expect_eq(fixture.outcome.kind, OUTCOME_PASSED);
    lua_fixture_close(&fixture);
}

#define STATE(user, ts)                                                                                                \
    "{\"user_id\":\"" user "\",\"state\":\"online\",\"last_active_ts\":" ts                                            \
    ",\"last_federation_update_ts\":0,\"last_user_sync_ts\":0,\"status_msg\":null,\"currently_active\":true}"

Test(lua_answer, presence)
{
    struct lua_fixture fixture = {0};
    lua_fixture_open(&fixture,
                     "function get_users_for_states(states)\n"
                     "  local mine = {}\n"
                     "  for i, state in ipairs(states) do\n"
                     "    if state.currently_active and state.last_active_ts > 5 then mine[#mine + 1] = state end\n"
                     "  end\n"
                     "  mine[#mine + 1] = mine[1]\n"
                     "  return {['@watcher:x'] = set(mine)}\n"
                     "end\n"
                     "function get_interested_users(user)\n"
                     "  if user == '@all:x' then return ALL end\n"
                     "  return set{'@b:x', '@c:x', '@b:x'}\n"
                     "end");
    lua_fixture_ask(&fixture, "get_users_for_states",
                    "{\"state_updates\":[" STATE("@a:x", "7") "," STATE("@b:x", "3") "," STATE("@c:x", "8") "]}");
    const struct value *users = &fixture.outcome.result.value;
    cr_assert_eq(users->kind, VALUE_DICT);
    cr_assert_eq(users->count, 1);
    EXPECT_SLICE_EQUAL(users->items[0].text, "@watcher:x");
    cr_assert_eq(users->items[1].kind, VALUE_SET);
    cr_assert_eq(users->items[1].count, 2);
    EXPECT_SLICE_EQUAL(users->items[1].items[0].state->user_id, "@a:x");
    EXPECT_SLICE_EQUAL(users->items[1].items[1].state->user_id, "@c:x");
    cr_expect_eq(users->items[1].items[1].state->last_active_ts, 8);
    cr_expect(users->items[1].items[1].state->currently_active);
    EXPECT_TEXT(lua_fixture_ask(&fixture, "get_interested_users", "{\"user_id\":\"@a:x\"}"), "{'set':['@b:x','@c:x']}");
    EXPECT_TEXT(lua_fixture_ask(&fixture, "get_interested_users", "{\"user_id\":\"@all:x\"}"), "{'str':'ALL'}");
    lua_fixture_close(&fixture);
    EXPECT_RETURNS("return presence{user_id = '@a:x', state = 'busy', status_msg = 'hi'}.status_msg", "{'str':'hi'}");
    EXPECT_FAILS("return presence{user_id = '@a:x'}", "a presence state has no state");
    EXPECT_FAILS("return presence{user_id = '@a:x', state = 'x', last_active_ts = 'y'}", "no whole number");
}

Test(lua_answer, registration)
{
    struct lua_fixture fixture = {0};
    lua_fixture_open(&fixture, "function check_registration_for_spam(email, username, request_info, provider)\n"
                               "  if email and email.address:match('@(.*)$') == 'bad.example' then return DENY end\n"
                               "  if request_info[1][2] == '1.2.3.4' then return SHADOW_BAN end\n"
                               "  return ALLOW\n"
                               "end");
    EXPECT_TEXT(lua_fixture_ask(&fixture, "check_registration_for_spam",
                                "{\"email_threepid\":{\"address\":\"a@bad.example\"},\"request_info\":[]}"),
                "{'behaviour':'DENY'}");
    cr_expect_eq(fixture.outcome.kind, OUTCOME_DENIED);
    EXPECT_TEXT(lua_fixture_ask(&fixture, "check_registration_for_spam",
                                "{\"email_threepid\":null,\"request_info\":[[\"agent\",\"1.2.3.4\"]]}"),
                "{'behaviour':'SHADOW_BAN'}");
    EXPECT_TEXT(lua_fixture_ask(&fixture, "check_registration_for_spam",
                                "{\"username\":\"u\",\"request_info\":[[null,\"4.3.2.1\"]]}"),
                "{'behaviour':'ALLOW'}");
    lua_fixture_close(&fixture);
}

Test(lua_answer, on_create_room_edits_the_request)
{
    struct lua_fixture fixture = {0};
    lua_fixture_open(&fixture, "function on_create_room(requester, config, is_admin)\n"
                               "  if config.visibility == 'public' and not is_admin then raise{msg = 'no'} end\n"
                               "  config.name = requester.user_id .. \"'s room\"\n"
                               "  config.topic = nil\n"
                               "  config.initial_state[#config.initial_state + 1] = {type = 'x', content = {}}\n"
                               "  return false\n"
                               "end");
    lua_fixture_ask(
        &fixture, "on_create_room",
        "{\"requester\":{\"user_id\":\"@a:x\"},\"config\":{\"topic\":\"t\",\"invite\":[],\"room_alias_name\":"
        "null,\"initial_state\":[],\"n\":1.0},\"is_requester_admin\":false}");
    cr_expect_eq(fixture.outcome.kind, OUTCOME_PASSED);
    char *json = json_dumps(json_object_get(fixture.arguments, "config"), JSON_SORT_KEYS | JSON_COMPACT);
    cr_expect_str_eq(json, "{\"initial_state\":[{\"content\":{},\"type\":\"x\"}],\"invite\":[],\"n\":1.0,\"name\":\"@a:"
                           "x's room\",\"room_alias_name\":null}");
    free(json);
    EXPECT_TEXT(lua_fixture_ask(&fixture, "on_create_room",
                                "{\"requester\":{\"user_id\":\"@a:x\"},\"config\":{\"visibility\":\"public\"},"
                                "\"is_requester_admin\":false}"),
                "{'raise':{'type':'SynapseError','code':403,'errcode':'M_FORBIDDEN','msg':'no'}}");
    cr_expect_eq(fixture.outcome.kind, OUTCOME_FAILED);
    lua_fixture_close(&fixture);
}
