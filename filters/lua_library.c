/* One table of functions. Each takes texts and numbers, pays for what it goes through, and keeps nothing outside of the
 * script's memory limit but compiled pattern sets, which are made while the script is loaded and never afterwards. */
#include "filters/lua_library.h"

#include <lauxlib.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <time.h>
#include <xxhash.h>

#include "base/utf8.h"
#include "filters/lua_json.h"
#include "filters/lua_sandbox.h"
#include "filters/lua_store.h"
#include "filters/lua_value.h"
#include "filters/pattern_set.h"

#define PATTERNS_METATABLE "pattern set"
/* Patterns of one set of a script; longer lists belong into a module made for them. */
#define PATTERNS_MAXIMUM 100000

static struct lua_library *library_of(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(1));
}

static struct slice check_text(lua_State *L, int index)
{
    struct slice text;
    text.data = luaL_checklstring(L, index, &text.length);
    lua_sandbox_charge(L, text.length / LUA_SANDBOX_BYTES_PER_INSTRUCTION);
    return text;
}

/* ---- matching */

static size_t character_length(const char *at, const char *end)
{
    size_t length = 1;
    while (at + length < end && ((unsigned char)at[length] & 0xc0) == 0x80)
        length++;
    return length;
}

/* weir.glob(pattern, text): `*` any run of characters, `?` one. Back to the last star whenever it does not go on: steps
 * at most pattern times text. */
static int match_glob(lua_State *L)
{
    struct slice pattern = check_text(L, 1), text = check_text(L, 2);
    const char *at = text.data, *end = text.data + text.length;
    const char *glob = pattern.data, *glob_end = pattern.data + pattern.length;
    const char *star = NULL, *star_at = NULL;
    size_t steps = 0;
    while (at < end) {
        if (++steps % 256 == 0)
            lua_sandbox_charge(L, 256 / 4);
        if (glob < glob_end && *glob == '*') {
            star = ++glob;
            star_at = at;
        } else if (glob < glob_end && *glob == '?') {
            glob++;
            at += character_length(at, end);
        } else if (glob < glob_end && *glob == *at) {
            glob++;
            at++;
        } else if (star) {
            glob = star;
            star_at += character_length(star_at, end);
            at = star_at;
        } else {
            break;
        }
    }
    while (glob < glob_end && *glob == '*')
        glob++;
    lua_pushboolean(L, at == end && glob == glob_end);
    return 1;
}

struct patterns {
    struct pattern_set *set;
};

static int free_patterns(lua_State *L)
{
    struct patterns *patterns = luaL_checkudata(L, 1, PATTERNS_METATABLE);
    if (patterns->set)
        pattern_set_destroy(patterns->set);
    patterns->set = NULL;
    return 0;
}

/* set:match(text): the first pattern of the list that matches, and its place; nothing if none does. */
static int match_patterns(lua_State *L)
{
    struct patterns *patterns = luaL_checkudata(L, 1, PATTERNS_METATABLE);
    if (lua_isnoneornil(L, 2))
        return 0;
    struct slice text = check_text(L, 2);
    if (!utf8_valid(text))
        return luaL_argerror(L, 2, "the text is not UTF-8");
    lua_sandbox_charge(L, text.length / 8);
    uint32_t index = pattern_set_scan(patterns->set, text);
    if (index == PATTERN_NONE)
        return 0;
    lua_getiuservalue(L, 1, 1);
    lua_rawgeti(L, -1, (lua_Integer)index + 1);
    lua_pushinteger(L, (lua_Integer)index + 1);
    return 2;
}

/* The first fault of a pattern set. */
struct pattern_fault {
    bool found;
    uint32_t index;
    char message[200];
};

static void note_fault(void *context, uint32_t index, const char *message)
{
    struct pattern_fault *fault = context;
    if (fault->found)
        return;
    fault->found = true;
    fault->index = index;
    snprintf(fault->message, sizeof fault->message, "%s", message);
}

static enum pattern_syntax check_syntax(lua_State *L)
{
    static const char *const names[] = {"literal", "glob", "regex", NULL};
    static const enum pattern_syntax syntaxes[] = {PATTERN_LITERAL, PATTERN_GLOB, PATTERN_REGEX};
    lua_getfield(L, 1, "syntax");
    const char *name = lua_isnil(L, -1) ? "literal" : lua_tostring(L, -1);
    for (size_t index = 0; name && names[index]; index++)
        if (strcmp(name, names[index]) == 0) {
            lua_pop(L, 1);
            return syntaxes[index];
        }
    luaL_error(L, "syntax must be literal, glob or regex");
    return PATTERN_LITERAL;
}

