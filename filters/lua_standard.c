/* A list of what is allowed, so that what a newer Lua brings stays outside until somebody has looked at it. Left out,
 * and why:
 *
 * - io, os, package, require, dofile, loadfile, load, warn: they reach outside, or make code that nobody has read.
 *   load would also take bytecode, which can break the machine; string.dump makes it.
 * - debug: it lifts every limit. collectgarbage: so does stopping the collector.
 * - coroutine: each one has an instruction count of its own.
 * - setmetatable with __gc: finalizers run where no hook is called.
 * - xpcall's handler while the error is being raised: no hook is called there either. Ours calls it afterwards.
 *
 * What works through its arguments in C pays for that from the script's budget; where a metamethod can make a table as
 * long as it likes (__len), the function refuses it. */
#include "filters/lua_standard.h"

#include <lauxlib.h>
#include <lualib.h>

#include "filters/lua_sandbox.h"
#include "filters/lua_string.h"

/* What a call costs, in instructions. It may raise errors. */
typedef size_t cost_function(lua_State *L);

static size_t cost_of_strings(lua_State *L)
{
    size_t bytes = 0;
    for (int index = lua_gettop(L); index > 0; index--)
        if (lua_type(L, index) == LUA_TSTRING)
            bytes += lua_rawlen(L, index);
    return bytes / LUA_SANDBOX_BYTES_PER_INSTRUCTION;
}

/* The length of the table at index 1, which must not be made up by a metamethod. */
static size_t table_length(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    if (luaL_getmetafield(L, 1, "__len") != LUA_TNIL)
        luaL_argerror(L, 1, "a table with __len cannot be taken here");
    return lua_rawlen(L, 1);
}

static size_t cost_of_length(lua_State *L)
{
    return table_length(L);
}

/* How many items lie from `first` to `last`, one of which may be absent. */
static size_t range(lua_Integer first, lua_Integer last)
{
    return first > last ? 0 : (size_t)last - (size_t)first + 1;
}

/* insert(t, position, value), remove(t, position): the items behind the position move. */
static size_t cost_of_moving(lua_State *L)
{
    size_t length = table_length(L);
    bool inside = lua_gettop(L) > 1 && lua_isinteger(L, 2) && lua_tointeger(L, 2) >= 0;
    return inside ? range(lua_tointeger(L, 2), (lua_Integer)length) : 0;
}

static size_t cost_of_insert(lua_State *L)
{
    return lua_gettop(L) == 3 ? cost_of_moving(L) : table_length(L) * 0;
}

static size_t cost_of_unpack(lua_State *L)
{
    size_t length = table_length(L);
    return range(luaL_optinteger(L, 2, 1), luaL_optinteger(L, 3, (lua_Integer)length));
}

static size_t cost_of_move(lua_State *L)
{
    return range(luaL_checkinteger(L, 2), luaL_checkinteger(L, 3));
}

static size_t cost_of_sort(lua_State *L)
{
    size_t length = table_length(L), doublings = 1;
    for (size_t items = length; items > 1; items /= 2)
        doublings++;
    return length * doublings;
}

static size_t cost_of_rep(lua_State *L)
{
    size_t length, between;
    luaL_checklstring(L, 1, &length);
    lua_Integer count = luaL_checkinteger(L, 2);
    luaL_optlstring(L, 3, "", &between);
    if (count <= 0)
        return 0;
    if (length + between == 0) {
        lua_pushinteger(L, 0); /* nothing, however often: Lua would count to it */
        lua_replace(L, 2);
        return 0;
    }
    if ((size_t)count > INT32_MAX / (length + between))
        luaL_error(L, "resulting string too large");
    return (size_t)count / 8 + (size_t)count * (length + between) / LUA_SANDBOX_BYTES_PER_INSTRUCTION;
}

