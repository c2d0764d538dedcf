/* JSON is built from the top: each container is hung into its parent before it is filled, and the root belongs to the
 * arena from the start, so that an error of Lua in the middle leaks nothing. */
#include "filters/lua_value.h"

#include <lauxlib.h>
#include <math.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "filters/lua_event.h"
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
    if (depth > LUA_VALUE_DEPTH_MAXIMUM)
        luaL_error(L, "a value is nested above %d levels, or contains itself", LUA_VALUE_DEPTH_MAXIMUM);
}

// NOLINTNEXTLINE(misc-no-recursion): not deeper than LUA_VALUE_DEPTH_MAXIMUM
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
// NOLINTNEXTLINE(misc-no-recursion): not deeper than LUA_VALUE_DEPTH_MAXIMUM
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

json_t *lua_value_read_json(lua_State *L, int index, struct arena *arena)
{
    json_t *root = NULL;
    struct target target = {.root = &root, .arena = arena};
    put_lua(L, lua_absindex(L, index), &target, arena, 0);
    return root;
}

void lua_value_write_back(lua_State *L, int index, json_t *shared, struct arena *arena)
{
    json_t *edited = lua_value_read_json(L, index, arena);
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

static void copy_yyjson(lua_State *L, yyjson_val *value, unsigned depth);

// NOLINTNEXTLINE(misc-no-recursion)
static void copy_yyjson_container(lua_State *L, yyjson_val *value, unsigned depth)
{
    size_t index, count;
    yyjson_val *key, *item;
    lua_newtable(L);
    if (yyjson_is_arr(value)) {
        luaL_setmetatable(L, ARRAY_METATABLE);
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

// NOLINTNEXTLINE(misc-no-recursion): not deeper than LUA_VALUE_DEPTH_MAXIMUM
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

// NOLINTNEXTLINE(misc-no-recursion): not deeper than LUA_VALUE_DEPTH_MAXIMUM
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

int lua_value_copy(lua_State *L)
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
