/* Patterns find what Lua's own functions find, and are stopped where those would not be. */
#include <lauxlib.h>
#include <lualib.h>

#include "filters/lua_sandbox.h"
#include "filters/lua_string.h"
#include "tests/filters/lua_fixture.h"

static const struct {
    const char *name;
    lua_CFunction ours;
} functions[] = {
    {"find", lua_string_find}, {"match", lua_string_match}, {"gmatch", lua_string_gmatch}, {"gsub", lua_string_gsub}};

struct comparison {
    const char *text;
    size_t text_length;
    const char *pattern;
    size_t pattern_length;
    const char *replacement; /* of gsub */
    int begin;
    bool equal;
    bool both_good;
};

/* Calls the function on the stack's top with the arguments of the comparison; a text of all its results. */
static void call(lua_State *L, const struct comparison *comparison, const char *name)
{
    int base = lua_gettop(L);
    lua_pushlstring(L, comparison->text, comparison->text_length);
    lua_pushlstring(L, comparison->pattern, comparison->pattern_length);
    bool gsub = strcmp(name, "gsub") == 0, gmatch = strcmp(name, "gmatch") == 0;
    if (gsub)
        lua_pushstring(L, comparison->replacement);
    else
        lua_pushinteger(L, comparison->begin);
    bool good = lua_pcall(L, 3, LUA_MULTRET, 0) == LUA_OK;
    luaL_Buffer text;
    luaL_buffinit(L, &text);
    luaL_addstring(&text, good ? "" : "error");
    luaL_pushresult(&text);
    lua_insert(L, base);
    for (int calls = 0; good && calls < 40; calls++) {
        if (gmatch) {
            lua_settop(L, base + 1);
            lua_pushvalue(L, base + 1);
            good = lua_pcall(L, 0, LUA_MULTRET, 0) == LUA_OK;
            if (!good || lua_isnoneornil(L, base + 2))
                break;
        }
        int first = gmatch ? base + 2 : base + 1, count = lua_gettop(L);
        lua_pushvalue(L, base);
        for (int index = first; index <= count; index++) {
            luaL_tolstring(L, index, NULL);
            lua_pushliteral(L, "|");
            lua_concat(L, 3);
        }
        lua_replace(L, base);
        if (!gmatch)
            break;
    }
    lua_settop(L, base);
}

static int compare(lua_State *L)
{
    struct comparison *comparison = lua_touserdata(L, 1);
    comparison->equal = comparison->both_good = true;
    lua_pushcfunction(L, luaopen_string);
    lua_call(L, 0, 1);
    for (size_t index = 0; index < sizeof functions / sizeof *functions; index++) {
        lua_settop(L, 2);
        lua_getfield(L, 2, functions[index].name);
        call(L, comparison, functions[index].name);
        lua_pushcfunction(L, functions[index].ours);
        call(L, comparison, functions[index].name);
        const char *theirs = lua_tostring(L, 3), *ours = lua_tostring(L, 4);
        comparison->both_good &= strcmp(ours, "error") != 0;
        /* A malformed part that the match does not come to is an error with ours only. */
        if (strcmp(ours, "error") == 0)
            continue;
        if (!lua_rawequal(L, 3, 4)) {
            cr_log_error("%s of `%s` with `%s`: %s instead of %s", functions[index].name, comparison->text,
                         comparison->pattern, ours, theirs);
            comparison->equal = false;
        }
    }
    return 0;
}

static bool compares_equal(struct lua_sandbox *sandbox, struct comparison *comparison)
{
    bool good = lua_sandbox_run(sandbox, compare, comparison, 1);
    cr_assert(good, "%s", lua_tostring(lua_sandbox_state(sandbox), -1));
    return comparison->equal;
}

static struct lua_sandbox *open_sandbox(void)
{
    struct lua_sandbox_limits limits = {.instructions = 100000000, .memory = 32 << 20, .milliseconds = 60000};
    struct lua_sandbox *sandbox = lua_sandbox_create(&limits);
    cr_assert_not_null(sandbox);
    return sandbox;
}

