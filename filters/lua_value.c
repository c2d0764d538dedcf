/* Tables made of arguments, and what a table that a script made is. */
#include "filters/lua_value.h"

#include <lauxlib.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "filters/lua_sandbox.h"

#define ARRAY_METATABLE "array"
#define PRESENCE_METATABLE "presence state"

static void push_text(lua_State *L, struct slice text)
{
    if (slice_present(text))
        lua_pushlstring(L, text.data, text.length);
    else
        lua_pushnil(L);
}

static void set_text(lua_State *L, const char *name, struct slice text)
{
    push_text(L, text);
    lua_setfield(L, -2, name);
}

static void set_integer(lua_State *L, const char *name, int64_t number)
{
    lua_pushinteger(L, number);
    lua_setfield(L, -2, name);
}

// NOLINTNEXTLINE(misc-no-recursion): jansson's own depth limit bounds it, and so does lua_checkstack
void lua_value_push_json(lua_State *L, const json_t *json)
{
    json_t *value = (json_t *)(uintptr_t)json;
    luaL_checkstack(L, 6, "JSON is nested too deeply");
    switch (value ? json_typeof(value) : JSON_NULL) {
    case JSON_OBJECT: {
        lua_createtable(L, 0, (int)json_object_size(value));
        const char *key;
        size_t length;
        json_t *member;
        json_object_keylen_foreach(value, key, length, member)
        {
            if (json_is_null(member))
                continue;
            lua_pushlstring(L, key, length);
            lua_value_push_json(L, member);
            lua_rawset(L, -3);
        }
        break;
    }
    case JSON_ARRAY:
        lua_createtable(L, (int)json_array_size(value), 0);
        luaL_setmetatable(L, ARRAY_METATABLE);
        for (size_t index = 0; index < json_array_size(value); index++) {
            const json_t *item = json_array_get(value, index);
            if (json_is_null(item))
                lua_pushlightuserdata(L, NULL);
            else
                lua_value_push_json(L, item);
            lua_rawseti(L, -2, (lua_Integer)index + 1);
        }
        break;
    case JSON_STRING:
        lua_pushlstring(L, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        lua_pushinteger(L, json_integer_value(value));
        break;
    case JSON_REAL:
        lua_pushnumber(L, json_real_value(value));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        lua_pushboolean(L, json_is_true(value));
        break;
    case JSON_NULL:
        lua_pushnil(L);
        break;
    }
}

static void push_presence(lua_State *L, const struct presence_state *state)
{
    lua_createtable(L, 0, 7);
    set_text(L, "user_id", state->user_id);
    set_text(L, "state", state->state);
    set_integer(L, "last_active_ts", state->last_active_ts);
    set_integer(L, "last_federation_update_ts", state->last_federation_update_ts);
    set_integer(L, "last_user_sync_ts", state->last_user_sync_ts);
    set_text(L, "status_msg", state->status_message);
    lua_pushboolean(L, state->currently_active);
    lua_setfield(L, -2, "currently_active");
    luaL_setmetatable(L, PRESENCE_METATABLE);
}

// NOLINTNEXTLINE(misc-no-recursion)
static void push_items(lua_State *L, const struct value *value)
{
    lua_createtable(L, (int)value->count, 0);
    luaL_setmetatable(L, ARRAY_METATABLE);
    for (uint32_t index = 0; index < value->count; index++) {
        lua_value_push(L, &value->items[index]);
        lua_rawseti(L, -2, (lua_Integer)index + 1);
    }
}

// NOLINTNEXTLINE(misc-no-recursion): arguments are as deep as VALUE_DEPTH_MAXIMUM
void lua_value_push(lua_State *L, const struct value *value)
{
    luaL_checkstack(L, 6, "a value is nested too deeply");
    switch (value->kind) {
    case VALUE_BOOLEAN:
        lua_pushboolean(L, value->boolean);
        break;
    case VALUE_INTEGER:
        lua_pushinteger(L, value->integer);
        break;
    case VALUE_FLOAT:
        lua_pushnumber(L, value->number);
        break;
    case VALUE_TEXT:
    case VALUE_CODE:
        push_text(L, value->text);
        break;
    case VALUE_TUPLE:
    case VALUE_LIST:
    case VALUE_SET:
        push_items(L, value);
        break;
    case VALUE_DICT:
        lua_createtable(L, 0, (int)value->count);
        for (uint32_t pair = 0; pair < value->count; pair++) {
            lua_value_push(L, &value->items[2 * (size_t)pair]);
            lua_value_push(L, &value->items[2 * (size_t)pair + 1]);
            if (lua_isnil(L, -2))
                lua_pop(L, 2);
            else
                lua_rawset(L, -3);
        }
        break;
    case VALUE_JSON:
        lua_value_push_json(L, value->object);
        break;
    case VALUE_STATE:
        push_presence(L, value->state);
        break;
    case VALUE_LIMIT:
        lua_createtable(L, 0, 2);
        set_integer(L, "max_bytes", value->limit.max_bytes);
        set_integer(L, "time_period_ms", value->limit.time_period_ms);
        break;
    default:
        lua_pushnil(L);
    }
}

struct slice lua_value_read_text(lua_State *L, int index, struct arena *arena)
{
    struct slice text;
    text.data = lua_tolstring(L, index, &text.length);
    lua_sandbox_charge(L, text.length / LUA_SANDBOX_BYTES_PER_INSTRUCTION);
    if (!utf8_valid(text))
        luaL_error(L, "a text in the answer is not UTF-8");
    return arena_copy(arena, text);
}

static bool has_metatable(lua_State *L, int index, const char *name)
{
    if (!lua_getmetatable(L, index))
        return false;
    luaL_getmetatable(L, name);
    bool same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same;
}

enum lua_table_kind lua_value_table_kind(lua_State *L, int index)
{
    if (has_metatable(L, index, PRESENCE_METATABLE))
        return LUA_TABLE_PRESENCE;
    size_t length = lua_rawlen(L, index);
    if (length == 0)
        return has_metatable(L, index, ARRAY_METATABLE) ? LUA_TABLE_ARRAY : LUA_TABLE_OBJECT;
    lua_sandbox_charge(L, length);
    size_t keys = 0;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1))
        keys++;
    if (keys != length)
        luaL_error(L, "a table with both a list's items and other keys cannot be told");
    return LUA_TABLE_ARRAY;
}

