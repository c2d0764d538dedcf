/* The functions themselves: arguments, captures and replacements. The matcher is lua_pattern.c's. */
#include "filters/lua_string.h"

#include <lauxlib.h>
#include <string.h>

#include "filters/lua_pattern.h"
#include "filters/lua_sandbox.h"

/* As luaL_checklstring, which never returns NULL either. */
static const char *check_text(lua_State *L, int index, size_t *length) __attribute__((returns_nonnull));
static const char *check_text(lua_State *L, int index, size_t *length)
{
    return luaL_checklstring(L, index, length);
}

static void push_capture(struct lua_matcher *matcher, unsigned capture, const char *begin, const char *end)
{
    if (capture >= matcher->pattern->captures) {
        if (capture > 0)
            luaL_error(matcher->L, "invalid capture index %%%d in replacement string", (int)capture + 1);
        lua_pushlstring(matcher->L, begin, (size_t)(end - begin));
    } else if (matcher->pattern->is_position[capture]) {
        lua_pushinteger(matcher->L, matcher->captures[capture].begin - matcher->text + 1);
    } else {
        const char *from = matcher->captures[capture].begin;
        lua_pushlstring(matcher->L, from, (size_t)(matcher->captures[capture].end - from));
    }
}

/* All captures, or the whole match if there are none and `whole`. */
static int push_captures(struct lua_matcher *matcher, const char *begin, const char *end, bool whole)
{
    unsigned count = matcher->pattern->captures;
    if (count == 0 && whole)
        count = 1;
    luaL_checkstack(matcher->L, (int)count, "too many captures");
    for (unsigned capture = 0; capture < count; capture++)
        push_capture(matcher, capture, begin, end);
    return (int)count;
}

/* Where to begin, as an offset, from the optional argument at `index`; above `length` if that is behind the end. */
static size_t begin_argument(lua_State *L, int index, size_t length)
{
    lua_Integer begin = luaL_optinteger(L, index, 1);
    if (begin > 0)
        return (size_t)begin - 1;
    if (begin == 0 || begin < -(lua_Integer)length)
        return 0;
    return length - (size_t)-begin;
}

static bool has_specials(const char *pattern, size_t length)
{
    for (size_t index = 0; index < length; index++)
        if (pattern[index] && strchr("^$*+?.([%-", pattern[index]))
            return true;
    return false;
}

static int find_plain(lua_State *L, const char *text, size_t length, size_t begin)
{
    size_t wanted_length;
    const char *wanted = lua_tolstring(L, 2, &wanted_length);
    lua_sandbox_charge(L, (length - begin) / LUA_SANDBOX_BYTES_PER_INSTRUCTION);
    const char *found = wanted_length ? memmem(text + begin, length - begin, wanted, wanted_length) : text + begin;
    if (!found) {
        luaL_pushfail(L);
        return 1;
    }
    lua_pushinteger(L, found - text + 1);
    lua_pushinteger(L, found - text + (lua_Integer)wanted_length);
    return 2;
}

static int find_or_match(lua_State *L, bool find)
{
    size_t length, pattern_length;
    const char *text = check_text(L, 1, &length);
    const char *pattern = check_text(L, 2, &pattern_length);
    size_t begin = begin_argument(L, 3, length);
    if (begin > length) {
        luaL_pushfail(L);
        return 1;
    }
    if (find && (lua_toboolean(L, 4) || !has_specials(pattern, pattern_length)))
        return find_plain(L, text, length, begin);
    struct lua_matcher matcher = {.L = L, .pattern = lua_pattern_get(L, 2), .text = text, .end = text + length};
    const char *match_end;
    const char *match = lua_matcher_search(&matcher, text + begin, &match_end);
    lua_matcher_pay(&matcher);
    if (!match) {
        luaL_pushfail(L);
        return 1;
    }
    if (!find)
        return push_captures(&matcher, match, match_end, true);
    lua_pushinteger(L, match - text + 1);
    lua_pushinteger(L, match_end - text);
    return push_captures(&matcher, NULL, NULL, false) + 2;
}

int lua_string_find(lua_State *L)
{
    return find_or_match(L, true);
}

int lua_string_match(lua_State *L)
{
    return find_or_match(L, false);
}