static int set_metatable(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    int type = lua_type(L, 2);
    luaL_argexpected(L, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table");
    lua_settop(L, 2);
    if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
        return luaL_error(L, "cannot change a protected metatable");
    if (type == LUA_TTABLE) {
        lua_pushliteral(L, "__gc");
        if (lua_rawget(L, 2) != LUA_TNIL)
            return luaL_argerror(L, 2, "__gc is not available");
        lua_pop(L, 1);
    }
    lua_setmetatable(L, 1);
    return 1;
}

static int xpcall(lua_State *L)
{
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_pushvalue(L, 2);
    lua_insert(L, 1);
    lua_remove(L, 3); /* handler, function, arguments */
    if (lua_pcall(L, lua_gettop(L) - 2, LUA_MULTRET, 0) == LUA_OK) {
        lua_pushboolean(L, true);
        lua_replace(L, 1);
        return lua_gettop(L);
    }
    lua_pcall(L, 1, 1, 0);
    lua_pushboolean(L, false);
    lua_insert(L, 1);
    return 2;
}

struct library_function {
    const char *name;
    cost_function *cost; /* NULL: nothing beside the call itself */
    lua_CFunction ours;  /* NULL: Lua's own */
};

static const struct library_function base_functions[] = {
    {"assert", NULL, NULL},
    {"error", NULL, NULL},
    {"getmetatable", NULL, NULL},
    {"ipairs", NULL, NULL},
    {"next", NULL, NULL},
    {"pairs", NULL, NULL},
    {"pcall", NULL, NULL},
    {"rawequal", NULL, NULL},
    {"rawget", NULL, NULL},
    {"rawlen", NULL, NULL},
    {"rawset", NULL, NULL},
    {"select", NULL, NULL},
    {"setmetatable", NULL, set_metatable},
    {"tonumber", cost_of_strings, NULL},
    {"tostring", NULL, NULL},
    {"type", NULL, NULL},
    {"xpcall", NULL, xpcall},
    {"_VERSION", NULL, NULL},
    {NULL, NULL, NULL},
};

static const struct library_function string_functions[] = {
    {"byte", cost_of_strings, NULL},
    {"char", NULL, NULL},
    {"find", NULL, lua_string_find},
    {"format", cost_of_strings, NULL},
    {"gmatch", NULL, lua_string_gmatch},
    {"gsub", NULL, lua_string_gsub},
    {"len", NULL, NULL},
    {"lower", cost_of_strings, NULL},
    {"match", NULL, lua_string_match},
    {"pack", cost_of_strings, NULL},
    {"packsize", cost_of_strings, NULL},
    {"rep", cost_of_rep, NULL},
    {"reverse", cost_of_strings, NULL},
    {"sub", NULL, NULL},
    {"unpack", cost_of_strings, NULL},
    {"upper", cost_of_strings, NULL},
    {NULL, NULL, NULL},
};

/* Of the metatable of strings: "10" + 1. */
static const struct library_function string_metamethods[] = {
    {"__add", cost_of_strings, NULL},  {"__sub", cost_of_strings, NULL}, {"__mul", cost_of_strings, NULL},
    {"__mod", cost_of_strings, NULL},  {"__pow", cost_of_strings, NULL}, {"__div", cost_of_strings, NULL},
    {"__idiv", cost_of_strings, NULL}, {"__unm", cost_of_strings, NULL}, {NULL, NULL, NULL},
};

static const struct library_function table_functions[] = {
    {"concat", cost_of_length, NULL}, {"insert", cost_of_insert, NULL},
    {"move", cost_of_move, NULL},     {"pack", NULL, NULL},
    {"remove", cost_of_moving, NULL}, {"sort", cost_of_sort, NULL},
    {"unpack", cost_of_unpack, NULL}, {NULL, NULL, NULL},
};

static const struct library_function utf8_functions[] = {
    {"char", NULL, NULL},  {"charpattern", NULL, NULL},    {"codepoint", cost_of_strings, NULL},
    {"codes", NULL, NULL}, {"len", cost_of_strings, NULL}, {"offset", cost_of_strings, NULL},
    {NULL, NULL, NULL},
};

/* Pays, then does what the function in the first upvalue does, in the same frame. */
static int charged(lua_State *L)
{
    lua_CFunction function = lua_tocfunction(L, lua_upvalueindex(1));
    cost_function *const *cost = lua_touserdata(L, lua_upvalueindex(2));
    int top = lua_gettop(L);
    size_t instructions = (*cost)(L);
    lua_settop(L, top); /* what the cost function left there */
    lua_sandbox_charge(L, instructions);
    return function(L);
}

/* Copies the listed members of the table at `from` into the one at `to`, both absolute indices. */
static void copy_members(lua_State *L, const struct library_function *functions, int from, int to)
{
    for (const struct library_function *function = functions; function->name; function++) {
        if (function->ours)
            lua_pushcfunction(L, function->ours);
        else
            lua_getfield(L, from, function->name);
        if (function->cost) {
            lua_pushlightuserdata(L, (void *)(uintptr_t)&function->cost);
            lua_pushcclosure(L, charged, 2);
        }
        lua_setfield(L, to, function->name);
    }
}

/* Makes the global `name`: the listed members of Lua's library, or all of them. Leaves it on the stack. */
static int open_library(lua_State *L, const char *name, lua_CFunction open, const struct library_function *functions)
{
    lua_pushcfunction(L, open);
    lua_pushstring(L, name);
    lua_call(L, 1, 1);
    if (functions) {
        lua_newtable(L);
        copy_members(L, functions, lua_gettop(L) - 1, lua_gettop(L));
        lua_remove(L, -2);
    }
    lua_pushvalue(L, -1);
    lua_setglobal(L, name);
    return lua_gettop(L);
}

/* The stock base library writes into the table of globals itself: everything is moved over and the rest dropped. */
static void open_base(lua_State *L)
{
    lua_pushcfunction(L, luaopen_base);
    lua_pushstring(L, LUA_GNAME);
    lua_call(L, 1, 1);
    lua_newtable(L);
    copy_members(L, base_functions, lua_gettop(L) - 1, lua_gettop(L));
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, LUA_GNAME);
    lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
    lua_pop(L, 1);
}

void lua_standard_open(lua_State *L)
{
    luaL_checkstack(L, 10, NULL);
    int top = lua_gettop(L);
    open_base(L);
    open_library(L, LUA_TABLIBNAME, luaopen_table, table_functions);
    open_library(L, LUA_MATHLIBNAME, luaopen_math, NULL);
    open_library(L, LUA_UTF8LIBNAME, luaopen_utf8, utf8_functions);
    int strings = open_library(L, LUA_STRLIBNAME, luaopen_string, string_functions);
    lua_pushliteral(L, "");
    lua_getmetatable(L, -1);
    int metatable = lua_gettop(L);
    copy_members(L, string_metamethods, metatable, metatable);
    lua_pushvalue(L, strings);
    lua_setfield(L, metatable, "__index");
    lua_pushboolean(L, false);
    lua_setfield(L, metatable, "__metatable");
    lua_settop(L, top);
}
