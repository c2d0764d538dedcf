/* A mark is a userdata with the kind of value that it stands for; what belongs to it are its user values, which are
 * read only when the mark is answered. A script cannot look into one, nor make one but by these functions. */
#include "filters/lua_answer.h"

#include <lauxlib.h>
#include <math.h>
#include <xxhash.h>

#include "filters/lua_event.h"
#include "filters/lua_json.h"
#include "filters/lua_sandbox.h"
#include "filters/lua_value.h"
#include "filters/parameter.h"

static const char mark_key; /* its address is the place of the metatable in the registry */

struct mark {
    enum value_kind kind;
    lua_Integer whole[2];
    double number;
};

static struct mark *push_mark(lua_State *L, enum value_kind kind, int user_values)
{
    struct mark *mark = lua_newuserdatauv(L, sizeof *mark, user_values);
    *mark = (struct mark){.kind = kind};
    lua_rawgetp(L, LUA_REGISTRYINDEX, &mark_key);
    lua_setmetatable(L, -2);
    return mark;
}

/* The mark at `index`, or NULL. */
static const struct mark *test_mark(lua_State *L, int index)
{
    if (lua_type(L, index) != LUA_TUSERDATA || !lua_getmetatable(L, index))
        return NULL;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &mark_key);
    bool is_mark = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return is_mark ? lua_touserdata(L, index) : NULL;
}

/* Gives the mark on top the value at `index` as its user value `place`. */
static void keep(lua_State *L, int index, int place)
{
    lua_pushvalue(L, index);
    lua_setiuservalue(L, -2, place);
}

static const char *const all_codes[] = {
#define CODE(text) text,
#include "filters/codes.def"
#undef CODE
    NULL,
};

static void check_code(lua_State *L, int index)
{
    size_t length;
    const char *text = luaL_checklstring(L, index, &length);
    if (value_code_known(slice_of(text, length)))
        return;
    const char *nearest = nearest_word(text, all_codes);
    if (nearest)
        luaL_error(L, "`%s` is no Matrix error code; did you mean `%s`?", text, nearest);
    luaL_error(L, "`%s` is no Matrix error code", text);
}

static void check_table_or_nothing(lua_State *L, int index)
{
    if (!lua_isnoneornil(L, index))
        luaL_checktype(L, index, LUA_TTABLE);
}

static int make_code(lua_State *L)
{
    check_code(L, 1);
    check_table_or_nothing(L, 2);
    lua_settop(L, 2);
    push_mark(L, VALUE_CODE, 2);
    keep(L, 1, 1);
    keep(L, 2, 2);
    return 1;
}

static int make_refuse(lua_State *L)
{
    if (!lua_isnoneornil(L, 1))
        check_code(L, 1);
    check_table_or_nothing(L, 2);
    lua_settop(L, 2);
    push_mark(L, VALUE_REFUSE, 2);
    keep(L, 1, 1);
    keep(L, 2, 2);
    return 1;
}

static int make_set(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    push_mark(L, VALUE_SET, 1);
    keep(L, 1, 1);
    return 1;
}

static int make_tuple(lua_State *L)
{
    int count = lua_gettop(L);
    lua_createtable(L, count, 0);
    lua_insert(L, 1);
    for (int item = count; item > 0; item--)
        lua_rawseti(L, 1, item);
    push_mark(L, VALUE_TUPLE, 1)->whole[0] = count;
    keep(L, 1, 1);
    return 1;
}

static int make_replace(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    push_mark(L, VALUE_EVENT, 1);
    keep(L, 1, 1);
    return 1;
}

static int make_limit(lua_State *L)
{
    lua_Integer bytes = luaL_checkinteger(L, 1), period = luaL_checkinteger(L, 2);
    luaL_argcheck(L, bytes >= 0, 1, "must not be negative");
    luaL_argcheck(L, period > 0, 2, "must be above 0");
    struct mark *mark = push_mark(L, VALUE_LIMIT, 0);
    mark->whole[0] = bytes;
    mark->whole[1] = period;
    return 1;
}

