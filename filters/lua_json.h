/* What a script hands out as JSON, and its own copies of what it was given (lua_value.h says how nulls and arrays are
 * told). */
#ifndef WEIR_FILTERS_LUA_JSON_H
#define WEIR_FILTERS_LUA_JSON_H

#include <lua.h>

#include "filters/value.h"

/* No JSON is deeper than this on its way out of Lua. */
#define LUA_JSON_DEPTH_MAXIMUM 64

/* The value at `index` as JSON, which the arena owns; to be called protected. Proxies of the event are copied. Raises
 * an error for what JSON has not: functions, NaN, texts that are not UTF-8, tables with keys of other types, cycles. */
json_t *lua_json_read(lua_State *L, int index, struct arena *arena);

/* Writes the table at `index` into the object `shared`. Members that were null and are not in the table stay. */
void lua_json_write_back(lua_State *L, int index, json_t *shared, struct arena *arena);

/* The function `weir.copy`: a table of its own from a table or a proxy of the event; other values as they are. */
int lua_json_copy(lua_State *L);

#endif
