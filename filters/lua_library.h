/* The global table `weir`: what scripts need beside Lua's own libraries. docs/lua.md describes every function. */
#ifndef WEIR_FILTERS_LUA_LIBRARY_H
#define WEIR_FILTERS_LUA_LIBRARY_H

#include <lua.h>

#include "base/buffer.h"
#include "filters/callback.h"

/* What the library needs to know; it must not move, and outlive the state. */
struct lua_library {
    void (*log)(const char *level, const char *module, struct slice message); /* NULL: nowhere */
    const char *name;                                                         /* of the script, for the log */
    bool loading; /* the script's own lines are being run, not one of its functions */
    /* Of the log's limit. */
    int64_t log_second;
    uint32_t log_lines;
    uint32_t log_dropped;
    /* Where `reason` puts its words; NULL: nothing is being asked. */
    struct result *result;
    struct arena *arena;
};

/* Lines that a script may log in one second; the rest are counted. */
#define LUA_LOG_LINES_PER_SECOND 10u
#define LUA_LOG_LINE_MAXIMUM 1000u

/* Sets the globals `weir`, `reason` and `print`; to be called protected. */
void lua_library_open(struct lua_library *library, lua_State *L);

/* A line of the log, under the script's limit of lines. */
void lua_library_log(struct lua_library *library, const char *level, struct slice text);

#endif
