/* Loading a script, and who is asked what. */
#include "tests/filters/lua_fixture.h"

static void expect_refused(const char *script, const char *problem)
{
    struct lua_fixture fixture = {.script = script};
    cr_expect_not(lua_fixture_try(&fixture), "%s", script);
    cr_expect(strncmp(fixture.reports, "script: ", 8) == 0 && strstr(fixture.reports, problem), "%s: %s", script,
              fixture.reports);
    lua_fixture_close(&fixture);
}

Test(lua_module, what_does_not_load_is_said_with_its_line)
{
    expect_refused("function check_event_for_spam(\n", "t.lua:2: <name> or '...' expected near <eof>");
    expect_refused("\n\nlocal x = nil + 1", "t.lua:3: attempt to perform arithmetic on a nil value");
    expect_refused("error({})", "an error that is a table");
    expect_refused("raise{msg = 'not now'}", "not now");
    expect_refused("", "t.lua: has no function that is named as a callback");
    expect_refused("check_event_for_spam = 5", "t.lua: `check_event_for_spam` is a number; a callback is a function");
    expect_refused("function on_new_event() end\n\nfunction check_event_for_spm() end",
                   "t.lua:3: `check_event_for_spm` is no callback; did you mean `check_event_for_spam`?");
    expect_refused("setmetatable(_G, {__index = function() return function() end end})", "has no function");
}

Test(lua_module, parameters)
{
    struct lua_fixture fixture = {.script = "function on_new_event() end", .settings = "\"instructions\": 5"};
    cr_expect_not(lua_fixture_try(&fixture));
    cr_expect(strstr(fixture.reports, "instructions: must be a whole number from 100"), "%s", fixture.reports);
    lua_fixture_close(&fixture);
    fixture.settings = "\"settings\": [1]";
    cr_expect_not(lua_fixture_try(&fixture));
    cr_expect(strstr(fixture.reports, "settings: must be a map"), "%s", fixture.reports);
    lua_fixture_close(&fixture);
    fixture.settings = "\"memory\": 262144";
    cr_expect(lua_fixture_try(&fixture), "%s", fixture.reports);
    lua_fixture_close(&fixture);
}

Test(lua_module, a_missing_file_is_said)
{
    struct lua_fixture fixture = {0};
    struct module_host host = {.context = &fixture, .report = lua_fixture_report, .read_file = lua_fixture_read_file};
    struct chain *chain = chain_create(&(struct chain_settings){.server_name = "example.org"});
    json_t *config = json_pack("{s:s}", "script", "other.lua");
    cr_expect_not(chain_append(chain, module_find("lua"), config, NULL, &host));
    cr_expect_str_eq(fixture.reports, "script: other.lua: no such file\n");
    fixture.reports[0] = '\0';
    cr_expect_not(chain_append(chain, module_find("lua"), NULL, NULL, &host));
    cr_expect_str_eq(fixture.reports, "script: is missing: the file with the script\n");
    json_decref(config);
    chain_destroy(chain);
}

Test(lua_module, settings_are_the_table_config)
{
    struct lua_fixture fixture = {
        .settings = "\"settings\": {\"words\": [\"a\", \"b\"], \"deep\": {\"n\": 5}, \"null\": null}"};
    lua_fixture_open(&fixture, "function check_event_for_spam() return #config.words, config.deep.n, config.null end");
    EXPECT_TEXT(lua_fixture_judge(&fixture, "{}"), "{'tuple':[{'int':2},{'int':5},{'none':true}]}");
    lua_fixture_close(&fixture);
}