/* Upvalues: text, program, offset of the next try, offset where the last match ended (-1: none). */
static int gmatch_next(lua_State *L)
{
    size_t length;
    const char *text = lua_tolstring(L, lua_upvalueindex(1), &length);
    struct lua_matcher matcher = {
        .L = L, .pattern = lua_touserdata(L, lua_upvalueindex(2)), .text = text, .end = text + length};
    size_t at = (size_t)lua_tointeger(L, lua_upvalueindex(3));
    lua_Integer last = lua_tointeger(L, lua_upvalueindex(4));
    while (at <= length) {
        const char *match_end;
        const char *match = lua_matcher_search(&matcher, text + at, &match_end);
        if (!match)
            break;
        if (match_end - text == last) { /* an empty match right behind the last one */
            at = (size_t)(match - text) + 1;
            continue;
        }
        lua_pushinteger(L, match_end - text);
        lua_copy(L, -1, lua_upvalueindex(3));
        lua_replace(L, lua_upvalueindex(4));
        lua_matcher_pay(&matcher);
        return push_captures(&matcher, match, match_end, true);
    }
    lua_pushinteger(L, (lua_Integer)length + 1);
    lua_replace(L, lua_upvalueindex(3));
    lua_matcher_pay(&matcher);
    return 0;
}

int lua_string_gmatch(lua_State *L)
{
    size_t length, pattern_length;
    check_text(L, 1, &length);
    const char *pattern = check_text(L, 2, &pattern_length);
    size_t begin = begin_argument(L, 3, length);
    lua_settop(L, 2);
    lua_pushvalue(L, 1);
    if (pattern_length && *pattern == '^')
        lua_pattern_compile(L, 2, false);
    else
        lua_pattern_get(L, 2);
    lua_pushinteger(L, begin > length ? (lua_Integer)length + 1 : (lua_Integer)begin);
    lua_pushinteger(L, -1);
    lua_pushcclosure(L, gmatch_next, 4);
    return 1;
}

/* What stands for a match, by the text of argument 3 with its `%1`. */
static void add_text(struct lua_matcher *matcher, luaL_Buffer *output, const char *begin, const char *end)
{
    lua_State *L = matcher->L;
    size_t length;
    const char *text = lua_tolstring(L, 3, &length);
    matcher->steps += length / 4;
    for (size_t index = 0; index < length; index++) {
        if (text[index] != '%') {
            luaL_addchar(output, text[index]);
            continue;
        }
        char next = text[++index]; /* a NUL behind the end */
        if (next == '%') {
            luaL_addchar(output, '%');
        } else if (next == '0') {
            luaL_addlstring(output, begin, (size_t)(end - begin));
        } else if (next >= '1' && next <= '9') {
            push_capture(matcher, (unsigned)(next - '1'), begin, end);
            luaL_tolstring(L, -1, NULL);
            lua_remove(L, -2);
            luaL_addvalue(output);
        } else {
            luaL_error(L, "invalid use of '%%' in replacement string");
        }
    }
}

/* What stands for a match, by argument 3, which is a text, a table or a function. */
static void add_replacement(struct lua_matcher *matcher, luaL_Buffer *output, const char *begin, const char *end)
{
    lua_State *L = matcher->L;
    int type = lua_type(L, 3);
    if (type == LUA_TSTRING || type == LUA_TNUMBER) {
        add_text(matcher, output, begin, end);
        return;
    }
    if (type == LUA_TTABLE) {
        push_capture(matcher, 0, begin, end);
        lua_gettable(L, 3);
    } else {
        lua_pushvalue(L, 3);
        lua_call(L, push_captures(matcher, begin, end, true), 1);
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        luaL_addlstring(output, begin, (size_t)(end - begin));
    } else if (lua_isstring(L, -1)) {
        luaL_addvalue(output);
    } else {
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    }
}

int lua_string_gsub(lua_State *L)
{
    size_t length;
    const char *text = check_text(L, 1, &length);
    luaL_checkstring(L, 2);
    int type = lua_type(L, 3);
    luaL_argexpected(L, type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TTABLE || type == LUA_TFUNCTION, 3,
                     "string/function/table");
    lua_Integer most = luaL_optinteger(L, 4, (lua_Integer)length + 1);
    if (type == LUA_TNUMBER) {
        lua_settop(L, 3);
        luaL_tolstring(L, 3, NULL);
        lua_replace(L, 3);
    }
    lua_settop(L, 3);
    struct lua_matcher matcher = {.L = L, .pattern = lua_pattern_get(L, 2), .text = text, .end = text + length};
    luaL_Buffer output;
    luaL_buffinit(L, &output);
    const char *copied = text; /* up to here */
    const char *at = text;
    const char *last = NULL;
    lua_Integer count = 0;
    while (count < most) {
        const char *match_end;
        const char *match = lua_matcher_search(&matcher, at, &match_end);
        if (!match)
            break;
        if (match_end != last) {
            count++;
            luaL_addlstring(&output, copied, (size_t)(match - copied));
            add_replacement(&matcher, &output, match, match_end);
            at = copied = last = match_end;
        } else {
            at = match + 1;
        }
        if (matcher.pattern->anchored || at > matcher.end)
            break;
    }
    luaL_addlstring(&output, copied, (size_t)(matcher.end - copied));
    luaL_pushresult(&output);
    lua_pushinteger(L, count);
    lua_matcher_pay(&matcher);
    return 2;
}