Test(lua_pattern, as_lua_has_them)
{
    static const struct {
        const char *text;
        const char *pattern;
    } cases[] = {
        {"hello world", "o w"},
        {"hello world", "(o)( )(w)"},
        {"  trim me  ", "^%s*(.-)%s*$"},
        {"key = value", "^(%w+)%s*=%s*(%w+)$"},
        {"THE (quick) fox", "%((%a+)%)"},
        {"THE (quick (brown)) fox", "%b()"},
        {"THE (quick fox", "%b()"},
        {"THE (quick) fox", "%f[%a]%a+"},
        {"THE quick", "%f[%z]"},
        {"abcabc", "(a)(b)(c)%1%2%3"},
        {"aXbXc", "X()"},
        {"aaa", "a-"},
        {"aaa", "a-b"},
        {"aaab", "a-b"},
        {"", ""},
        {"", ".*"},
        {"abc", ""},
        {"abc", "b*"},
        {"abc", "^a"},
        {"aaa", "^a"},
        {"abc", "c$"},
        {"a$c", "$c"},
        {"a^c", "a^c"},
        {"]-^", "[]]"},
        {"]-^", "[^]]"},
        {"]-^", "[a-]"},
        {"]-^", "[%]%-]+"},
        {"x-y", "[a-%%]"},
        {"0123456789abcdef", "%x+"},
        {"tab\tnew\n", "%c"},
        {"äöü", "[\xc2-\xf4][\x80-\xbf]*"},
        {"a.b", "a%.b"},
        {"f(a(b)c)d", "%b()%a"},
        {"hello", "(h)(e)(l)(l)(o)"},
        {"hello", "((h)(e))"},
        {"hello", "(l)%1"},
        {"aab", "a?a?a?b"},
        {"x", "x-$"},
        {"a,b,,c", "([^,]*)"},
        {"a,b,,c", "()([^,]*),?()"},
        {"https://evil.example/a?b=c", "^%a+://([%w%.%-]+)"},
    };
    struct lua_sandbox *sandbox = open_sandbox();
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++)
        for (int begin = -3; begin < 5; begin++) {
            struct comparison comparison = {.text = cases[index].text,
                                            .text_length = strlen(cases[index].text),
                                            .pattern = cases[index].pattern,
                                            .pattern_length = strlen(cases[index].pattern),
                                            .replacement = "<%0|%%>",
                                            .begin = begin};
            cr_expect(compares_equal(sandbox, &comparison));
            cr_expect(comparison.both_good, "%s", cases[index].pattern);
        }
    lua_sandbox_destroy(sandbox);
}

Test(lua_pattern, random_ones_as_lua_has_them)
{
    static const char *const pieces[] = {"a",     "b",      ".",     "%a",   "%A",   "*", "+", "-",  "?",
                                         "(",     ")",      "()",    "[ab]", "[^a]", "^", "$", "%1", "%b()",
                                         "%f[a]", "%f[^a]", "[a-c]", "%d",   "%s",   "1", " "};
    struct lua_sandbox *sandbox = open_sandbox();
    unsigned seed = 1, good = 0;
    for (int round = 0; round < 20000; round++) {
        char pattern[80] = "", text[16];
        size_t used = 0;
        for (int piece = rand_r(&seed) % 7; piece >= 0; piece--)
            used += (size_t)snprintf(pattern + used, sizeof pattern - used, "%s",
                                     pieces[(unsigned)rand_r(&seed) % (sizeof pieces / sizeof *pieces)]);
        size_t length = (unsigned)rand_r(&seed) % 12;
        for (size_t index = 0; index < length; index++)
            text[index] = "abc() 1a"[rand_r(&seed) % 8];
        text[length] = '\0';
        struct comparison comparison = {.text = text,
                                        .text_length = length,
                                        .pattern = pattern,
                                        .pattern_length = strlen(pattern),
                                        .replacement = rand_r(&seed) % 2 ? "%0-%0" : "",
                                        .begin = rand_r(&seed) % 8 - 3};
        cr_assert(compares_equal(sandbox, &comparison), "`%s` with `%s`", text, pattern);
        good += comparison.both_good;
    }
    cr_expect_gt(good, 5000);
    lua_sandbox_destroy(sandbox);
}

