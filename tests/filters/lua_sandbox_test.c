/* What a script cannot do, and what stops it. */
#include "tests/filters/lua_fixture.h"

/* What must not be there: it reaches outside, or around the limits. */
Test(lua_sandbox, what_is_left_out)
{
    static const char *const names[] = {
        "io",     "os",        "debug", "package",        "require",     "load", "loadstring", "loadfile",
        "dofile", "coroutine", "warn",  "collectgarbage", "string.dump", "jit",  "ffi",        "module",
    };
    for (size_t index = 0; index < sizeof names / sizeof *names; index++) {
        char script[200];
        snprintf(script, sizeof script, "function check_event_for_spam() return %s == nil end", names[index]);
        struct lua_fixture fixture = {0};
        lua_fixture_open(&fixture, script);
        const char *got = lua_fixture_judge(&fixture, "{}");
        cr_expect(lua_fixture_equal(got, "{'bool':true}"), "%s is there: %s", names[index], got);
        lua_fixture_close(&fixture);
    }
}

Test(lua_sandbox, exactly_the_listed_globals)
{
    EXPECT_RETURNS(
        "local names = {} "
        "for name in pairs(_G) do names[#names + 1] = name end table.sort(names) "
        "return table.concat(names, ' ')",
        "{'str':'ALL ALLOW DENY NOT_SPAM SHADOW_BAN _G _VERSION assert check_event_for_spam code config error "
        "getmetatable ipairs limit math next override pairs pass pcall presence print raise rawequal rawget "
        "rawlen rawset reason refuse replace select set setmetatable string table tonumber tostring tuple "
        "type utf8 weir xpcall'}");
}

Test(lua_sandbox, loops_are_stopped)
{
    EXPECT_FAILS("while true do end", "t.lua:1: stopped after 1000000 instructions");
    EXPECT_FAILS("local function f() return f() end return f()", "stopped after 1000000 instructions");
    EXPECT_FAILS("while true do pcall(function() while true do end end) end", "stopped after 1000000 instructions");
    EXPECT_FAILS("return pcall(function() while true do end end)", "stopped after 1000000 instructions");
    EXPECT_FAILS("repeat local good = pcall(pcall, pcall, error) until false", "stopped after 1000000 instructions");
    EXPECT_FAILS("local t = setmetatable({}, {__index = function(t, k) return t[k + 1] end}) "
                 "while true do pcall(function() return t[1] end) end",
                 "stopped after 1000000 instructions");
    EXPECT_FAILS("local t <close> = setmetatable({}, {__close = function() while true do end end}) while true do end",
                 "stopped after 1000000 instructions");
}

Test(lua_sandbox, handlers_run_under_the_limit)
{
    EXPECT_FAILS("xpcall(function() while true do end end, function() while true do end end)", "stopped after");
    EXPECT_FAILS("xpcall(error, function() while true do end end)", "stopped after");
    EXPECT_FAILS("local function f() xpcall(error, f) end while true do f() end", "stopped after");
    EXPECT_RETURNS("return xpcall(error, function(e) return e .. '!' end, 'a')",
                   "{'tuple':[{'bool':false},{'str':'a!'}]}");
    EXPECT_RETURNS("return xpcall(function(...) return select('#', ...) end, print, 1, 2)",
                   "{'tuple':[{'bool':true},{'int':2}]}");
    EXPECT_RETURNS("return (xpcall(error, error, 'x'))", "{'bool':false}");
}

Test(lua_sandbox, no_finalizers)
{
    EXPECT_FAILS("setmetatable({}, {__gc = function() while true do end end})", "__gc is not available");
    EXPECT_RETURNS("local made = false "
                   "local meta = {} for i = 1, 1000 do setmetatable({}, meta) end "
                   "meta.__gc = function() made = true end "
                   "for i = 1, 10000 do local t = {} end return made",
                   "{'bool':false}");
    EXPECT_FAILS("setmetatable(setmetatable({}, {__metatable = 1}), {})", "protected metatable");
    EXPECT_RETURNS("return getmetatable('') or getmetatable(event) or getmetatable(event.content) or "
                   "getmetatable(pass) or getmetatable(weir.store(1, 1))",
                   "{'bool':false}");
}

Test(lua_sandbox, work_in_c_counts)
{
    EXPECT_FAILS("while true do local s = ('x'):rep(100000) end", "stopped after");
    EXPECT_FAILS("local s = ('x'):rep(1000000) while true do local t = s .. 'y' end", "stopped after");
    EXPECT_FAILS("table.move({}, 1, 1e15, 2)", "stopped after");
    EXPECT_FAILS("return table.unpack({}, 1, 1e9)", "stopped after");
    EXPECT_FAILS("local t = {} for i = 1, 20000 do t[i] = 1 end "
                 "while true do table.insert(t, 1, 1) table.remove(t, 1) end",
                 "stopped after");
    EXPECT_FAILS("local t = {} for i = 1, 100000 do t[i] = i % 7 end while true do table.sort(t) end", "stopped after");
    EXPECT_FAILS("local t = setmetatable({}, {__len = function() return 2^31 - 2 end}) table.sort(t, rawequal)",
                 "__len");
    EXPECT_FAILS("table.insert(setmetatable({}, {__len = function() return 1 << 60 end}), 1, 1)", "__len");
    EXPECT_FAILS("table.concat(setmetatable({}, {__len = function() return 1 << 60 end, __index = type}))", "__len");
    EXPECT_RETURNS("return (string.rep('', 1 << 60))", "{'str':''}");
    EXPECT_FAILS("return string.rep('x', 1 << 60)", "too large");
    EXPECT_FAILS("return string.rep('', 1 << 60, 'x')", "too large");
    EXPECT_RETURNS("return (string.rep('ab', 3, '-'))", "{'str':'ab-ab-ab'}");
}