static int make_override(lua_State *L)
{
    double per_second = luaL_checknumber(L, 1);
    lua_Integer burst = luaL_checkinteger(L, 2);
    luaL_argcheck(L, per_second >= 0 && per_second < 1e15, 1, "must not be negative");
    luaL_argcheck(L, burst >= 0, 2, "must not be negative");
    struct mark *mark = push_mark(L, VALUE_OVERRIDE, 0);
    mark->number = per_second;
    mark->whole[0] = burst;
    return 1;
}

/* Field `name` of the table at index 1 becomes user value `place` of the mark at index 2. */
static void keep_error_text(lua_State *L, const char *name, const char *fallback, int place)
{
    int type = lua_getfield(L, 1, name);
    if (type == LUA_TNIL)
        lua_pushstring(L, fallback);
    else if (type != LUA_TSTRING)
        luaL_error(L, "%s of raise must be a text", name);
    lua_setiuservalue(L, 2, place);
}

/* Everything that the error needs is checked and kept here, so that reading it later cannot fail. */
static int raise_error(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    static const char *const known[] = {"status", "errcode", "msg", "fields", NULL};
    for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
        const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : luaL_typename(L, -2);
        bool is_known = false;
        for (size_t index = 0; known[index] && !is_known; index++)
            is_known = strcmp(known[index], name) == 0;
        if (!is_known)
            return luaL_error(L, "raise does not know `%s`; it takes status, errcode, msg and fields", name);
    }
    struct mark *mark = push_mark(L, VALUE_RAISED, 3);
    int whole = true;
    lua_Integer status = lua_getfield(L, 1, "status") == LUA_TNIL ? 403 : lua_tointegerx(L, -1, &whole);
    if (!whole || status < 400 || status > 599)
        return luaL_error(L, "status of raise must be an HTTP status from 400 to 599");
    mark->whole[0] = status;
    keep_error_text(L, "errcode", "M_FORBIDDEN", 1);
    keep_error_text(L, "msg", "refused by a script", 2);
    int type = lua_getfield(L, 1, "fields");
    if (type != LUA_TNIL && type != LUA_TTABLE)
        return luaL_error(L, "fields of raise must be a table");
    lua_setiuservalue(L, 2, 3);
    lua_settop(L, 2);
    return lua_error(L);
}

static struct value read_value(lua_State *L, int index, struct arena *arena, unsigned depth);

/* Appends a value to a set unless it has it. `slots` (a power of two of them, more than there will be items) hold index
 * +
 * 1. Only texts, numbers, booleans and presence states can be in a set. */
struct set_builder {
    lua_State *L;
    struct value *items;
    uint32_t count;
    uint32_t *slots;
    uint32_t mask;
};

static void add_to_set(struct set_builder *set, const struct value *item)
{
    uint64_t hash = 0;
    if (item->kind == VALUE_TEXT)
        hash = XXH3_64bits(item->text.data, item->text.length);
    else if (item->kind == VALUE_STATE)
        hash = presence_state_hash(item->state);
    else if (item->kind == VALUE_INTEGER)
        hash = XXH3_64bits(&item->integer, sizeof item->integer);
    else if (item->kind != VALUE_BOOLEAN && item->kind != VALUE_FLOAT)
        luaL_error(set->L, "a set holds texts, numbers, booleans and presence states only");
    uint32_t slot = (uint32_t)hash & set->mask;
    size_t looked = 0;
    for (; set->slots[slot]; slot = (slot + 1) & set->mask, looked++)
        if (value_equal(&set->items[set->slots[slot] - 1], item))
            return;
    lua_sandbox_charge(set->L, looked / 4 + 1);
    set->items[set->count++] = *item;
    set->slots[slot] = set->count;
}

// NOLINTNEXTLINE(misc-no-recursion): not deeper than VALUE_DEPTH_MAXIMUM
static struct value read_set(lua_State *L, int table, struct arena *arena, unsigned depth)
{
    lua_Unsigned length = lua_rawlen(L, table);
    if (length > UINT32_MAX / 4)
        luaL_error(L, "a set of too many items");
    uint32_t slots = 4;
    while (slots < 2 * length)
        slots *= 2;
    struct set_builder set = {.L = L, .mask = slots - 1};
    set.items = arena_allocate(arena, (size_t)(length + 1) * sizeof *set.items);
    set.slots = arena_allocate(arena, slots * sizeof *set.slots);
    for (lua_Unsigned item = 1; item <= length; item++) {
        lua_rawgeti(L, table, (lua_Integer)item);
        struct value value = read_value(L, lua_gettop(L), arena, depth + 1);
        add_to_set(&set, &value);
        lua_pop(L, 1);
    }
    return value_container(VALUE_SET, set.items, set.count);
}

