/* How the limits are kept:
 *
 * - Memory: Lua's allocator is ours and refuses what would go above the limit; Lua then collects its garbage, tries
 *   again, and raises "not enough memory".
 * - Instructions: a count hook takes what was executed from the run's budget. C functions take theirs by
 *   lua_sandbox_charge, the allocator takes something for every byte, so that a few instructions that each copy
 *   megabytes cost what they are worth. Once the budget is spent, the hook stands at every instruction and raises at
 * each of them: no pcall goes on behind it.
 * - Time: what no count sees (comparing long strings) is seen by the clock, which the hook reads each time it is
 * called. Processor time, so that a busy machine makes no script fail.
 *
 * A hook is not called while another hook, a message handler called from it, or a finalizer runs. Scripts therefore
 * have neither xpcall's message handlers nor __gc, and no coroutines, which have hooks of their own (lua_standard.c).
 */
#include "filters/lua_sandbox.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <time.h>

#include "base/memory.h"

/* Instructions between two looks at the budget and the clock. Few, because one of them may go through megabytes that
 * nobody counts (comparing or converting long strings). */
#define HOOK_INTERVAL 100

enum spent { SPENT_NOTHING, SPENT_INSTRUCTIONS, SPENT_TIME };

struct lua_sandbox {
    lua_State *state;
    struct lua_sandbox_limits limits;
    size_t memory;    /* held */
    size_t kept;      /* of it, by C on behalf of the script */
    int64_t factor;   /* of this run */
    int64_t left;     /* instructions of this run's budget */
    int interval;     /* of the hook */
    bool timed;       /* the clocks have been read once in this run */
    int64_t began_ns; /* then, on the wall */
    int64_t began_processor_ns;
    enum spent spent;
    bool running;
};

static struct lua_sandbox *sandbox_of(lua_State *L)
{
    return *(struct lua_sandbox **)lua_getextraspace(L);
}

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Whether the run has used its processor time. The wall's clock costs no system call and is never behind, so the other
 * one is asked only once the limit has gone by on the wall. */
static bool time_is_over(struct lua_sandbox *sandbox)
{
    int64_t limit = sandbox->limits.milliseconds * sandbox->factor * 1000000;
    int64_t now = clock_ns(CLOCK_MONOTONIC);
    if (!sandbox->timed) {
        sandbox->timed = true;
        sandbox->began_ns = now;
        sandbox->began_processor_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        return false;
    }
    return now - sandbox->began_ns >= limit && clock_ns(CLOCK_THREAD_CPUTIME_ID) - sandbox->began_processor_ns >= limit;
}

static void on_count(lua_State *L, lua_Debug *activation);

/* From now on the hook is called for each instruction, and raises. May be called from anywhere, as lua_sethook may. */
static void spend(struct lua_sandbox *sandbox, enum spent spent)
{
    if (sandbox->spent)
        return;
    sandbox->spent = spent;
    lua_sethook(sandbox->state, on_count, LUA_MASKCOUNT, 1);
}

/* `level` 0 is the function that runs, for the hook; 1 the one that called C. */
static int raise_spent(lua_State *L, int level)
{
    const struct lua_sandbox *sandbox = sandbox_of(L);
    LUAI_UACINT milliseconds = sandbox->limits.milliseconds * sandbox->factor;
    LUAI_UACINT instructions = sandbox->limits.instructions * sandbox->factor;
    luaL_where(L, level);
    if (sandbox->spent == SPENT_TIME)
        lua_pushfstring(L, "stopped after %I ms of processor time", milliseconds);
    else
        lua_pushfstring(L, "stopped after %I instructions", instructions);
    lua_concat(L, 2);
    return lua_error(L);
}

static void on_count(lua_State *L, lua_Debug *activation)
{
    (void)activation;
    struct lua_sandbox *sandbox = sandbox_of(L);
    if (!sandbox->spent) {
        sandbox->left -= sandbox->interval;
        if (sandbox->left <= 0)
            spend(sandbox, SPENT_INSTRUCTIONS);
        else if (time_is_over(sandbox))
            spend(sandbox, SPENT_TIME);
    }
    if (sandbox->spent)
        raise_spent(L, 0);
}