/* Comparing long strings is one instruction each; the clock ends it. */
Test(lua_sandbox, processor_time_is_limited)
{
    struct lua_fixture fixture = {.settings = "\"instructions\": 1000000000, \"milliseconds\": 50"};
    lua_fixture_open(&fixture, "local a, b = ('x'):rep(1000000) .. 'a', ('x'):rep(1000000) .. 'b'\n"
                               "function check_event_for_spam() while true do local c = a < b end end");
    const char *got = lua_fixture_judge(&fixture, "{}");
    cr_expect(strstr(got, "t.lua:2: stopped after 50 ms of processor time"), "%s", got);
    lua_fixture_close(&fixture);
}

Test(lua_sandbox, memory_is_limited)
{
    EXPECT_FAILS("local t, s = {}, ('0123456789'):rep(100) while true do t[#t + 1] = s .. #t end", "not enough memory");
    EXPECT_FAILS("return ('x'):rep(5000) .. ('xxxxxxxxxxxxxxxxxxxx'):rep(1000000)", "not enough memory");
    EXPECT_FAILS("local s = 'x' while true do s = s .. s end", "not enough memory");
    EXPECT_FAILS("local function f() return 1 + f() end return f()", "not enough memory");
    EXPECT_FAILS("local t = setmetatable({}, {}) getmetatable(t).__index = t return t.x", "loop");
    EXPECT_FAILS("return string.format('%s', setmetatable({}, {__tostring = function(t) return tostring(t) end}))",
                 "overflow");
    EXPECT_FAILS("return (('(a'):rep(1000)):match(('('):rep(1000))", "too many captures");
}

/* After a script hit its limits, the next call has all of them again. */
Test(lua_sandbox, goes_on_after_a_failure)
{
    struct lua_fixture fixture = {.settings = "\"instructions\": 80000, \"memory\": 400000"};
    lua_fixture_open(&fixture, "local kept = {}\n"
                               "function check_event_for_spam(event)\n"
                               "  local what = event.content.what\n"
                               "  if what == 'loop' then while true do end end\n"
                               "  if what == 'memory' then local t = {} while true do t[#t + 1] = {} end end\n"
                               "  if what == 'error' then error({}) end\n"
                               "  if what == 'nil' then error(nil) end\n"
                               "  if what == 'deep' then local function f() return 1 + f() end f() end\n"
                               "  local sum = 0 for i = 1, 1000 do sum = sum + i end return sum\n"
                               "end");
    for (int round = 0; round < 50; round++) {
        cr_expect(strstr(lua_fixture_judge(&fixture, "{\"what\":\"loop\"}"), "stopped after 80000 instructions"));
        cr_expect(strstr(lua_fixture_judge(&fixture, "{\"what\":\"memory\"}"), "not enough memory"));
        cr_expect(strstr(lua_fixture_judge(&fixture, "{\"what\":\"error\"}"), "an error that is a table"));
        cr_expect(strstr(lua_fixture_judge(&fixture, "{\"what\":\"nil\"}"), "an error that is a nil"));
        cr_expect(strstr(lua_fixture_judge(&fixture, "{\"what\":\"deep\"}"), "raise"));
        EXPECT_TEXT(lua_fixture_judge(&fixture, "{}"), "{'int':500500}");
    }
    lua_fixture_close(&fixture);
}

Test(lua_sandbox, loading_has_limits_too)
{
    struct lua_fixture fixture = {.script = "while true do end"};
    cr_expect_not(lua_fixture_try(&fixture));
    cr_expect_str_eq(fixture.reports, "script: t.lua:1: stopped after 10000000 instructions\n");
    lua_fixture_close(&fixture);
    fixture.script = "local t = {} for i = 1, 1e9 do t[i] = {} end";
    cr_expect_not(lua_fixture_try(&fixture));
    cr_expect(strstr(fixture.reports, "not enough memory"), "%s", fixture.reports);
    lua_fixture_close(&fixture);
    /* Bytecode is no text. */
    fixture.script = "\x1bLua";
    cr_expect_not(lua_fixture_try(&fixture));
    cr_expect(strstr(fixture.reports, "attempt to load a binary chunk"), "%s", fixture.reports);
    lua_fixture_close(&fixture);
}

Test(lua_sandbox, a_script_cannot_change_the_rules)
{
    EXPECT_FAILS("pcall = function() end error = nil string = nil table = nil setmetatable = nil while true do end",
                 "stopped after");
    EXPECT_RETURNS("string.find = nil return ('abc').find == nil and ('abc'):len() == 3", "{'bool':true}");
    EXPECT_RETURNS("return (pcall(rawset, event, 'x', 1))", "{'bool':false}");
    EXPECT_RETURNS("return (pcall(next, event))", "{'bool':false}");
    EXPECT_FAILS("event.sender = '@b:c'", "an event cannot be changed");
    EXPECT_FAILS("event.content.body = 'x'", "an event cannot be changed");
}
