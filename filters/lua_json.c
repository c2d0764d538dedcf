/* JSON is built from the top: each container is hung into its parent before it is filled, and the root belongs to the
 * arena from the start, so that an error of Lua in the middle leaks nothing. */
#include "filters/lua_json.h"

#include <lauxlib.h>

#include "filters/lua_event.h"
#include "filters/lua_sandbox.h"
#include "filters/lua_value.h"

/* Where a value goes: the root, an object's member or an array's end. */
struct target {
    json_t **root; /* NULL: a container */
    json_t *container;
    struct slice key; /* absent: an array */
    struct arena *arena;
};

/* Takes the reference `json` over. */
static void put(lua_State *L, const struct target *target, json_t *json)
{
    int failed = json == NULL;
    if (target->root)
        *target->root = json ? value_own_json(target->arena, json) : NULL;
    else if (slice_present(target->key))
        failed = json_object_setn_new(target->container, target->key.data, target->key.length, json);
    else
        failed = json_array_append_new(target->container, json);
    if (failed)
        luaL_error(L, "a text is not UTF-8, or a number is not one that JSON has");
}

static json_t *leaf_of_yyjson(yyjson_val *value)
{
    switch (yyjson_get_type(value)) {
    case YYJSON_TYPE_OBJ:
        return json_object();
    case YYJSON_TYPE_ARR:
        return json_array();
    case YYJSON_TYPE_STR:
        return json_stringn(yyjson_get_str(value), yyjson_get_len(value));
    case YYJSON_TYPE_BOOL:
        return json_boolean(yyjson_get_bool(value));
    case YYJSON_TYPE_NUM:
        if (yyjson_is_real(value) || (yyjson_is_uint(value) && yyjson_get_uint(value) > INT64_MAX))
            return json_real(yyjson_is_real(value) ? yyjson_get_real(value) : (double)yyjson_get_uint(value));
        return json_integer(yyjson_get_sint(value));
    default:
        return json_null();
    }
}

static void require_depth(lua_State *L, unsigned depth)
{
    if (depth > LUA_JSON_DEPTH_MAXIMUM)
        luaL_error(L, "a value is nested above %d levels, or contains itself", LUA_JSON_DEPTH_MAXIMUM);
}

// NOLINTNEXTLINE(misc-no-recursion): not deeper than LUA_JSON_DEPTH_MAXIMUM
static void put_yyjson(lua_State *L, yyjson_val *value, const struct target *target, unsigned depth)
{
    require_depth(L, depth);
    lua_sandbox_charge(L, 2);
    json_t *json = leaf_of_yyjson(value);
    put(L, target, json);
    size_t index, count;
    yyjson_val *key, *item;
    struct target inner = {.container = json};
    if (yyjson_is_arr(value)) {
        yyjson_arr_foreach(value, index, count, item) put_yyjson(L, item, &inner, depth + 1);
    } else if (yyjson_is_obj(value)) {
        yyjson_obj_foreach(value, index, count, key, item)
        {
            inner.key = slice_of(yyjson_get_str(key), yyjson_get_len(key));
            put_yyjson(L, item, &inner, depth + 1);
        }
    }
}

static void put_lua(lua_State *L, int index, const struct target *target, struct arena *arena, unsigned depth);

// NOLINTNEXTLINE(misc-no-recursion)
static void put_array(lua_State *L, int index, const struct target *target, struct arena *arena, unsigned depth)
{
    json_t *array = json_array();
    put(L, target, array);
    struct target inner = {.container = array};
    lua_Integer length = (lua_Integer)lua_rawlen(L, index);
    for (lua_Integer item = 1; item <= length; item++) {
        lua_rawgeti(L, index, item);
        put_lua(L, lua_gettop(L), &inner, arena, depth + 1);
        lua_pop(L, 1);
    }
}

// NOLINTNEXTLINE(misc-no-recursion)
static void put_object(lua_State *L, int index, const struct target *target, struct arena *arena, unsigned depth)
{
    json_t *object = json_object();
    put(L, target, object);
    uint32_t count;
    const struct slice *keys = lua_value_sorted_keys(L, index, arena, &count);
    struct target inner = {.container = object};
    for (uint32_t place = 0; place < count; place++) {
        inner.key = keys[place];
        lua_pushlstring(L, keys[place].data, keys[place].length);
        lua_rawget(L, index);
        put_lua(L, lua_gettop(L), &inner, arena, depth + 1);
        lua_pop(L, 1);
    }
}

static json_t *leaf_of_lua(lua_State *L, int index)
{
    size_t length;
    const char *text;
    switch (lua_type(L, index)) {
    case LUA_TNIL:
        return json_null();
    case LUA_TBOOLEAN:
        return json_boolean(lua_toboolean(L, index));
    case LUA_TNUMBER:
        return lua_isinteger(L, index) ? json_integer(lua_tointeger(L, index)) : json_real(lua_tonumber(L, index));
    case LUA_TSTRING:
        text = lua_tolstring(L, index, &length);
        lua_sandbox_charge(L, length / LUA_SANDBOX_BYTES_PER_INSTRUCTION);
        return json_stringn(text, length);
    default:
        if (lua_islightuserdata(L, index) && !lua_touserdata(L, index))
            return json_null();
        luaL_error(L, "a %s has no place in JSON", luaL_typename(L, index));
        return NULL;
    }
}