// NOLINTNEXTLINE(misc-no-recursion)
static struct value read_items(lua_State *L, int table, enum value_kind kind, uint32_t count, struct arena *arena,
                               unsigned depth)
{
    struct value *items = arena_allocate(arena, (count + 1) * sizeof *items);
    for (uint32_t item = 0; item < count; item++) {
        lua_rawgeti(L, table, (lua_Integer)item + 1);
        items[item] = read_value(L, lua_gettop(L), arena, depth + 1);
        lua_pop(L, 1);
    }
    return value_container(kind, items, count);
}

/* Lua knows no order of a table's members: they come sorted, so that answers can be compared. */
// NOLINTNEXTLINE(misc-no-recursion)
static struct value read_dict(lua_State *L, int table, struct arena *arena, unsigned depth)
{
    uint32_t count;
    const struct slice *keys = lua_value_sorted_keys(L, table, arena, &count);
    struct value *items = arena_allocate(arena, (2 * (size_t)count + 1) * sizeof *items);
    for (uint32_t pair = 0; pair < count; pair++) {
        lua_pushlstring(L, keys[pair].data, keys[pair].length);
        items[2 * (size_t)pair] = value_text(lua_value_read_text(L, -1, arena));
        lua_rawget(L, table);
        items[2 * (size_t)pair + 1] = read_value(L, lua_gettop(L), arena, depth + 1);
        lua_pop(L, 1);
    }
    return value_container(VALUE_DICT, items, count);
}

// NOLINTNEXTLINE(misc-no-recursion)
static struct value read_table(lua_State *L, int index, struct arena *arena, unsigned depth)
{
    switch (lua_value_table_kind(L, index)) {
    case LUA_TABLE_PRESENCE:
        return (struct value){.kind = VALUE_STATE, .state = lua_value_read_presence(L, index, arena)};
    case LUA_TABLE_ARRAY:
        return read_items(L, index, VALUE_LIST, (uint32_t)lua_rawlen(L, index), arena, depth);
    case LUA_TABLE_OBJECT:
        break;
    }
    return read_dict(L, index, arena, depth);
}

static struct slice user_text(lua_State *L, int index, int place, struct arena *arena)
{
    int type = lua_getiuservalue(L, index, place);
    struct slice text = type == LUA_TSTRING ? lua_value_read_text(L, -1, arena) : SLICE_ABSENT;
    lua_pop(L, 1);
    return text;
}

/* The object kept as a user value, or NULL. */
static json_t *user_object(lua_State *L, int index, int place, struct arena *arena)
{
    json_t *object = NULL;
    if (lua_getiuservalue(L, index, place) == LUA_TTABLE) {
        object = lua_json_read(L, -1, arena);
        if (!json_is_object(object))
            luaL_error(L, "the fields of an answer are a list");
    }
    lua_pop(L, 1);
    return object;
}

static struct value read_raised(lua_State *L, int index, const struct mark *mark, struct arena *arena)
{
    struct raised *raised = arena_allocate(arena, sizeof *raised);
    raised->kind = RAISED_SYNAPSE_ERROR;
    raised->status = (int)mark->whole[0];
    raised->errcode = user_text(L, index, 1, arena);
    raised->text = user_text(L, index, 2, arena);
    raised->fields = user_object(L, index, 3, arena);
    return (struct value){.kind = VALUE_RAISED, .raised = raised};
}