Test(lua_pattern, replacements)
{
    EXPECT_RETURNS("return (('a b'):gsub('%w', {a = 'x', b = false}))", "{'str':'x b'}");
    EXPECT_RETURNS("return (('a b'):gsub('(%w)', function(c) if c == 'b' then return c:upper() .. '!' end end))",
                   "{'str':'a B!'}");
    EXPECT_RETURNS("return ('abc'):gsub('', '-')", "{'tuple':[{'str':'-a-b-c-'},{'int':4}]}");
    EXPECT_RETURNS("return ('abc abc'):gsub('%w+', '%0%0', 1)", "{'tuple':[{'str':'abcabc abc'},{'int':1}]}");
    EXPECT_RETURNS("return (('abc'):gsub('(a)(b)', '%2%1'))", "{'str':'bac'}");
    EXPECT_RETURNS("return (('abc'):gsub('()b', '%1'))", "{'str':'a2c'}");
    EXPECT_RETURNS("return (('a1'):gsub('%d', 7))", "{'str':'a7'}");
    EXPECT_FAILS("return ('abc'):gsub('a', '%2')", "invalid capture index %2 in replacement");
    EXPECT_FAILS("return ('abc'):gsub('a', '%x')", "invalid use of '%'");
    EXPECT_FAILS("return ('abc'):gsub('a', function() return {} end)", "invalid replacement value (a table)");
    EXPECT_FAILS("return ('abc'):gsub('a', true)", "string/function/table");
}

Test(lua_pattern, malformed_ones_are_refused)
{
    EXPECT_FAILS("return ('x'):find('[a')", "missing ']'");
    EXPECT_FAILS("return ('x'):find('[')", "missing ']'");
    EXPECT_FAILS("return ('x'):find('[%')", "missing ']'");
    EXPECT_FAILS("return ('x'):find('[]')", "missing ']'");
    EXPECT_FAILS("return ('x'):find('%')", "ends with '%'");
    EXPECT_FAILS("return ('x'):find('(a')", "unfinished capture");
    EXPECT_FAILS("return ('x'):match('a)')", "invalid pattern capture");
    EXPECT_FAILS("return ('x'):find('%1')", "invalid capture index %1");
    EXPECT_FAILS("return ('x'):find('(%1)')", "invalid capture index %1");
    EXPECT_FAILS("return ('x'):find('%bx')", "missing arguments to '%b'");
    EXPECT_FAILS("return ('x'):find('%fa')", "missing '[' after '%f'");
    EXPECT_FAILS("return ('x'):find(('a?'):rep(500))", "pattern too complex");
}

/* Each of these keeps Lua's own matcher busy for a very long time. */
Test(lua_pattern, bombs_are_stopped)
{
    EXPECT_FAILS("return ('a'):rep(5000):find('.-.-.-.-.-x')", "stopped after 1000000 instructions");
    EXPECT_FAILS("return ('a'):rep(5000):match('a*a*a*a*a*b')", "stopped after 1000000 instructions");
    EXPECT_FAILS("return ('a'):rep(40):find(('a?'):rep(40) .. ('a'):rep(41))", "stopped after 1000000 instructions");
    EXPECT_FAILS("return ('a'):rep(5000):gsub('(.-)(.-)(.-)x', '')", "stopped after 1000000 instructions");
    EXPECT_FAILS("for _ in ('a'):rep(5000):gmatch('(.-)(.-)(.-)x') do end", "stopped after 1000000 instructions");
    EXPECT_FAILS("return ('('):rep(5000):find('%b()%b()x') or ('(x'):rep(40000):find('%b()')", "stopped after");
    EXPECT_FAILS("while true do pcall(string.find, ('a'):rep(5000), '.-.-.-.-.-x') end", "stopped after");
}

Test(lua_pattern, common_ones_on_long_texts_are_not)
{
    EXPECT_RETURNS("local s = (' '):rep(50) .. ('word '):rep(10000) "
                   "local trimmed = s:match('^%s*(.-)%s*$') local n = 0 "
                   "for _ in s:gmatch('%a+') do n = n + 1 if n == 5000 then break end end "
                   "return #trimmed, s:find('nothing', 1, true), s:find('https?://'), n",
                   "{'tuple':[{'int':49999},{'none':true},{'none':true},{'int':5000}]}");
}
