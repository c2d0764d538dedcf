/* A proxy is a small userdata with the number of the question that it belongs to: a script that keeps one cannot reach
 * memory that is gone. The metamethods trust their first operand: their metatable is out of a script's reach. */
#include "filters/lua_event.h"

#include <lauxlib.h>
#include <stddef.h>

#include "filters/event_content.h"
#include "filters/lua_sandbox.h"

#define EVENT_METATABLE "event"
#define JSON_METATABLE "JSON value"

/* Their addresses are the places of the same metatables in the registry, which are found faster than by a name. */
static const char event_key, json_key, slots_key;

/* What the pool may keep from question to question; bodies that need more than this are rare. */
#define POOL_KEPT (4u << 20)

struct event_proxy {
    struct lua_events *events;
    uint64_t generation;
};

struct json_proxy {
    struct lua_events *events;
    uint64_t generation;
    bool is_content;   /* the event's `content`: `value` is not known before the body is parsed */
    yyjson_val *value; /* an object or an array; NULL: the event has no content */
    /* Of an array whose items are not all of one size: the item that was read last, so that a loop does not begin anew.
     */
    size_t last_index;
    yyjson_val *last;
};

/* Loops over objects and arrays. */
struct iteration {
    union {
        yyjson_obj_iter object;
        yyjson_arr_iter array;
    };
    lua_Integer index; /* of the array's next item */
    bool over_array;
};

static const struct event_field {
    const char *name;
    size_t offset;
} event_fields[] = {
    {"event_id", offsetof(struct event, event_id)},
    {"room_id", offsetof(struct event, room_id)},
    {"type", offsetof(struct event, type)},
    {"sender", offsetof(struct event, sender)},
    {"state_key", offsetof(struct event, state_key)},
    {"redacts", offsetof(struct event, redacts)},
    {"membership", offsetof(struct event, membership)},
};
#define EVENT_FIELD_COUNT (sizeof event_fields / sizeof *event_fields)
#define FIELD_MEMBERSHIP (EVENT_FIELD_COUNT - 1)
#define FIELD_CONTENT EVENT_FIELD_COUNT

static void require_live(lua_State *L, const struct lua_events *events, uint64_t generation)
{
    if (generation != events->generation || !events->event)
        luaL_error(L, "this event has been answered: it cannot be kept from one call to the next");
}

/* The last value of `key`. */
static yyjson_val *last_member(lua_State *L, yyjson_val *object, struct slice key)
{
    yyjson_val *found = NULL;
    if (!yyjson_is_obj(object))
        return NULL;
    size_t index, count;
    yyjson_val *name, *value;
    yyjson_obj_foreach(object, index, count, name, value)
    {
        if (yyjson_equals_strn(name, key.data, key.length))
            found = value;
    }
    lua_sandbox_charge(L, count / 8);
    return found;
}

static yyjson_val *parsed_root(lua_State *L, struct lua_events *events)
{
    if (events->parsed)
        return events->root;
    const struct event *event = events->event;
    if (!event->has_body)
        return NULL;
    lua_sandbox_charge(L, event->body.length / LUA_SANDBOX_BYTES_PER_INSTRUCTION);
    events->root = event->body.length > EVENT_CONTENT_MAXIMUM
                       ? yyjson_doc_get_root(json_pool_read(&events->pool, event->body, YYJSON_READ_NOFLAG))
                       : event_json(event);
    if (!events->root)
        luaL_error(L, "the event's body is not valid JSON");
    events->parsed = true;
    return events->root;
}

static void push_json_proxy(lua_State *L, struct lua_events *events, yyjson_val *value, bool is_content)
{
    struct json_proxy *proxy = lua_newuserdatauv(L, sizeof *proxy, 0);
    *proxy = (struct json_proxy){
        .events = events, .generation = events->generation, .value = value, .is_content = is_content};
    lua_rawgetp(L, LUA_REGISTRYINDEX, &json_key);
    lua_setmetatable(L, -2);
}

static void push_json(lua_State *L, struct lua_events *events, yyjson_val *value)
{
    switch (yyjson_get_type(value)) {
    case YYJSON_TYPE_BOOL:
        lua_pushboolean(L, yyjson_get_bool(value));
        break;
    case YYJSON_TYPE_NUM:
        if (yyjson_is_real(value) || (yyjson_is_uint(value) && yyjson_get_uint(value) > INT64_MAX))
            lua_pushnumber(L, yyjson_is_real(value) ? yyjson_get_real(value) : (double)yyjson_get_uint(value));
        else
            lua_pushinteger(L, yyjson_get_sint(value));
        break;
    case YYJSON_TYPE_STR:
        lua_pushlstring(L, yyjson_get_str(value), yyjson_get_len(value));
        break;
    case YYJSON_TYPE_OBJ:
    case YYJSON_TYPE_ARR:
        push_json_proxy(L, events, value, false);
        break;
    default:
        lua_pushnil(L);
    }
}

