/* Values between Synapse's callbacks and Lua: what a function is asked about becomes Lua values, tables become JSON.
 *
 * null inside of a JSON array is `weir.null`, so that the places of the others stay; members of objects that are null
 * are left out of the table. Arrays carry a metatable of their own, by which an empty one is told from an empty object
 * (`weir.array`). */
#ifndef WEIR_FILTERS_LUA_VALUE_H
#define WEIR_FILTERS_LUA_VALUE_H

#include <lua.h>

#include "filters/value.h"

/* Makes the metatables. This and all below are to be called protected: they raise errors. */
void lua_value_open(lua_State *L);

void lua_value_push(lua_State *L, const struct value *value);
void lua_value_push_json(lua_State *L, const json_t *json);

/* The text at `index`, which must be a string; a copy in the arena. Raises an error if it is not UTF-8. */
struct slice lua_value_read_text(lua_State *L, int index, struct arena *arena);

/* What a table is. */
enum lua_table_kind { LUA_TABLE_ARRAY, LUA_TABLE_OBJECT, LUA_TABLE_PRESENCE };
/* Raises an error for a table that has both numbers and texts as keys, or others. */
enum lua_table_kind lua_value_table_kind(lua_State *L, int index);
/* The keys of the table at `index`, all texts, in order; they live as long as the table has them. */
struct slice *lua_value_sorted_keys(lua_State *L, int index, struct arena *arena, uint32_t *count);
/* The presence state that the table at `index` describes. */
const struct presence_state *lua_value_read_presence(lua_State *L, int index, struct arena *arena);

/* Marks the table on the stack's top as an array. */
void lua_value_mark_array(lua_State *L);

/* The functions `weir.array` and `presence`. */
int lua_value_make_array(lua_State *L);
int lua_value_make_presence(lua_State *L);

#endif