// NOLINTNEXTLINE(misc-no-recursion)
static struct value read_mark(lua_State *L, int index, const struct mark *mark, struct arena *arena, unsigned depth)
{
    struct value value = {.kind = mark->kind};
    switch (mark->kind) {
    case VALUE_CODE:
    case VALUE_REFUSE:
        value.text = user_text(L, index, 1, arena);
        value.object = user_object(L, index, 2, arena);
        break;
    case VALUE_BEHAVIOUR:
        value.text = user_text(L, index, 1, arena);
        break;
    case VALUE_SET:
    case VALUE_TUPLE:
        lua_getiuservalue(L, index, 1);
        value = mark->kind == VALUE_SET
                    ? read_set(L, lua_gettop(L), arena, depth)
                    : read_items(L, lua_gettop(L), VALUE_TUPLE, (uint32_t)mark->whole[0], arena, depth);
        lua_pop(L, 1);
        break;
    case VALUE_EVENT:
        value.object = user_object(L, index, 1, arena);
        break;
    case VALUE_LIMIT:
        value.limit.max_bytes = mark->whole[0];
        value.limit.time_period_ms = mark->whole[1];
        break;
    case VALUE_OVERRIDE:
        value.override.per_second = mark->number;
        value.override.burst_count = mark->whole[0];
        break;
    case VALUE_RAISED:
        value = read_raised(L, index, mark, arena);
        break;
    default: /* NOT_SPAM and pass say it all by their kind */
        break;
    }
    return value;
}

// NOLINTNEXTLINE(misc-no-recursion)
static struct value read_userdata(lua_State *L, int index, struct arena *arena, unsigned depth)
{
    const struct mark *mark = test_mark(L, index);
    yyjson_val *json;
    if (mark)
        return read_mark(L, index, mark, arena, depth);
    if (lua_event_json(L, index, &json))
        return value_json(lua_json_read(L, index, arena));
    return (struct value){.kind = VALUE_OBJECT, .text = SLICE("userdata")};
}

/* `index` is absolute. */
// NOLINTNEXTLINE(misc-no-recursion): not deeper than VALUE_DEPTH_MAXIMUM
static struct value read_value(lua_State *L, int index, struct arena *arena, unsigned depth)
{
    if (depth >= VALUE_DEPTH_MAXIMUM)
        luaL_error(L, "an answer is nested above %d levels, or contains itself", VALUE_DEPTH_MAXIMUM);
    luaL_checkstack(L, 8, "an answer is nested too deeply");
    lua_sandbox_charge(L, 1);
    switch (lua_type(L, index)) {
    case LUA_TBOOLEAN:
        return value_boolean(lua_toboolean(L, index));
    case LUA_TNUMBER:
        if (lua_isinteger(L, index))
            return value_integer(lua_tointeger(L, index));
        if (!isfinite(lua_tonumber(L, index)))
            luaL_error(L, "an answer is infinite or no number");
        return (struct value){.kind = VALUE_FLOAT, .number = lua_tonumber(L, index)};
    case LUA_TSTRING:
        return value_text(lua_value_read_text(L, index, arena));
    case LUA_TTABLE:
        return read_table(L, index, arena, depth);
    case LUA_TFUNCTION:
        return (struct value){.kind = VALUE_CALLABLE};
    case LUA_TUSERDATA:
        return read_userdata(L, index, arena, depth);
    default: /* nil and weir.null */
        return (struct value){.kind = VALUE_NONE};
    }
}

/* Callbacks whose answer is a pair, with the type of a first half that may stand alone. */
static const struct {
    enum callback callback;
    enum value_kind first;
} pairs[] = {
    {CALLBACK_check_event_allowed, VALUE_BOOLEAN},
    {CALLBACK_auth_checkers, VALUE_TEXT},
    {CALLBACK_check_3pid_auth, VALUE_TEXT},
};

struct value lua_answer_read(lua_State *L, int first, enum callback callback, struct arena *arena)
{
    int count = lua_gettop(L) - first + 1;
    if (count <= 0)
        return (struct value){.kind = VALUE_NONE};
    struct value value = read_value(L, first, arena, 0);
    bool is_pair = false;
    for (size_t index = 0; count == 1 && index < sizeof pairs / sizeof *pairs; index++)
        is_pair |= pairs[index].callback == callback && pairs[index].first == value.kind;
    if (count == 1 && !is_pair)
        return value;
    struct value *items = arena_allocate(arena, ((size_t)count + 1) * sizeof *items);
    items[0] = value;
    for (int item = 1; item < count; item++)
        items[item] = read_value(L, first + item, arena, 1);
    return value_container(VALUE_TUPLE, items, is_pair ? 2 : (uint32_t)count);
}