/* Takes from the budget; false once it is spent. */
static bool take(struct lua_sandbox *sandbox, size_t instructions)
{
    if (!sandbox->running)
        return true;
    sandbox->left -= instructions < INT32_MAX ? (int64_t)instructions : INT32_MAX;
    if (sandbox->left <= 0)
        spend(sandbox, SPENT_INSTRUCTIONS);
    return sandbox->spent == SPENT_NOTHING;
}

void lua_sandbox_charge(lua_State *L, size_t instructions)
{
    if (!take(sandbox_of(L), instructions))
        raise_spent(L, 1);
}

static void *allocate(void *context, void *pointer, size_t old_size, size_t new_size)
{
    struct lua_sandbox *sandbox = context;
    if (!pointer)
        old_size = 0; /* Lua tells the kind of object there */
    if (new_size == 0) {
        free(pointer);
        sandbox->memory -= old_size;
        return NULL;
    }
    size_t limit = (size_t)sandbox->limits.memory;
    size_t others = sandbox->memory - old_size;
    if (new_size > old_size && (new_size > limit || others > limit - new_size))
        return NULL;
    void *moved = realloc(pointer, new_size);
    if (!moved)
        return new_size <= old_size ? pointer : NULL; /* Lua relies on it that shrinking succeeds */
    sandbox->memory = others + new_size;
    if (new_size > old_size)
        take(sandbox, (new_size - old_size) / LUA_SANDBOX_BYTES_PER_INSTRUCTION);
    return moved;
}

void *lua_sandbox_allocate(lua_State *L, size_t size)
{
    struct lua_sandbox *sandbox = sandbox_of(L);
    if (size > (size_t)sandbox->limits.memory / 2 - sandbox->kept)
        return NULL;
    void *memory = allocate(sandbox, NULL, 0, size);
    if (!memory) { /* garbage is in the way */
        lua_sandbox_charge(L, sandbox->memory / LUA_SANDBOX_BYTES_PER_INSTRUCTION);
        lua_gc(L, LUA_GCCOLLECT);
        memory = allocate(sandbox, NULL, 0, size);
    }
    sandbox->kept += memory ? size : 0;
    return memory;
}

void lua_sandbox_free(lua_State *L, void *pointer, size_t size)
{
    struct lua_sandbox *sandbox = sandbox_of(L);
    if (!pointer)
        return;
    allocate(sandbox, pointer, size, 0);
    sandbox->kept -= size;
}

struct lua_sandbox *lua_sandbox_create(const struct lua_sandbox_limits *limits)
{
    struct lua_sandbox *sandbox = memory_allocate_zeroed(1, sizeof *sandbox);
    sandbox->limits = *limits;
    sandbox->interval = limits->instructions < HOOK_INTERVAL ? (int)limits->instructions : HOOK_INTERVAL;
    sandbox->state = lua_newstate(allocate, sandbox);
    if (!sandbox->state) {
        free(sandbox);
        return NULL;
    }
    *(struct lua_sandbox **)lua_getextraspace(sandbox->state) = sandbox;
    return sandbox;
}

void lua_sandbox_destroy(struct lua_sandbox *sandbox)
{
    if (!sandbox)
        return;
    lua_close(sandbox->state);
    free(sandbox);
}

/* A run whose last act was to catch the error of a limit has failed all the same. */
static int run_body(lua_State *L)
{
    lua_CFunction body = lua_tocfunction(L, 2);
    lua_settop(L, 1);
    body(L);
    if (sandbox_of(L)->spent)
        raise_spent(L, 1);
    return 0;
}

bool lua_sandbox_run(struct lua_sandbox *sandbox, lua_CFunction body, void *context, int64_t factor)
{
    lua_State *L = sandbox->state;
    lua_settop(L, 0);
    sandbox->factor = factor;
    sandbox->left = sandbox->limits.instructions * factor;
    sandbox->timed = false;
    sandbox->spent = SPENT_NOTHING;
    sandbox->running = true;
    lua_sethook(L, on_count, LUA_MASKCOUNT, sandbox->interval);
    lua_pushcfunction(L, run_body);
    lua_pushlightuserdata(L, context);
    lua_pushcfunction(L, body);
    bool good = lua_pcall(L, 2, 0, 0) == LUA_OK;
    sandbox->running = false;
    return good;
}

lua_State *lua_sandbox_state(const struct lua_sandbox *sandbox)
{
    return sandbox->state;
}

size_t lua_sandbox_memory(const struct lua_sandbox *sandbox)
{
    return sandbox->memory;
}