static void push_slice(lua_State *L, struct slice text)
{
    if (slice_present(text))
        lua_pushlstring(L, text.data, text.length);
    else
        lua_pushnil(L);
}

/* The value behind a proxy, which for `content` means parsing the body. */
static yyjson_val *proxy_value(lua_State *L, struct json_proxy *proxy)
{
    require_live(L, proxy->events, proxy->generation);
    if (proxy->is_content && !proxy->value)
        proxy->value = last_member(L, parsed_root(L, proxy->events), SLICE("content"));
    return proxy->value;
}

/* A request's event has no row, so its membership is that of its content. */
static void push_membership(lua_State *L, struct lua_events *events)
{
    const struct event *event = events->event;
    if (slice_present(event->membership) || !slice_equal(event->type, SLICE("m.room.member"))) {
        push_slice(L, event->membership);
        return;
    }
    yyjson_val *content = last_member(L, parsed_root(L, events), SLICE("content"));
    push_json(L, events, last_member(L, content, SLICE("membership")));
}

/* The proxy of `content`, made once for each event. */
static void push_content(lua_State *L, struct lua_events *events)
{
    if (!events->event->has_body) {
        lua_pushnil(L);
        return;
    }
    if (lua_getiuservalue(L, 1, 1) == LUA_TUSERDATA)
        return;
    push_json_proxy(L, events, NULL, true);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, 1);
}

/* Upvalue: the fields' numbers by their names. */
static int event_index(lua_State *L)
{
    struct event_proxy *proxy = lua_touserdata(L, 1);
    struct lua_events *events = proxy->events;
    require_live(L, events, proxy->generation);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) == LUA_TNUMBER) {
        size_t field = (size_t)lua_tointeger(L, -1);
        if (field == FIELD_CONTENT)
            push_content(L, events);
        else if (field == FIELD_MEMBERSHIP)
            push_membership(L, events);
        else
            push_slice(L, *(const struct slice *)((const char *)events->event + event_fields[field].offset));
        return 1;
    }
    if (lua_type(L, 2) != LUA_TSTRING)
        return 0;
    struct slice key;
    key.data = lua_tolstring(L, 2, &key.length);
    push_json(L, events, last_member(L, parsed_root(L, events), key));
    return 1;
}

static yyjson_val *array_item(lua_State *L, struct json_proxy *proxy, lua_Integer number)
{
    yyjson_val *array = proxy->value;
    if (number < 1 || (uint64_t)number > yyjson_arr_size(array))
        return NULL;
    size_t index = (size_t)number - 1;
    bool goes_on = proxy->last && index == proxy->last_index + 1;
    yyjson_val *item = goes_on ? unsafe_yyjson_get_next(proxy->last) : yyjson_arr_get(array, index);
    if (!goes_on)
        lua_sandbox_charge(L, index / 8);
    proxy->last = item;
    proxy->last_index = index;
    return item;
}

/* Upvalue: the slots of declared keys by their names. */
static int json_index(lua_State *L)
{
    struct json_proxy *proxy = lua_touserdata(L, 1);
    struct lua_events *events = proxy->events;
    require_live(L, events, proxy->generation);
    int type = lua_type(L, 2);
    if (proxy->is_content && type == LUA_TSTRING) {
        lua_pushvalue(L, 2);
        if (lua_rawget(L, lua_upvalueindex(1)) == LUA_TNUMBER) {
            struct slice text = event_content_string(events->event, (uint32_t)lua_tointeger(L, -1));
            if (slice_present(text)) {
                lua_pushlstring(L, text.data, text.length);
                return 1;
            }
        }
    }
    yyjson_val *value = proxy_value(L, proxy);
    if (type == LUA_TSTRING) {
        struct slice key;
        key.data = lua_tolstring(L, 2, &key.length);
        push_json(L, events, last_member(L, value, key));
    } else if (type == LUA_TNUMBER && yyjson_is_arr(value)) {
        push_json(L, events, array_item(L, proxy, lua_tointeger(L, 2)));
    } else {
        lua_pushnil(L);
    }
    return 1;
}

