/* The table `weir`. */
#include <unistd.h>

#include "tests/filters/lua_fixture.h"

Test(lua_library, globs)
{
    EXPECT_RETURNS(
        "local out = {} for _, case in ipairs{{'*', ''}, {'', ''}, {'', 'a'}, {'a*c', 'abbc'}, {'a*c', 'abb'},\n"
        "{'?', 'ä'}, {'?b', 'ä'}, {'*.example', 'a.b.example'}, {'@spam*:*', '@spammer:x'}, {'a**b?', 'axbc'},\n"
        "{'*a*b*c', 'xaybzbc'}, {'A', 'a'}} do\n"
        "out[#out + 1] = weir.glob(case[1], case[2]) and 1 or 0 end return table.concat(out)",
        "{'str':'110101011110'}");
    EXPECT_FAILS("return weir.glob('*' .. ('a'):rep(5000) .. 'b', ('a'):rep(20000))", "stopped after");
}

Test(lua_library, hashes)
{
    EXPECT_RETURNS("return weir.sha256('abc')",
                   "{'str':'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'}");
    EXPECT_RETURNS("return weir.xxhash('a') == weir.xxhash('a'), weir.xxhash('a') == weir.xxhash('b'), "
                   "math.type(weir.xxhash(''))",
                   "{'tuple':[{'bool':true},{'bool':false},{'str':'integer'}]}");
    EXPECT_RETURNS("return weir.equal_secrets('abc', 'abc'), weir.equal_secrets('abc', 'abd'), "
                   "weir.equal_secrets('a', 'ab'), weir.equal_secrets('', '')",
                   "{'tuple':[{'bool':true},{'bool':false},{'bool':false},{'bool':true}]}");
}

Test(lua_library, small_things)
{
    EXPECT_RETURNS("return weir.server_of('@a:b.org:80'), weir.server_of('x')", "{'str':'b.org:80'}");
    EXPECT_RETURNS("local a = weir.now_ms() return weir.now_ms() >= a, weir.time() > 1600000000",
                   "{'tuple':[{'bool':true},{'bool':true}]}");
    EXPECT_RETURNS("local state = {{type = 'a', state_key = ''}, {type = 'a', state_key = 'k', n = 2}} "
                   "return weir.find_state(state, 'a', 'k').n, weir.find_state(state, 'a').n == nil, "
                   "weir.find_state(state, 'b') == nil, weir.find_state(nil, 'b') == nil",
                   "{'tuple':[{'int':2},{'bool':true},{'bool':true},{'bool':true}]}");
}

Test(lua_library, pattern_sets)
{
    struct lua_fixture fixture = {0};
    lua_fixture_open(&fixture, "local words = weir.patterns{'buy now', 'КРИПТО'}\n"
                               "local regexes = weir.patterns{syntax = 'regex', case_sensitive = true, '^a+$', 'B'}\n"
                               "function check_event_for_spam(event)\n"
                               "  local body = event.content.body\n"
                               "  if body == 'make' then weir.patterns{'x'} end\n"
                               "  return words:match(body) or false, regexes:match(body)\n"
                               "end");
    EXPECT_TEXT(lua_fixture_judge(&fixture, "{\"body\":\"buy NOW!\"}"), "{'str':'buy now'}");
    EXPECT_TEXT(lua_fixture_judge(&fixture, "{\"body\":\"aaB\"}"), "{'tuple':[{'bool':false},{'str':'B'},{'int':2}]}");
    EXPECT_TEXT(lua_fixture_judge(&fixture, "{\"body\":\"nothing\"}"), "{'bool':false}");
    EXPECT_TEXT(lua_fixture_judge(&fixture, "{}"), "{'bool':false}");
    cr_expect(strstr(lua_fixture_judge(&fixture, "{\"body\":\"make\"}"), "at the top of the script"));
    lua_fixture_close(&fixture);
    static const struct {
        const char *script;
        const char *problem;
    } bad[] = {
        {"weir.patterns{syntax = 'regex', 'a', '('}", "t.lua:1: pattern 2: missing closing parenthesis"},
        {"weir.patterns{syntax = 'perl', 'a'}", "syntax must be literal, glob or regex"},
        {"weir.patterns{'a', ''}", "pattern 2 is empty"},
        {"weir.patterns{'a', 1}", "pattern 2 is no text"},
        {"weir.patterns('a')", "table expected"},
    };
    for (size_t index = 0; index < sizeof bad / sizeof *bad; index++) {
        fixture.script = bad[index].script;
        cr_expect_not(lua_fixture_try(&fixture));
        cr_expect(strstr(fixture.reports, bad[index].problem), "%s", fixture.reports);
        lua_fixture_close(&fixture);
    }
}