/* `index` is absolute. */
// NOLINTNEXTLINE(misc-no-recursion): not deeper than LUA_JSON_DEPTH_MAXIMUM
static void put_lua(lua_State *L, int index, const struct target *target, struct arena *arena, unsigned depth)
{
    require_depth(L, depth);
    luaL_checkstack(L, 8, "a value is nested too deeply");
    lua_sandbox_charge(L, 2);
    yyjson_val *value;
    if (lua_type(L, index) == LUA_TTABLE) {
        if (lua_value_table_kind(L, index) == LUA_TABLE_ARRAY)
            put_array(L, index, target, arena, depth);
        else
            put_object(L, index, target, arena, depth);
    } else if (lua_type(L, index) == LUA_TUSERDATA && lua_event_json(L, index, &value)) {
        put_yyjson(L, value, target, depth);
    } else {
        put(L, target, leaf_of_lua(L, index));
    }
}

json_t *lua_json_read(lua_State *L, int index, struct arena *arena)
{
    json_t *root = NULL;
    struct target target = {.root = &root, .arena = arena};
    put_lua(L, lua_absindex(L, index), &target, arena, 0);
    return root;
}

void lua_json_write_back(lua_State *L, int index, json_t *shared, struct arena *arena)
{
    json_t *edited = lua_json_read(L, index, arena);
    if (!json_is_object(edited))
        luaL_error(L, "the object that is edited has become a list");
    const char *key;
    size_t length;
    json_t *member;
    json_object_keylen_foreach(shared, key, length, member)
    {
        if (json_is_null(member) && !json_object_getn(edited, key, length))
            json_object_setn_new(edited, key, length, json_null());
    }
    if (json_equal(edited, shared))
        return;
    json_object_clear(shared);
    json_object_update(shared, edited);
}

static void copy_yyjson(lua_State *L, yyjson_val *value, unsigned depth);

// NOLINTNEXTLINE(misc-no-recursion)
static void copy_yyjson_container(lua_State *L, yyjson_val *value, unsigned depth)
{
    size_t index, count;
    yyjson_val *key, *item;
    lua_newtable(L);
    if (yyjson_is_arr(value)) {
        lua_value_mark_array(L);
        yyjson_arr_foreach(value, index, count, item)
        {
            if (yyjson_is_null(item))
                lua_pushlightuserdata(L, NULL);
            else
                copy_yyjson(L, item, depth + 1);
            lua_rawseti(L, -2, (lua_Integer)index + 1);
        }
        return;
    }
    yyjson_obj_foreach(value, index, count, key, item)
    {
        lua_pushlstring(L, yyjson_get_str(key), yyjson_get_len(key));
        copy_yyjson(L, item, depth + 1);
        lua_rawset(L, -3);
    }
}

// NOLINTNEXTLINE(misc-no-recursion): not deeper than LUA_JSON_DEPTH_MAXIMUM
static void copy_yyjson(lua_State *L, yyjson_val *value, unsigned depth)
{
    require_depth(L, depth);
    luaL_checkstack(L, 6, "a value is nested too deeply");
    lua_sandbox_charge(L, 2);
    if (yyjson_is_ctn(value))
        copy_yyjson_container(L, value, depth);
    else if (yyjson_is_str(value))
        lua_pushlstring(L, yyjson_get_str(value), yyjson_get_len(value));
    else if (yyjson_is_bool(value))
        lua_pushboolean(L, yyjson_get_bool(value));
    else if (yyjson_is_real(value) || (yyjson_is_uint(value) && yyjson_get_uint(value) > INT64_MAX))
        lua_pushnumber(L, yyjson_is_real(value) ? yyjson_get_real(value) : (double)yyjson_get_uint(value));
    else if (yyjson_is_num(value))
        lua_pushinteger(L, yyjson_get_sint(value));
    else
        lua_pushnil(L);
}

// NOLINTNEXTLINE(misc-no-recursion): not deeper than LUA_JSON_DEPTH_MAXIMUM
static void copy_table(lua_State *L, int index, unsigned depth)
{
    require_depth(L, depth);
    luaL_checkstack(L, 8, "a value is nested too deeply");
    lua_newtable(L);
    int copy = lua_gettop(L);
    if (lua_getmetatable(L, index))
        lua_setmetatable(L, copy);
    for (lua_pushnil(L); lua_next(L, index);) {
        lua_sandbox_charge(L, 2);
        lua_pushvalue(L, -2);
        if (lua_type(L, -2) == LUA_TTABLE)
            copy_table(L, lua_gettop(L) - 1, depth + 1);
        else
            lua_pushvalue(L, -2);
        lua_rawset(L, copy);
        lua_pop(L, 1);
    }
}

int lua_json_copy(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    yyjson_val *value;
    if (lua_type(L, 1) == LUA_TTABLE)
        copy_table(L, 1, 0);
    else if (lua_type(L, 1) == LUA_TUSERDATA && lua_event_json(L, 1, &value))
        copy_yyjson(L, value, 0);
    return 1;
}