static int json_length(lua_State *L)
{
    yyjson_val *value = proxy_value(L, lua_touserdata(L, 1));
    lua_pushinteger(L, (lua_Integer)(yyjson_is_arr(value) ? yyjson_arr_size(value) : yyjson_obj_size(value)));
    return 1;
}

/* Upvalues: the proxy and the iteration. */
static int json_next(lua_State *L)
{
    struct json_proxy *proxy = lua_touserdata(L, lua_upvalueindex(1));
    struct iteration *iteration = lua_touserdata(L, lua_upvalueindex(2));
    require_live(L, proxy->events, proxy->generation);
    if (iteration->over_array) {
        yyjson_val *item = yyjson_arr_iter_next(&iteration->array);
        if (!item)
            return 0;
        lua_pushinteger(L, iteration->index++);
        push_json(L, proxy->events, item);
        return 2;
    }
    yyjson_val *key = yyjson_obj_iter_next(&iteration->object);
    if (!key)
        return 0;
    push_json(L, proxy->events, key);
    push_json(L, proxy->events, yyjson_obj_iter_get_val(key));
    return 2;
}

static int json_pairs(lua_State *L)
{
    yyjson_val *value = proxy_value(L, lua_touserdata(L, 1));
    lua_pushvalue(L, 1);
    struct iteration *iteration = lua_newuserdatauv(L, sizeof *iteration, 0);
    *iteration = (struct iteration){.index = 1, .over_array = yyjson_is_arr(value)};
    if (iteration->over_array)
        yyjson_arr_iter_init(value, &iteration->array);
    else
        yyjson_obj_iter_init(value, &iteration->object);
    lua_pushcclosure(L, json_next, 2);
    return 1;
}

static int refuse_change(lua_State *L)
{
    return luaL_error(L, "an event cannot be changed; weir.copy(event.content) makes a table that can");
}

/* Fills the metatable on the stack's top, puts it under `key` and takes it away. */
static void finish_metatable(lua_State *L, const char *key)
{
    lua_pushcfunction(L, refuse_change);
    lua_setfield(L, -2, "__newindex");
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

void lua_events_open(struct lua_events *events, lua_State *L)
{
    *events = (struct lua_events){.generation = 1};
    luaL_newmetatable(L, EVENT_METATABLE);
    lua_newtable(L);
    for (size_t field = 0; field < EVENT_FIELD_COUNT; field++) {
        lua_pushinteger(L, (lua_Integer)field);
        lua_setfield(L, -2, event_fields[field].name);
    }
    lua_pushinteger(L, (lua_Integer)FIELD_CONTENT);
    lua_setfield(L, -2, "content");
    lua_pushcclosure(L, event_index, 1);
    lua_setfield(L, -2, "__index");
    finish_metatable(L, &event_key);

    luaL_newmetatable(L, JSON_METATABLE);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &slots_key);
    lua_pushcclosure(L, json_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, json_length);
    lua_setfield(L, -2, "__len");
    lua_pushcfunction(L, json_pairs);
    lua_setfield(L, -2, "__pairs");
    finish_metatable(L, &json_key);
}

void lua_events_free(struct lua_events *events)
{
    json_pool_free(&events->pool);
}

void lua_events_declare(lua_State *L, struct slice key, uint32_t slot)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &slots_key);
    lua_pushlstring(L, key.data, key.length);
    lua_pushinteger(L, slot);
    lua_rawset(L, -3);
    lua_pop(L, 1);
}

void lua_events_push(struct lua_events *events, lua_State *L, const struct event *event)
{
    events->event = event;
    events->parsed = false;
    events->root = NULL;
    struct event_proxy *proxy = lua_newuserdatauv(L, sizeof *proxy, 1);
    *proxy = (struct event_proxy){events, events->generation};
    lua_rawgetp(L, LUA_REGISTRYINDEX, &event_key);
    lua_setmetatable(L, -2);
}

void lua_events_end(struct lua_events *events)
{
    events->generation++;
    events->event = NULL;
    events->parsed = false;
    events->root = NULL;
    if (events->pool.size > POOL_KEPT)
        json_pool_free(&events->pool);
}

bool lua_event_json(lua_State *L, int index, yyjson_val **value)
{
    struct json_proxy *json = luaL_testudata(L, index, JSON_METATABLE);
    if (json) {
        *value = proxy_value(L, json);
        return true;
    }
    struct event_proxy *event = luaL_testudata(L, index, EVENT_METATABLE);
    if (!event)
        return false;
    require_live(L, event->events, event->generation);
    *value = parsed_root(L, event->events);
    return true;
}
