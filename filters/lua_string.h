/* string.find, match, gmatch and gsub as scripts get them: with answers of Lua's own functions, and under the script's
 * limit (lua_pattern.h). */
#ifndef WEIR_FILTERS_LUA_STRING_H
#define WEIR_FILTERS_LUA_STRING_H

#include <lua.h>

int lua_string_find(lua_State *L);
int lua_string_match(lua_State *L);
int lua_string_gmatch(lua_State *L);
int lua_string_gsub(lua_State *L);

#endif