Test(lua_library, stores)
{
    EXPECT_RETURNS("local s = weir.store(3, 100000) "
                   "s:set('a', 'text') s:set('b', 1.5) s:set('c', true) "
                   "local first = {s:get('a'), s:get('b'), s:get('c'), #s} "
                   "s:set('a', 'again') s:set('d', false) " /* b was set longest ago */
                   "return first, s:get('a'), s:get('b') == nil, s:get('d'), #s",
                   "{'tuple':[{'list':[{'str':'text'},{'float':1.5},{'bool':true},{'int':3}]},{'str':'again'},{'bool':"
                   "true},{'bool':false},{'int':3}]}");
    EXPECT_RETURNS("local s = weir.store(10, 100000) s:set('t', 'x') s:set('t', nil) "
                   "return s:incr('n'), s:incr('n'), s:incr('n', -5), s:get('n'), #s",
                   "{'tuple':[{'int':1},{'int':2},{'int':-3},{'int':-3},{'int':1}]}");
    EXPECT_RETURNS("local s = weir.store(10, 100000) s:set('n', math.maxinteger) return s:incr('n') == math.maxinteger",
                   "{'bool':true}");
    EXPECT_FAILS("local s = weir.store(10, 100000) s:set('t', 'x') s:incr('t')", "no whole number");
    EXPECT_FAILS("weir.store(0, 1)", "must be from 1");
    EXPECT_FAILS("weir.store(1, 1):set('a', {})", "text, number, boolean or nil");
    EXPECT_FAILS("weir.store(1, 1):set(('x'):rep(5000), 1)", "at most 4096 bytes");
    EXPECT_FAILS("weir.store(1, 1).get({}, 'a')", "store expected");
}

Test(lua_library, stores_live_across_calls_and_forget)
{
    struct lua_fixture fixture = {0};
    lua_fixture_open(&fixture, "local counts, brief = weir.store(100, 3600000), weir.store(100, 100)\n"
                               "function check_event_for_spam(event)\n"
                               "  local before = brief:get('k')\n"
                               "  brief:set('k', 1)\n"
                               "  return counts:incr(event.sender), before, #brief\n"
                               "end");
    for (int call = 1; call <= 3; call++) {
        char expected[100];
        snprintf(expected, sizeof expected, "{'tuple':[{'int':%d},{'none':true},{'int':1}]}", call);
        EXPECT_TEXT(lua_fixture_judge(&fixture, "{}"), expected);
        usleep(120000); /* what lives a tenth of a second is gone */
    }
    lua_fixture_close(&fixture);
}

/* A store that is too large for the memory limit loses its oldest entries; the script goes on. */
Test(lua_library, stores_count_towards_the_memory)
{
    struct lua_fixture fixture = {.settings = "\"memory\": 1000000"};
    lua_fixture_open(&fixture, "local s, value = weir.store(10000, 3600000), ('v'):rep(1000)\n"
                               "function check_event_for_spam(event)\n"
                               "  for i = 1, 1000 do s:set('key' .. event.content.n .. ' ' .. i, value) end\n"
                               "  return s:get('key' .. event.content.n .. ' 1000') == value and #s < 1000\n"
                               "end");
    for (int call = 0; call < 10; call++) {
        char content[32];
        snprintf(content, sizeof content, "{\"n\":%d}", call);
        EXPECT_TEXT(lua_fixture_judge(&fixture, content), "{'bool':true}");
    }
    lua_fixture_close(&fixture);
}

Test(lua_library, logs)
{
    struct lua_fixture fixture = {0};
    lua_fixture_open(&fixture, "function check_event_for_spam(event)\n"
                               "  weir.log.debug('d') weir.log.info('i') weir.log.warning('w') weir.log.error('e')\n"
                               "  print('a', 1, nil, true)\n"
                               "  return pass\n"
                               "end\n"
                               "function on_new_event() for i = 1, 1000 do weir.log.info(('x'):rep(5000)) end end");
    lua_fixture_log[0] = '\0';
    lua_fixture_judge(&fixture, "{}");
    cr_expect_str_eq(lua_fixture_log, "debug: d\ninfo: i\nwarning: w\nerror: e\ninfo: a 1 nil true\n");
    lua_fixture_log[0] = '\0';
    lua_fixture_ask(&fixture, "on_new_event", "{\"event\":{\"type\":\"x\"}}");
    /* Ten lines a second, of a thousand bytes each; the test may run over the end of a second or two. */
    cr_expect_lt(strlen(lua_fixture_log), 35000);
    cr_expect(strstr(lua_fixture_log, "info: xxx") || strstr(lua_fixture_log, "left out"));
    lua_fixture_close(&fixture);
}