/* A script that has every callback of the table is asked each of them, with what the table says. */
Test(lua_module, every_callback_of_the_table)
{
    static char script[16384];
    size_t used = 0;
    for (int callback = 0; callback < CALLBACK_COUNT; callback++) {
        const struct callback_definition *definition = &callback_definitions[callback];
        if (callback == CALLBACK_auth_checkers)
            used += (size_t)snprintf(script + used, sizeof script - used,
                                     "auth_checkers = {{type = 't', fields = {'f'}, check = function(...) "
                                     "asked = 'auth_checkers ' .. select('#', ...) end}}\n");
        else
            used += (size_t)snprintf(script + used, sizeof script - used,
                                     "function %s(...) asked = '%s ' .. select('#', ...) end\n", definition->name,
                                     definition->name);
    }
    struct lua_fixture fixture = {0};
    lua_fixture_open(&fixture, script);
    for (int callback = 0; callback < CALLBACK_COUNT; callback++) {
        uint32_t index;
        bool exists = callback_definitions[callback].rules[SEMANTICS_LATEST] != NULL;
        uint32_t count = chain_callback_modules(fixture.chain, (enum callback)callback, &index, 1);
        if (exists)
            cr_expect_eq(count, 1, "%s", callback_definitions[callback].name);
    }
    lua_fixture_close(&fixture);
}

Test(lua_module, arguments_in_their_order)
{
    struct lua_fixture fixture = {0};
    lua_fixture_open(&fixture, "function user_may_join_room(...) return {...} end\n"
                               "function user_may_invite(inviter) return inviter end\n"
                               "function check_login_for_spam(user, device, name, info, provider)\n"
                               "  return user, device == nil, name, info[1][1], provider == nil end\n"
                               "function is_user_allowed_to_upload_media_of_size(user, size) return size < 100 end\n"
                               "function on_profile_update(user, profile, by_admin, deactivation)\n"
                               "  return profile.display_name, by_admin, deactivation end\n"
                               "function check_visibility_can_be_modified(room, state, visibility)\n"
                               "  return weir.find_state(state, 'm.room.name').content.name, visibility end");
    EXPECT_TEXT(lua_fixture_ask(&fixture, "user_may_join_room",
                                "{\"user_id\":\"@a:x\",\"room_id\":\"!r:x\",\"is_invited\":true}"),
                "{'list':[{'str':'@a:x'},{'str':'!r:x'},{'bool':true}]}");
    EXPECT_TEXT(lua_fixture_ask(&fixture, "user_may_invite",
                                "{\"inviter\":\"@a:x\",\"invitee\":\"@b:x\",\"room_id\":\"!r:x\"}"),
                "{'str':'@a:x'}");
    EXPECT_TEXT(lua_fixture_ask(&fixture, "check_login_for_spam",
                                "{\"user_id\":\"@a:x\",\"device_id\":null,\"initial_display_name\":\"phone\","
                                "\"request_info\":[[\"agent\",\"1.2.3.4\"]]}"),
                "{'tuple':[{'str':'@a:x'},{'bool':true},{'str':'phone'},{'str':'agent'},{'bool':true}]}");
    EXPECT_TEXT(
        lua_fixture_ask(&fixture, "is_user_allowed_to_upload_media_of_size", "{\"user_id\":\"@a:x\",\"size\":99}"),
        "{'bool':true}");
    EXPECT_TEXT(lua_fixture_ask(&fixture, "on_profile_update",
                                "{\"user_id\":\"@a:x\",\"new_profile\":{\"display_name\":\"A\",\"avatar_url\":null},"
                                "\"by_admin\":true,\"deactivation\":false}"),
                "{'tuple':[{'str':'A'},{'bool':true},{'bool':false}]}");
    EXPECT_TEXT(
        lua_fixture_ask(&fixture, "check_visibility_can_be_modified",
                        "{\"room_id\":\"!r:x\",\"state\":[{\"type\":\"m.room.name\",\"state_key\":\"\",\"content\":"
                        "{\"name\":\"N\"}}],\"new_visibility\":\"public\"}"),
        "{'tuple':[{'str':'N'},{'str':'public'}]}");
    lua_fixture_close(&fixture);
}

