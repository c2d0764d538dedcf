/* A Lua state that cannot run away: every run of a script has a limit of instructions, of memory and of processor time.
 *
 * The limits hold whatever the script does. A limit that was reached cannot be caught for good: a `pcall` sees the
 * error, and the next instruction raises it again. One thread at a time. */
#ifndef WEIR_FILTERS_LUA_SANDBOX_H
#define WEIR_FILTERS_LUA_SANDBOX_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lua_sandbox_limits {
    int64_t instructions; /* of the virtual machine, in one run; what C functions do for the script counts as well */
    int64_t memory;       /* bytes that the state may hold at once */
    int64_t milliseconds; /* of processor time, in one run; looked at every hundred instructions */
};

/* The least memory in which the libraries and a small script have room. */
#define LUA_SANDBOX_MEMORY_LEAST (256 << 10)

struct lua_sandbox;

/* An empty state, without any library; NULL if the machine has no memory for it. */
struct lua_sandbox *lua_sandbox_create(const struct lua_sandbox_limits *limits);
void lua_sandbox_destroy(struct lua_sandbox *sandbox);

/* Calls `body` protected, with `context` as light userdata at index 1 and nothing else on the stack, under `factor`
 * times the limits of instructions and time. False: it raised an error, or a limit was reached; the error is alone on
 * the stack. True: the stack is empty. Not to be nested. */
bool lua_sandbox_run(struct lua_sandbox *sandbox, lua_CFunction body, void *context, int64_t factor);

lua_State *lua_sandbox_state(const struct lua_sandbox *sandbox);

/* Counts work done in C as so many instructions; raises the error of the limit if that was too much. Every C function
 * whose work grows with its arguments calls this before or while it works. */
void lua_sandbox_charge(lua_State *L, size_t instructions);

/* Bytes that a C function goes through while the machine would execute one instruction, roughly. */
#define LUA_SANDBOX_BYTES_PER_INSTRUCTION 64u

/* Memory under the state's limit for what C keeps on behalf of the script; at most half of it, so that the script
 * itself still has room. NULL if that is reached. `lua_sandbox_free` wants the size that was asked for. */
void *lua_sandbox_allocate(lua_State *L, size_t size);
void lua_sandbox_free(lua_State *L, void *pointer, size_t size);

/* Bytes held now. */
size_t lua_sandbox_memory(const struct lua_sandbox *sandbox);

#endif