/* weir.patterns{syntax = …, case_sensitive = …, "…", …}. The texts are kept beside the set, as its user value. */
static int make_patterns(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    if (!library_of(L)->loading)
        return luaL_error(L, "weir.patterns compiles a set: make it once, at the top of the script");
    enum pattern_syntax syntax = check_syntax(L);
    lua_getfield(L, 1, "case_sensitive");
    bool case_sensitive = lua_toboolean(L, -1);
    lua_settop(L, 1);
    lua_Unsigned count = lua_rawlen(L, 1);
    if (count > PATTERNS_MAXIMUM)
        return luaL_error(L, "a pattern set has at most %d patterns", PATTERNS_MAXIMUM);
    struct pattern *list = lua_newuserdatauv(L, (size_t)(count + 1) * sizeof *list, 0);
    lua_createtable(L, (int)count, 0);
    for (lua_Unsigned index = 0; index < count; index++) {
        struct pattern *pattern = &list[index];
        if (lua_rawgeti(L, 1, (lua_Integer)index + 1) != LUA_TSTRING)
            return luaL_error(L, "pattern %I is no text", (LUAI_UACINT)index + 1);
        pattern->text.data = lua_tolstring(L, -1, &pattern->text.length);
        if (pattern->text.length == 0 || !utf8_valid(pattern->text))
            return luaL_error(L, "pattern %I is empty or not UTF-8", (LUAI_UACINT)index + 1);
        pattern->syntax = syntax;
        pattern->case_sensitive = case_sensitive;
        lua_rawseti(L, 3, (lua_Integer)index + 1);
    }
    struct patterns *patterns = lua_newuserdatauv(L, sizeof *patterns, 1);
    patterns->set = NULL;
    luaL_setmetatable(L, PATTERNS_METATABLE);
    lua_pushvalue(L, 3);
    lua_setiuservalue(L, -2, 1);
    struct pattern_fault fault = {0};
    patterns->set = pattern_set_compile(list, (uint32_t)count, note_fault, &fault);
    if (!patterns->set)
        return luaL_error(L, "pattern %d: %s", (int)fault.index + 1, fault.message);
    return 1;
}

/* ---- hashing */

static int sha256(lua_State *L)
{
    struct slice text = check_text(L, 1);
    lua_sandbox_charge(L, text.length / 8);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    if (EVP_Digest(text.data, text.length, digest, &length, EVP_sha256(), NULL) != 1)
        return luaL_error(L, "SHA-256 is not available");
    char hexadecimal[2 * EVP_MAX_MD_SIZE + 1];
    for (unsigned index = 0; index < length; index++)
        snprintf(hexadecimal + 2 * (size_t)index, 3, "%02x", digest[index]);
    lua_pushlstring(L, hexadecimal, 2 * (size_t)length);
    return 1;
}

static int xxhash(lua_State *L)
{
    struct slice text = check_text(L, 1);
    lua_pushinteger(L, (lua_Integer)XXH3_64bits(text.data, text.length));
    return 1;
}

/* In a time that does not depend on where the two differ. */
static int equal_secrets(lua_State *L)
{
    struct slice left = check_text(L, 1), right = check_text(L, 2);
    bool equal = left.length == right.length && CRYPTO_memcmp(left.data, right.data, left.length) == 0;
    lua_pushboolean(L, equal);
    return 1;
}

/* ---- time */

static struct timespec clock_now(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now;
}

static int now_ms(lua_State *L)
{
    struct timespec now = clock_now(CLOCK_MONOTONIC);
    lua_pushinteger(L, (lua_Integer)now.tv_sec * 1000 + now.tv_nsec / 1000000);
    return 1;
}

static int wall_time(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)clock_now(CLOCK_REALTIME).tv_sec);
    return 1;
}

/* ---- Matrix */

static int server_of(lua_State *L)
{
    struct slice id = check_text(L, 1);
    const char *colon = memchr(id.data, ':', id.length);
    if (!colon)
        return 0;
    lua_pushlstring(L, colon + 1, id.length - (size_t)(colon + 1 - id.data));
    return 1;
}

/* weir.find_state(state, type, state_key = ""): the event of the room's state, or nothing. */
static int find_state(lua_State *L)
{
    if (lua_isnil(L, 1))
        return 0;
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checkstring(L, 2);
    luaL_optstring(L, 3, "");
    lua_settop(L, 3);
    if (lua_isnil(L, 3)) {
        lua_pushliteral(L, "");
        lua_replace(L, 3);
    }
    lua_Integer count = (lua_Integer)lua_rawlen(L, 1);
    lua_sandbox_charge(L, (size_t)count);
    for (lua_Integer index = 1; index <= count; index++) {
        if (lua_rawgeti(L, 1, index) == LUA_TTABLE) {
            lua_pushliteral(L, "type");
            lua_rawget(L, 4);
            lua_pushliteral(L, "state_key");
            lua_rawget(L, 4);
            if (lua_rawequal(L, 5, 2) && lua_rawequal(L, 6, 3)) {
                lua_settop(L, 4);
                return 1;
            }
        }
        lua_settop(L, 3);
    }
    return 0;
}