struct slice lua_error_text(lua_State *L)
{
    if (lua_type(L, -1) != LUA_TSTRING)
        return SLICE("the error is no text");
    struct slice text;
    text.data = lua_tolstring(L, -1, &text.length);
    return text;
}

struct error_reading {
    struct arena *arena;
    struct value value;
};

/* Stack: the error, the reading. */
static int read_error(lua_State *L)
{
    struct error_reading *reading = lua_touserdata(L, 2);
    const struct mark *mark = test_mark(L, 1);
    if (mark && mark->kind == VALUE_RAISED) {
        reading->value = read_raised(L, 1, mark, reading->arena);
        return 0;
    }
    if (lua_type(L, 1) == LUA_TSTRING) {
        lua_settop(L, 1);
        struct slice text = lua_error_text(L);
        reading->value = value_raise(reading->arena, RAISED_OTHER, "%.*s",
                                     (int)(text.length < 1000 ? text.length : 1000), text.data);
        return 0;
    }
    reading->value =
        value_raise(reading->arena, RAISED_OTHER, "the script raised an error that is a %s", luaL_typename(L, 1));
    return 0;
}

struct value lua_answer_read_error(lua_State *L, struct arena *arena)
{
    struct error_reading reading = {.arena = arena};
    lua_pushcfunction(L, read_error);
    lua_insert(L, -2);
    lua_pushlightuserdata(L, &reading);
    if (lua_pcall(L, 2, 0, 0) != LUA_OK) {
        lua_pop(L, 1);
        reading.value = value_raise(arena, RAISED_OTHER, "the script raised an error that cannot be read");
    }
    return reading.value;
}

static int mark_text(lua_State *L)
{
    static const char *const names[VALUE_KINDS] = {
        [VALUE_NOT_SPAM] = "NOT_SPAM", [VALUE_CODE] = "code",      [VALUE_BEHAVIOUR] = "behaviour",
        [VALUE_TUPLE] = "tuple",       [VALUE_SET] = "set",        [VALUE_EVENT] = "replacement",
        [VALUE_LIMIT] = "limit",       [VALUE_PASS] = "pass",      [VALUE_OVERRIDE] = "override",
        [VALUE_RAISED] = "error",      [VALUE_REFUSE] = "refusal",
    };
    const struct mark *mark = lua_touserdata(L, 1); /* nobody else can call this */
    if (mark->kind == VALUE_RAISED)
        lua_getiuservalue(L, 1, 2);
    else
        lua_pushstring(L, names[mark->kind]);
    return 1;
}

static const luaL_Reg constructors[] = {
    {"code", make_code},    {"refuse", make_refuse},     {"set", make_set},
    {"tuple", make_tuple},  {"replace", make_replace},   {"limit", make_limit},
    {"raise", raise_error}, {"override", make_override}, {"presence", lua_value_make_presence},
    {NULL, NULL},
};

void lua_answer_open(lua_State *L)
{
    lua_newtable(L);
    lua_pushcfunction(L, mark_text);
    lua_setfield(L, -2, "__tostring");
    lua_pushliteral(L, "answer");
    lua_setfield(L, -2, "__name");
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &mark_key);

    lua_pushglobaltable(L);
    luaL_setfuncs(L, constructors, 0);
    push_mark(L, VALUE_NOT_SPAM, 0);
    lua_setfield(L, -2, "NOT_SPAM");
    push_mark(L, VALUE_PASS, 0);
    lua_setfield(L, -2, "pass");
    lua_pushliteral(L, "ALL");
    lua_setfield(L, -2, "ALL");
    static const char *const behaviours[] = {"ALLOW", "DENY", "SHADOW_BAN"};
    for (size_t index = 0; index < sizeof behaviours / sizeof *behaviours; index++) {
        push_mark(L, VALUE_BEHAVIOUR, 1);
        lua_pushstring(L, behaviours[index]);
        lua_setiuservalue(L, -2, 1);
        lua_setfield(L, -2, behaviours[index]);
    }
    lua_pop(L, 1);
}
