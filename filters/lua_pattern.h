/* Lua's string patterns (Lua 5.4 manual, section 6.4.1), compiled and matched for scripts that have a limit: a pattern
 * such as ".-.-.-.-x" can keep Lua's own matcher busy for hours, in C, where no instruction is counted. This one pays
 * for each step from the script's budget (lua_sandbox_charge).
 *
 * It finds what Lua's finds; but a malformed pattern is always an error, also where the match would not have come to
 * the malformed part. */
#ifndef WEIR_FILTERS_LUA_PATTERN_H
#define WEIR_FILTERS_LUA_PATTERN_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

/* No pattern has more items than this. */
#define LUA_PATTERN_ITEMS_MAXIMUM 400
#define LUA_PATTERN_CAPTURES_MAXIMUM 32

struct lua_pattern_item;

struct lua_pattern {
    bool anchored; /* begins with `^` */
    unsigned captures;
    /* Which captures are of a position, `()`, and not of a text. */
    bool is_position[LUA_PATTERN_CAPTURES_MAXIMUM];
    struct lua_pattern_item *items;
};

/* Compiles the string at `index` and pushes the pattern, a userdata. Without `may_anchor` a `^` at its beginning stands
 * for itself. Raises an error if the pattern is malformed. */
const struct lua_pattern *lua_pattern_compile(lua_State *L, int index, bool may_anchor);
/* The same from a cache, where the pattern was used lately. */
const struct lua_pattern *lua_pattern_get(lua_State *L, int index);

/* One text being searched; set the first four members. */
struct lua_matcher {
    lua_State *L;
    const struct lua_pattern *pattern;
    const char *text;
    const char *end;
    size_t steps; /* not paid yet */
    struct {
        const char *begin;
        const char *end;
    } captures[LUA_PATTERN_CAPTURES_MAXIMUM];
};

/* The first place from `at` on where a match begins, with its end; NULL if there is none. The captures are then set.
 * Raises the error of the limit. */
const char *lua_matcher_search(struct lua_matcher *matcher, const char *at, const char **match_end);
/* Pays for the steps that are not paid yet: to be called when the search is over. */
void lua_matcher_pay(struct lua_matcher *matcher);

#endif
