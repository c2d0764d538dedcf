/* A pattern and a text, parted by the first line feed: what ours find is what Lua's own functions find. */
#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>

#include "base/slice.h"
#include "filters/lua_sandbox.h"
#include "filters/lua_string.h"

/* Lua's own matcher has no limit but these. */
#define PATTERN_MAXIMUM 10
#define TEXT_MAXIMUM 12

struct input {
    struct slice pattern;
    struct slice text;
};

/* Calls the function on the stack's top; its results as one text, or nil if it failed, in its place. */
static void call(lua_State *L, const struct input *input, bool gsub)
{
    int base = lua_gettop(L);
    lua_pushlstring(L, input->text.data, input->text.length);
    lua_pushlstring(L, input->pattern.data, input->pattern.length);
    if (gsub)
        lua_pushliteral(L, "<%0>");
    bool good = lua_pcall(L, gsub ? 3 : 2, LUA_MULTRET, 0) == LUA_OK;
    lua_pushliteral(L, "");
    lua_insert(L, base);
    for (int index = base + 1; good && index <= lua_gettop(L); index++) {
        lua_pushvalue(L, base);
        luaL_tolstring(L, index, NULL);
        lua_pushliteral(L, "|");
        lua_concat(L, 3);
        lua_replace(L, base);
    }
    if (!good) {
        lua_pushnil(L);
        lua_replace(L, base);
    }
    lua_settop(L, base);
}

static int compare(lua_State *L)
{
    static const struct {
        const char *name;
        lua_CFunction ours;
    } functions[] = {{"find", lua_string_find}, {"match", lua_string_match}, {"gsub", lua_string_gsub}};
    const struct input *input = lua_touserdata(L, 1);
    lua_pushcfunction(L, luaopen_string);
    lua_call(L, 0, 1);
    for (size_t index = 0; index < sizeof functions / sizeof *functions; index++) {
        lua_settop(L, 2);
        bool gsub = strcmp(functions[index].name, "gsub") == 0;
        lua_getfield(L, 2, functions[index].name);
        call(L, input, gsub);
        lua_pushcfunction(L, functions[index].ours);
        call(L, input, gsub);
        if (!lua_isnil(L, 4) && !lua_rawequal(L, 3, 4)) /* ours refuses every malformed pattern */
            abort();
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct lua_sandbox *sandbox;
    static const struct lua_sandbox_limits limits = {
        .instructions = 1000000, .memory = 16 << 20, .milliseconds = 60000};
    if (!sandbox)
        sandbox = lua_sandbox_create(&limits);
    const uint8_t *feed = size ? memchr(data, '\n', size) : NULL;
    size_t pattern_length = feed ? (size_t)(feed - data) : 0;
    if (!feed || pattern_length > PATTERN_MAXIMUM || size - pattern_length - 1 > TEXT_MAXIMUM)
        return 0;
    struct input input = {slice_of((const char *)data, pattern_length),
                          slice_of((const char *)feed + 1, size - pattern_length - 1)};
    lua_sandbox_run(sandbox, compare, &input, 1);
    return 0;
}
