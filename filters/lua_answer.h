/* What a script's function answers, as a value of the chain.
 *
 * Booleans, numbers and texts are themselves; nothing is None. What Lua has no type for is made by the globals that
 * lua_answer_open sets: NOT_SPAM, ALL, ALLOW, DENY, SHADOW_BAN, pass, and the functions code, refuse, set, tuple,
 * replace, limit, override, presence and raise. A table is a list if its keys are 1 to n, and a dict otherwise. */
#ifndef WEIR_FILTERS_LUA_ANSWER_H
#define WEIR_FILTERS_LUA_ANSWER_H

#include <lua.h>

#include "filters/callback.h"

/* Sets the globals; to be called protected. */
void lua_answer_open(lua_State *L);

/* The values on the stack from `first` to the top, which a function returned, as the answer to `callback`. Several are
 * a tuple. Where the callback wants a pair (check_event_allowed, auth_checkers, check_3pid_auth), a second one that was
 * left out is None, as what is left out is nil in Lua. To be called protected: it raises errors. */
struct value lua_answer_read(lua_State *L, int first, enum callback callback, struct arena *arena);

/* The failure that the error on the stack's top stands for: SynapseError for what raise{…} raised, otherwise any other
 * exception with the error's text. Raises nothing. */
struct value lua_answer_read_error(lua_State *L, struct arena *arena);

/* The text of the error on the stack's top, which must be one that raise{…} did not make; lives as long as that. */
struct slice lua_error_text(lua_State *L);

#endif
