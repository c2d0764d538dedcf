/* A hash table with a chain for each bucket, and a list of all entries in the order in which they were set, which, as
 * all live equally long, is also the order in which they end. Entries are allocated under the sandbox's limit; where
 * that is reached, the oldest make room. */
#include "filters/lua_store.h"

#include <lauxlib.h>
#include <string.h>
#include <time.h>
#include <xxhash.h>

#include "base/slice.h"
#include "filters/lua_sandbox.h"

#define STORE_METATABLE "store"

struct entry {
    struct entry *next; /* in the bucket */
    struct entry *older;
    struct entry *newer;
    uint64_t hash;
    int64_t ends_ms;
    int type; /* LUA_TSTRING, LUA_TNUMBER or LUA_TBOOLEAN */
    bool is_integer;
    union {
        lua_Integer integer; /* or the boolean */
        lua_Number number;
    };
    size_t key_length;
    size_t text_length;
    char bytes[]; /* the key, then the text */
};

struct store {
    uint32_t capacity;
    uint32_t count;
    uint32_t mask; /* buckets, less one */
    int64_t ttl_ms;
    struct entry *oldest;
    struct entry *newest;
    struct entry *buckets[];
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static size_t entry_size(const struct entry *entry)
{
    return sizeof *entry + entry->key_length + entry->text_length;
}

static void unlink_entry(struct store *store, struct entry *entry)
{
    struct entry **place = &store->buckets[entry->hash & store->mask];
    while (*place != entry)
        place = &(*place)->next;
    *place = entry->next;
    if (entry->older)
        entry->older->newer = entry->newer;
    else
        store->oldest = entry->newer;
    if (entry->newer)
        entry->newer->older = entry->older;
    else
        store->newest = entry->older;
    store->count--;
}

static void remove_entry(lua_State *L, struct store *store, struct entry *entry)
{
    unlink_entry(store, entry);
    lua_sandbox_free(L, entry, entry_size(entry));
}

static void link_entry(struct store *store, struct entry *entry)
{
    struct entry **bucket = &store->buckets[entry->hash & store->mask];
    entry->next = *bucket;
    *bucket = entry;
    entry->older = store->newest;
    entry->newer = NULL;
    if (store->newest)
        store->newest->newer = entry;
    else
        store->oldest = entry;
    store->newest = entry;
    store->count++;
}

static void remove_ended(lua_State *L, struct store *store, int64_t now)
{
    while (store->oldest && store->oldest->ends_ms <= now) {
        remove_entry(L, store, store->oldest);
        lua_sandbox_charge(L, 1);
    }
}

static struct slice check_key(lua_State *L)
{
    struct slice key;
    key.data = luaL_checklstring(L, 2, &key.length);
    luaL_argcheck(L, key.length <= LUA_STORE_KEY_MAXIMUM, 2, "a key has at most 4096 bytes");
    return key;
}

static uint64_t hash_of(struct slice key)
{
    return XXH3_64bits(key.data, key.length);
}

/* The entry of `key`, which has not ended; NULL if there is none. */
static struct entry *find(lua_State *L, struct store *store, struct slice key, int64_t now)
{
    remove_ended(L, store, now);
    uint64_t hash = hash_of(key);
    for (struct entry *entry = store->buckets[hash & store->mask]; entry; entry = entry->next)
        if (entry->hash == hash && slice_equal(slice_of(entry->bytes, entry->key_length), key))
            return entry;
    return NULL;
}

static void push_entry(lua_State *L, const struct entry *entry)
{
    if (entry->type == LUA_TSTRING)
        lua_pushlstring(L, entry->bytes + entry->key_length, entry->text_length);
    else if (entry->type == LUA_TBOOLEAN)
        lua_pushboolean(L, entry->integer != 0);
    else if (entry->is_integer)
        lua_pushinteger(L, entry->integer);
    else
        lua_pushnumber(L, entry->number);
}

/* Memory for an entry: the oldest go until there is some. */
static struct entry *allocate_entry(lua_State *L, struct store *store, size_t size)
{
    struct entry *entry = lua_sandbox_allocate(L, size);
    while (!entry && store->oldest) {
        remove_entry(L, store, store->oldest);
        entry = lua_sandbox_allocate(L, size);
    }
    if (!entry)
        luaL_error(L, "not enough memory");
    return entry;
}

/* Adds the value at `index`, a text, number or boolean, under a key that is not there. */
static void add_entry(lua_State *L, struct store *store, struct slice key, int index, int64_t now)
{
    struct slice text = {"", 0};
    int type = lua_type(L, index);
    if (type == LUA_TSTRING)
        text.data = lua_tolstring(L, index, &text.length);
    while (store->count >= store->capacity)
        remove_entry(L, store, store->oldest);
    struct entry *entry = allocate_entry(L, store, sizeof *entry + key.length + text.length);
    *entry = (struct entry){.hash = hash_of(key),
                            .ends_ms = now + store->ttl_ms,
                            .type = type,
                            .key_length = key.length,
                            .text_length = text.length};
    entry->is_integer = lua_isinteger(L, index);
    if (type == LUA_TBOOLEAN)
        entry->integer = lua_toboolean(L, index);
    else if (entry->is_integer)
        entry->integer = lua_tointeger(L, index);
    else if (type == LUA_TNUMBER)
        entry->number = lua_tonumber(L, index);
    memcpy(entry->bytes, key.data, key.length);
    memcpy(entry->bytes + key.length, text.data, text.length);
    link_entry(store, entry);
}

static int store_get(lua_State *L)
{
    struct store *store = luaL_checkudata(L, 1, STORE_METATABLE);
    const struct entry *entry = find(L, store, check_key(L), now_ms());
    if (!entry)
        return 0;
    push_entry(L, entry);
    return 1;
}

static int store_set(lua_State *L)
{
    struct store *store = luaL_checkudata(L, 1, STORE_METATABLE);
    struct slice key = check_key(L);
    lua_settop(L, 3);
    int type = lua_type(L, 3);
    luaL_argexpected(L, type == LUA_TNIL || type == LUA_TSTRING || type == LUA_TNUMBER || type == LUA_TBOOLEAN, 3,
                     "text, number, boolean or nil");
    int64_t now = now_ms();
    struct entry *entry = find(L, store, key, now);
    if (entry)
        remove_entry(L, store, entry);
    if (type != LUA_TNIL)
        add_entry(L, store, key, 3, now);
    return 0;
}

/* The number rises; when it ends stays as it was, so that a count is one of a window. */
static int store_increment(lua_State *L)
{
    struct store *store = luaL_checkudata(L, 1, STORE_METATABLE);
    struct slice key = check_key(L);
    lua_Integer by = luaL_optinteger(L, 3, 1);
    int64_t now = now_ms();
    struct entry *entry = find(L, store, key, now);
    lua_settop(L, 2);
    if (!entry) {
        lua_pushinteger(L, by);
        add_entry(L, store, key, 3, now);
        return 1;
    }
    if (entry->type != LUA_TNUMBER || !entry->is_integer)
        return luaL_error(L, "the value of this key is no whole number");
    if (__builtin_add_overflow(entry->integer, by, &entry->integer))
        entry->integer = by > 0 ? LUA_MAXINTEGER : LUA_MININTEGER;
    lua_pushinteger(L, entry->integer);
    return 1;
}

static int store_length(lua_State *L)
{
    struct store *store = luaL_checkudata(L, 1, STORE_METATABLE);
    remove_ended(L, store, now_ms());
    lua_pushinteger(L, store->count);
    return 1;
}

static int store_free(lua_State *L)
{
    struct store *store = luaL_checkudata(L, 1, STORE_METATABLE);
    while (store->oldest)
        remove_entry(L, store, store->oldest);
    return 0;
}

int lua_store_make(lua_State *L)
{
    lua_Integer capacity = luaL_checkinteger(L, 1);
    lua_Integer ttl_ms = luaL_checkinteger(L, 2);
    luaL_argcheck(L, capacity >= 1 && capacity <= LUA_STORE_CAPACITY_MAXIMUM, 1, "must be from 1 to 1000000");
    luaL_argcheck(L, ttl_ms >= 1 && ttl_ms <= INT32_MAX * 1000LL, 2, "must be from 1 to 2147483647000");
    uint32_t buckets = 8;
    while (buckets < capacity)
        buckets *= 2;
    size_t size = sizeof(struct store) + buckets * sizeof(struct entry *);
    struct store *store = lua_newuserdatauv(L, size, 0);
    memset(store, 0, size);
    store->capacity = (uint32_t)capacity;
    store->mask = buckets - 1;
    store->ttl_ms = ttl_ms;
    luaL_setmetatable(L, STORE_METATABLE);
    return 1;
}

void lua_store_open(lua_State *L)
{
    static const luaL_Reg methods[] = {{"get", store_get}, {"set", store_set}, {"incr", store_increment}, {NULL, NULL}};
    luaL_newmetatable(L, STORE_METATABLE);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, store_length);
    lua_setfield(L, -2, "__len");
    lua_pushcfunction(L, store_free);
    lua_setfield(L, -2, "__gc");
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
}