/* Synapse passes the second argument only to functions that take exactly two. */
Test(lua_module, arity_counts_as_in_synapse)
{
    struct lua_fixture fixture = {0};
    lua_fixture_open(&fixture,
                     "function user_may_create_room(user) return user end\n"
                     "function check_username_for_spam(profile, requester) return profile.user_id .. requester end");
    EXPECT_TEXT(lua_fixture_ask(&fixture, "user_may_create_room", "{\"user_id\":\"@a:x\",\"room_config\":{}}"),
                "{'str':'@a:x'}");
    EXPECT_TEXT(lua_fixture_ask(&fixture, "check_username_for_spam",
                                "{\"user_profile\":{\"user_id\":\"@a:x\"},\"requester_id\":\"@b:x\"}"),
                "{'str':'@a:x@b:x'}");
    lua_fixture_close(&fixture);
}

Test(lua_module, password_providers)
{
    struct lua_fixture fixture = {0};
    lua_fixture_open(&fixture,
                     "auth_checkers = {\n"
                     "  {type = 'org.x.one', fields = {'secret'}, check = function(username, type, fields)\n"
                     "    if weir.equal_secrets(fields.secret, 's3') then return '@' .. username .. ':x' end end},\n"
                     "  {type = 'org.x.two', fields = {'a', 'b'}, check = function(username, type, fields)\n"
                     "    return '@two:x', function() end end},\n"
                     "}\n"
                     "function is_3pid_allowed(medium, address) return medium == 'email' end\n"
                     "function get_username_for_registration(results, params) return params.username end");
    EXPECT_TEXT(lua_fixture_ask(&fixture, "auth_checkers",
                                "{\"username\":\"u\",\"login_type\":\"org.x.one\",\"login_dict\":{\"secret\":\"s3\"}}"),
                "{'tuple':[{'str':'@u:x'},{'none':true}]}");
    cr_expect_eq(fixture.outcome.result.value.kind, VALUE_TUPLE);
    EXPECT_TEXT(lua_fixture_ask(&fixture, "auth_checkers",
                                "{\"username\":\"u\",\"login_type\":\"org.x.one\",\"login_dict\":{\"secret\":\"no\"}}"),
                "{'none':true}");
    EXPECT_TEXT(lua_fixture_ask(&fixture, "auth_checkers",
                                "{\"username\":\"u\",\"login_type\":\"org.x.two\",\"login_dict\":{\"a\":1,\"b\":2}}"),
                "{'tuple':[{'str':'@two:x'},{'callable':true}]}");
    EXPECT_TEXT(lua_fixture_ask(&fixture, "is_3pid_allowed",
                                "{\"medium\":\"msisdn\",\"address\":\"1\",\"registration\":false}"),
                "{'bool':false}");
    EXPECT_TEXT(lua_fixture_ask(&fixture, "get_username_for_registration",
                                "{\"uia_results\":{},\"params\":{\"username\":\"U\"}}"),
                "{'str':'U'}");
    struct value types = chain_login_types(fixture.chain, &fixture.arena);
    const struct value *fields = value_dict_find(&types, SLICE("org.x.two"));
    cr_assert_not_null(fields);
    cr_expect_eq(fields->count, 2);
    lua_fixture_close(&fixture);
    expect_refused("auth_checkers = {}", "must be a list of one to 100 tables");
    expect_refused("auth_checkers = {{fields = {}}}", "has no `type");
    expect_refused("auth_checkers = {{type = 't', fields = 'x'}}", "`fields` of the type `t` must be a list");
    expect_refused("auth_checkers = {{type = 't', fields = {1}}}", "must hold texts");
    expect_refused("auth_checkers = {{type = 't', fields = {'f'}}}", "`check` of the type `t` must be a function");
    expect_refused("local c = {type = 't', fields = {'f'}, check = function() end} auth_checkers = {c, c}",
                   "the type `t` twice");
}