/* ---- words for people */

/* reason(text, rule): why the answer is what it will be, for the verdict. */
static int set_reason(lua_State *L)
{
    struct lua_library *library = library_of(L);
    luaL_checkstring(L, 1);
    bool has_rule = !lua_isnoneornil(L, 2);
    if (has_rule)
        luaL_checkstring(L, 2);
    if (!library->result)
        return luaL_error(L, "there is nothing to give a reason for");
    library->result->reason = lua_value_read_text(L, 1, library->arena);
    library->result->rule = has_rule ? lua_value_read_text(L, 2, library->arena) : SLICE_ABSENT;
    return 0;
}

/* Whether one more line may be logged in this second. */
static bool log_allows(struct lua_library *library)
{
    int64_t second = clock_now(CLOCK_MONOTONIC).tv_sec;
    if (second != library->log_second) {
        uint32_t dropped = library->log_dropped;
        library->log_second = second;
        library->log_lines = library->log_dropped = 0;
        if (dropped) {
            char text[64];
            int length = snprintf(text, sizeof text, "%u lines of this script were left out", dropped);
            library->log("warning", library->name, slice_of(text, (size_t)length));
        }
    }
    if (library->log_lines == LUA_LOG_LINES_PER_SECOND) {
        library->log_dropped++;
        return false;
    }
    library->log_lines++;
    return true;
}

void lua_library_log(struct lua_library *library, const char *level, struct slice text)
{
    if (!library->log || !log_allows(library))
        return;
    if (text.length > LUA_LOG_LINE_MAXIMUM) {
        text.length = LUA_LOG_LINE_MAXIMUM;
        while (text.length && ((unsigned char)text.data[text.length] & 0xc0) == 0x80)
            text.length--;
    }
    library->log(level, library->name, text);
}

/* Upvalues: the library, the level. */
static int log_line(lua_State *L)
{
    struct slice text = check_text(L, 1);
    lua_library_log(library_of(L), lua_tostring(L, lua_upvalueindex(2)), text);
    return 0;
}

/* As Lua's, with one space between, to the log. */
static int print(lua_State *L)
{
    int count = lua_gettop(L);
    luaL_Buffer line;
    luaL_buffinit(L, &line);
    for (int index = 1; index <= count; index++) {
        if (index > 1)
            luaL_addchar(&line, ' ');
        luaL_tolstring(L, index, NULL);
        luaL_addvalue(&line);
    }
    luaL_pushresult(&line);
    struct slice text = check_text(L, -1);
    lua_library_log(library_of(L), "info", text);
    return 0;
}

static const luaL_Reg functions[] = {
    {"array", lua_value_make_array},
    {"copy", lua_json_copy},
    {"equal_secrets", equal_secrets},
    {"find_state", find_state},
    {"glob", match_glob},
    {"now_ms", now_ms},
    {"patterns", make_patterns},
    {"server_of", server_of},
    {"sha256", sha256},
    {"store", lua_store_make},
    {"time", wall_time},
    {"xxhash", xxhash},
    {NULL, NULL},
};

static void open_patterns(lua_State *L)
{
    luaL_newmetatable(L, PATTERNS_METATABLE);
    lua_newtable(L);
    lua_pushcfunction(L, match_patterns);
    lua_setfield(L, -2, "match");
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, free_patterns);
    lua_setfield(L, -2, "__gc");
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
}

static void open_log(struct lua_library *library, lua_State *L)
{
    static const char *const levels[] = {"debug", "info", "warning", "error"};
    lua_newtable(L);
    for (size_t index = 0; index < sizeof levels / sizeof *levels; index++) {
        lua_pushlightuserdata(L, library);
        lua_pushstring(L, levels[index]);
        lua_pushcclosure(L, log_line, 2);
        lua_setfield(L, -2, levels[index]);
    }
    lua_setfield(L, -2, "log");
}

static void set_global(struct lua_library *library, lua_State *L, const char *name, lua_CFunction function)
{
    lua_pushlightuserdata(L, library);
    lua_pushcclosure(L, function, 1);
    lua_setglobal(L, name);
}

void lua_library_open(struct lua_library *library, lua_State *L)
{
    lua_store_open(L);
    open_patterns(L);
    lua_newtable(L);
    lua_pushlightuserdata(L, library);
    luaL_setfuncs(L, functions, 1);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    open_log(library, L);
    lua_setglobal(L, "weir");
    set_global(library, L, "reason", set_reason);
    set_global(library, L, "print", print);
}
