/* What a script gets of Lua's own libraries: those parts that compute, and nothing that reaches outside of the script
 * or around its limits. docs/lua.md lists them for those who write scripts. */
#ifndef WEIR_FILTERS_LUA_STANDARD_H
#define WEIR_FILTERS_LUA_STANDARD_H

#include <lua.h>

/* Sets the globals. To be called protected, in a state that lua_sandbox_create made. */
void lua_standard_open(lua_State *L);

#endif
