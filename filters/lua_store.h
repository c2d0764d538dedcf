/* `weir.store(capacity, ttl_ms)`: what a script remembers from one call to the next, by key, for a time.
 *
 * At most `capacity` keys; when one more comes, the one that was set longest ago goes. What was set longer ago than
 * `ttl_ms` is gone. Keys and values count towards the script's memory limit. Values are texts, numbers and booleans. */
#ifndef WEIR_FILTERS_LUA_STORE_H
#define WEIR_FILTERS_LUA_STORE_H

#include <lua.h>

#define LUA_STORE_CAPACITY_MAXIMUM 1000000
#define LUA_STORE_KEY_MAXIMUM 4096

/* Makes the metatable; to be called protected. */
void lua_store_open(lua_State *L);
/* The C function `weir.store`. */
int lua_store_make(lua_State *L);

#endif
