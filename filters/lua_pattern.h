/* Lua's string patterns (Lua 5.4 manual, section 6.4.1) for scripts that have a limit: a pattern such as ".-.-.-.-x"
 * can keep Lua's own matcher busy for hours, in C, where no instruction is counted. These pay for each step from the
 * script's budget (lua_sandbox_charge). Answers are those of Lua's own functions; but a malformed pattern is always an
 * error, also where the match would not have come to the malformed part. */
#ifndef WEIR_FILTERS_LUA_PATTERN_H
#define WEIR_FILTERS_LUA_PATTERN_H

#include <lua.h>

/* No pattern has more items than this. */
#define LUA_PATTERN_ITEMS_MAXIMUM 400

int lua_pattern_find(lua_State *L);
int lua_pattern_match(lua_State *L);
int lua_pattern_gmatch(lua_State *L);
int lua_pattern_gsub(lua_State *L);

#endif