static int compare_keys(const void *left_pointer, const void *right_pointer)
{
    const struct slice *left = left_pointer, *right = right_pointer;
    size_t length = left->length < right->length ? left->length : right->length;
    int order = length ? memcmp(left->data, right->data, length) : 0;
    return order ? order : (left->length > right->length) - (left->length < right->length);
}

struct slice *lua_value_sorted_keys(lua_State *L, int index, struct arena *arena, uint32_t *count)
{
    uint32_t keys = 0;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            luaL_error(L, "a table has a %s as a key", luaL_typename(L, -2));
        keys++;
    }
    lua_sandbox_charge(L, 4 * (size_t)keys);
    struct slice *list = arena_allocate(arena, (keys + 1) * sizeof *list);
    uint32_t filled = 0;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        list[filled].data = lua_tolstring(L, -2, &list[filled].length);
        filled++;
    }
    qsort(list, filled, sizeof *list, compare_keys);
    *count = filled;
    return list;
}

static int64_t presence_number(lua_State *L, int index, const char *name)
{
    lua_pushstring(L, name);
    lua_rawget(L, index);
    int whole;
    int64_t number = lua_tointegerx(L, -1, &whole);
    if (!whole && !lua_isnil(L, -1))
        luaL_error(L, "%s of a presence state is no whole number", name);
    lua_pop(L, 1);
    return number;
}

static struct slice presence_text(lua_State *L, int index, const char *name, struct arena *arena)
{
    lua_pushstring(L, name);
    lua_rawget(L, index);
    int type = lua_type(L, -1);
    if (type != LUA_TSTRING && type != LUA_TNIL)
        luaL_error(L, "%s of a presence state is no text", name);
    struct slice text = type == LUA_TSTRING ? lua_value_read_text(L, -1, arena) : SLICE_ABSENT;
    lua_pop(L, 1);
    return text;
}

const struct presence_state *lua_value_read_presence(lua_State *L, int index, struct arena *arena)
{
    index = lua_absindex(L, index);
    struct presence_state *state = arena_allocate(arena, sizeof *state);
    state->user_id = presence_text(L, index, "user_id", arena);
    state->state = presence_text(L, index, "state", arena);
    if (!slice_present(state->user_id) || !slice_present(state->state))
        luaL_error(L, "a presence state has no %s", slice_present(state->user_id) ? "state" : "user_id");
    state->last_active_ts = presence_number(L, index, "last_active_ts");
    state->last_federation_update_ts = presence_number(L, index, "last_federation_update_ts");
    state->last_user_sync_ts = presence_number(L, index, "last_user_sync_ts");
    state->status_message = presence_text(L, index, "status_msg", arena);
    lua_pushliteral(L, "currently_active");
    lua_rawget(L, index);
    state->currently_active = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return state;
}

void lua_value_mark_array(lua_State *L)
{
    luaL_setmetatable(L, ARRAY_METATABLE);
}

int lua_value_make_array(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    if (has_metatable(L, 1, PRESENCE_METATABLE))
        return luaL_argerror(L, 1, "a presence state is no array");
    luaL_setmetatable(L, ARRAY_METATABLE);
    return 1;
}

int lua_value_make_presence(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    luaL_setmetatable(L, PRESENCE_METATABLE);
    return 1;
}

static void make_metatable(lua_State *L, const char *name)
{
    luaL_newmetatable(L, name);
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
}

void lua_value_open(lua_State *L)
{
    make_metatable(L, ARRAY_METATABLE);
    make_metatable(L, PRESENCE_METATABLE);
}
