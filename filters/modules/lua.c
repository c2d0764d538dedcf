/* A module that an administrator writes in Lua: the script's global functions that are named as callbacks are asked.
 *
 * The table of callbacks says which there are and what they are asked about, so that a new row there is a function that
 * scripts can have. Everything of Lua's runs within lua_sandbox_run; what a script does wrong is a failure of the
 * module, as an exception is in Synapse. */
#include <lauxlib.h>
#include <stdlib.h>

#include "base/memory.h"
#include "filters/lua_answer.h"
#include "filters/lua_event.h"
#include "filters/lua_json.h"
#include "filters/lua_library.h"
#include "filters/lua_sandbox.h"
#include "filters/lua_standard.h"
#include "filters/lua_value.h"
#include "filters/module.h"

/* Loading a script may take so many times what a call may. */
#define LOAD_FACTOR 10
#define SCRIPT_MAXIMUM (1u << 20)
#define CHECKERS_MAXIMUM 100
#define CHECKER_FIELDS_MAXIMUM 32

struct configuration {
    char *script;
    int64_t instructions;
    int64_t memory;
    int64_t milliseconds;
    json_t *settings;
};

/* A function of the script. */
struct handler {
    int reference; /* in Lua's registry; LUA_NOREF: the script has none */
    uint8_t takes; /* arguments */
};

/* An entry of `auth_checkers`. */
struct checker {
    struct handler handler;
    char *type;
    char *fields[CHECKER_FIELDS_MAXIMUM + 1];
};

struct state {
    struct lua_sandbox *sandbox;
    struct lua_events events;
    struct lua_library library;
    struct handler handlers[CALLBACK_COUNT];
    struct checker *checkers;
    size_t checker_count;
};

static const struct parameter parameters[] = {
    {.name = "script",
     .type = PARAMETER_TEXT,
     .offset = offsetof(struct configuration, script),
     .text = "The file with the script."},
    {.name = "instructions",
     .type = PARAMETER_INTEGER,
     .offset = offsetof(struct configuration, instructions),
     .fallback = "1000000",
     .minimum = 100,
     .maximum = 1000000000,
     .text = "How many instructions one call of a function may take."},
    {.name = "memory",
     .type = PARAMETER_INTEGER,
     .offset = offsetof(struct configuration, memory),
     .fallback = "16777216",
     .minimum = LUA_SANDBOX_MEMORY_LEAST,
     .maximum = 1ll << 32,
     .text = "How many bytes the script may hold, with all it remembers."},
    {.name = "milliseconds",
     .type = PARAMETER_INTEGER,
     .offset = offsetof(struct configuration, milliseconds),
     .fallback = "1000",
     .minimum = 1,
     .maximum = 60000,
     .text = "How much processor time one call of a function may take."},
    {.name = "settings",
     .type = PARAMETER_MAP,
     .offset = offsetof(struct configuration, settings),
     .text = "Anything; the script has it as the global table `config`."},
};

static void destroy(void *pointer)
{
    struct state *state = pointer;
    lua_sandbox_destroy(state->sandbox);
    lua_events_free(&state->events);
    for (size_t index = 0; index < state->checker_count; index++) {
        free(state->checkers[index].type);
        for (char **field = state->checkers[index].fields; *field; field++)
            free(*field);
    }
    free(state->checkers);
    free(state);
}

/* ---- asking */

struct question {
    struct state *state;
    const struct callback_arguments *arguments;
    struct result *result;
    const struct handler *handler;
};

static void push_argument(lua_State *L, const struct question *question, uint32_t index)
{
    const struct callback_arguments *arguments = question->arguments;
    enum argument_type type = callback_definitions[arguments->callback].arguments[index].type;
    if (type == ARGUMENT_EVENT && arguments->event)
        lua_events_push(&question->state->events, L, arguments->event);
    else if (arguments->values)
        lua_value_push(L, &arguments->values[index]);
    else
        lua_pushnil(L);
}

/* The place of the argument that the function may edit; argument_count if there is none. */
static uint32_t shared_argument(const struct callback_definition *definition,
                                const struct callback_arguments *arguments)
{
    uint32_t index = 0;
    while (index < definition->argument_count && definition->arguments[index].type != ARGUMENT_SHARED)
        index++;
    bool there = index < definition->argument_count && arguments->values &&
                 arguments->values[index].kind == VALUE_JSON && json_is_object(arguments->values[index].object);
    return there ? index : definition->argument_count;
}

/* Stack: the question. Behind it, the object that may be edited, or nil; then what the function returned. */
static int ask(lua_State *L)
{
    const struct question *question = lua_touserdata(L, 1);
    const struct callback_arguments *arguments = question->arguments;
    const struct callback_definition *definition = &callback_definitions[arguments->callback];
    uint32_t shared = shared_argument(definition, arguments);
    lua_pushnil(L);
    lua_rawgeti(L, LUA_REGISTRYINDEX, question->handler->reference);
    uint32_t count =
        question->handler->takes < definition->argument_count ? question->handler->takes : definition->argument_count;
    for (uint32_t index = 0; index < count; index++) {
        push_argument(L, question, index);
        if (index == shared) {
            lua_pushvalue(L, -1);
            lua_replace(L, 2);
        }
    }
    lua_call(L, (int)count, LUA_MULTRET);
    question->result->value = lua_answer_read(L, 3, arguments->callback, arguments->arena);
    if (!lua_isnil(L, 2))
        lua_json_write_back(L, 2, arguments->values[shared].object, arguments->arena);
    return 0;
}

/* The function that is asked: that of the login type, where there are several. */
static const struct handler *find_handler(const struct state *state, const struct callback_arguments *arguments)
{
    if (arguments->callback != CALLBACK_auth_checkers)
        return &state->handlers[arguments->callback];
    struct slice type = callback_argument_text(arguments, "login_type");
    for (size_t index = 0; index < state->checker_count; index++)
        if (slice_equal(type, slice_from_string(state->checkers[index].type)))
            return &state->checkers[index].handler;
    return NULL;
}

static void on_callback(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    struct state *state = pointer;
    struct question question = {state, arguments, result, find_handler(state, arguments)};
    if (!question.handler)
        return;
    state->library.result = result;
    state->library.arena = arguments->arena;
    if (!lua_sandbox_run(state->sandbox, ask, &question, 1)) {
        lua_State *L = lua_sandbox_state(state->sandbox);
        *result = (struct result){.value = lua_answer_read_error(L, arguments->arena)};
        if (result->value.raised->kind == RAISED_OTHER)
            lua_library_log(&state->library, "error", result->value.raised->text);
        lua_settop(L, 0);
    }
    state->library.result = NULL;
    state->library.arena = NULL;
    lua_events_end(&state->events);
}

/* ---- loading */

struct loading {
    struct state *state;
    const struct module_setup *setup;
    struct slice script;
    const char *name;
};

static int open_state(lua_State *L)
{
    const struct loading *loading = lua_touserdata(L, 1);
    const struct configuration *configuration = loading->setup->configuration;
    lua_standard_open(L);
    lua_value_open(L);
    lua_events_open(&loading->state->events, L);
    lua_answer_open(L);
    lua_library_open(&loading->state->library, L);
    if (configuration->settings)
        lua_value_push_json(L, configuration->settings);
    else
        lua_newtable(L);
    lua_setglobal(L, "config");
    return 0;
}

static int run_script(lua_State *L)
{
    const struct loading *loading = lua_touserdata(L, 1);
    lua_pushfstring(L, "@%s", loading->name);
    if (luaL_loadbufferx(L, loading->script.data, loading->script.length, lua_tostring(L, -1), "t") != LUA_OK)
        return lua_error(L);
    lua_call(L, 0, 0);
    return 0;
}

/* Takes the function on the stack's top. */
static struct handler take_handler(lua_State *L)
{
    lua_Debug activation;
    lua_pushvalue(L, -1);
    lua_getinfo(L, ">u", &activation);
    uint8_t takes = activation.isvararg ? UINT8_MAX : activation.nparams;
    return (struct handler){luaL_ref(L, LUA_REGISTRYINDEX), takes};
}

/* How many arguments Synapse is told that the function takes: Python's functions take what they are given, or fail;
 * Lua's take what they want. 0: all. */
static uint8_t told_arity(const struct callback_definition *definition, uint8_t takes)
{
    return takes >= definition->arguments_least && takes <= definition->argument_count ? takes : 0;
}

/* Pushes the global `name` as it stands in the table of globals, whatever metatable that has. */
static int push_global(lua_State *L, const char *name)
{
    lua_pushglobaltable(L);
    lua_pushstring(L, name);
    int type = lua_rawget(L, -2);
    lua_remove(L, -2);
    return type;
}

static void take_function(lua_State *L, const struct loading *loading, enum callback callback)
{
    const struct callback_definition *definition = &callback_definitions[callback];
    int type = push_global(L, definition->name);
    if (type == LUA_TNIL) {
        lua_pop(L, 1);
        return;
    }
    if (type != LUA_TFUNCTION)
        luaL_error(L, "%s: `%s` is a %s; a callback is a function", loading->name, definition->name,
                   lua_typename(L, type));
    struct handler *handler = &loading->state->handlers[callback];
    *handler = take_handler(L);
    struct module_callback row = {
        .callback = callback, .function = on_callback, .parameter_count = told_arity(definition, handler->takes)};
    module_register(loading->setup, &row);
}

/* The table on the stack's top is an entry of `auth_checkers`. */
static void read_checker(lua_State *L, const struct loading *loading, struct checker *checker)
{
    int entry = lua_gettop(L);
    if (lua_type(L, entry) != LUA_TTABLE || lua_getfield(L, entry, "type") != LUA_TSTRING)
        luaL_error(L, "%s: an entry of `auth_checkers` has no `type = \"…\"`", loading->name);
    const char *type = lua_tostring(L, -1);
    for (size_t index = 0; index < loading->state->checker_count; index++)
        if (loading->state->checkers[index].type && strcmp(loading->state->checkers[index].type, type) == 0)
            luaL_error(L, "%s: `auth_checkers` has the type `%s` twice", loading->name, type);
    if (lua_getfield(L, entry, "fields") != LUA_TTABLE || lua_rawlen(L, -1) > CHECKER_FIELDS_MAXIMUM)
        luaL_error(L, "%s: `fields` of the type `%s` must be a list of at most %d names", loading->name, type,
                   CHECKER_FIELDS_MAXIMUM);
    lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
    for (lua_Integer field = 1; field <= count; field++) {
        if (lua_rawgeti(L, entry + 2, field) != LUA_TSTRING)
            luaL_error(L, "%s: `fields` of the type `%s` must hold texts", loading->name, type);
        checker->fields[field - 1] = memory_copy_text(lua_tostring(L, -1), lua_rawlen(L, -1));
        lua_pop(L, 1);
    }
    if (lua_getfield(L, entry, "check") != LUA_TFUNCTION)
        luaL_error(L, "%s: `check` of the type `%s` must be a function", loading->name, type);
    checker->handler = take_handler(L);
    checker->type = memory_copy_text(type, strlen(type));
    lua_settop(L, entry);
}

static void take_checkers(lua_State *L, const struct loading *loading)
{
    struct state *state = loading->state;
    int type = push_global(L, "auth_checkers");
    if (type == LUA_TNIL) {
        lua_pop(L, 1);
        return;
    }
    size_t count = type == LUA_TTABLE ? lua_rawlen(L, -1) : 0;
    if (count == 0 || count > CHECKERS_MAXIMUM)
        luaL_error(L, "%s: `auth_checkers` must be a list of one to %d tables", loading->name, CHECKERS_MAXIMUM);
    state->checkers = memory_allocate_zeroed(count, sizeof *state->checkers);
    while (state->checker_count < count) {
        struct checker *checker = &state->checkers[state->checker_count++];
        lua_rawgeti(L, -1, (lua_Integer)state->checker_count);
        read_checker(L, loading, checker);
        lua_pop(L, 1);
        struct module_callback row = {.callback = CALLBACK_auth_checkers,
                                      .function = on_callback,
                                      .login_type = checker->type,
                                      .login_fields = (const char *const *)checker->fields};
        module_register(loading->setup, &row);
    }
    lua_pop(L, 1);
}

/* `fields = {"body"}`: keys of `content` that come without parsing. */
static void take_fields(lua_State *L, const struct loading *loading)
{
    int type = push_global(L, "fields");
    if (type != LUA_TNIL && type != LUA_TTABLE)
        luaL_error(L, "%s: `fields` must be a list of keys of `content`", loading->name);
    lua_Integer count = type == LUA_TTABLE ? (lua_Integer)lua_rawlen(L, -1) : 0;
    for (lua_Integer index = 1; index <= count; index++) {
        if (lua_rawgeti(L, -1, index) != LUA_TSTRING)
            luaL_error(L, "%s: `fields` must be a list of keys of `content`", loading->name);
        struct slice key;
        key.data = lua_tolstring(L, -1, &key.length);
        lua_events_declare(L, key, field_table_declare(loading->setup->fields, key));
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/* A function that is nearly named as a callback would never be asked, and nobody would know. */
static void refuse_near_misses(lua_State *L, const struct loading *loading)
{
    const char *names[CALLBACK_COUNT + 1] = {NULL};
    for (int callback = 0; callback < CALLBACK_COUNT; callback++)
        names[callback] = callback_definitions[callback].name;
    lua_pushglobaltable(L);
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TFUNCTION || lua_iscfunction(L, -1))
            continue;
        const char *name = lua_tostring(L, -2);
        const char *nearest = nearest_word(name, names);
        if (!nearest || strcmp(nearest, name) == 0)
            continue;
        lua_Debug activation;
        lua_pushvalue(L, -1);
        lua_getinfo(L, ">S", &activation);
        luaL_error(L, "%s:%d: `%s` is no callback; did you mean `%s`? A function of your own is to be local",
                   loading->name, activation.linedefined, name, nearest);
    }
    lua_pop(L, 1);
}

static int take_functions(lua_State *L)
{
    const struct loading *loading = lua_touserdata(L, 1);
    luaL_checkstack(L, 20, NULL);
    refuse_near_misses(L, loading);
    take_fields(L, loading);
    bool any = false;
    for (int callback = 0; callback < CALLBACK_COUNT; callback++) {
        if (callback == CALLBACK_auth_checkers)
            continue;
        take_function(L, loading, (enum callback)callback);
        any |= loading->state->handlers[callback].reference != LUA_NOREF;
    }
    take_checkers(L, loading);
    if (!any && loading->state->checker_count == 0)
        luaL_error(L, "%s: has no function that is named as a callback", loading->name);
    return 0;
}

static bool load(const struct loading *loading)
{
    static const lua_CFunction steps[] = {open_state, run_script, take_functions};
    struct state *state = loading->state;
    for (size_t step = 0; step < sizeof steps / sizeof *steps; step++) {
        state->library.loading = true;
        bool good = lua_sandbox_run(state->sandbox, steps[step], (void *)(uintptr_t)loading, LOAD_FACTOR);
        state->library.loading = false;
        if (good)
            continue;
        struct arena arena = {0};
        lua_State *L = lua_sandbox_state(state->sandbox);
        struct value failure = lua_answer_read_error(L, &arena);
        module_host_report(loading->setup->host, "script", "%.*s", (int)failure.raised->text.length,
                           failure.raised->text.data);
        lua_settop(L, 0);
        arena_free(&arena);
        return false;
    }
    return true;
}

static bool read_script(const struct module_setup *setup, const char *name, struct buffer *script)
{
    struct buffer error = {0};
    bool good = setup->host->read_file && setup->host->read_file(setup->host->context, name, script, &error);
    if (!good)
        module_host_report(setup->host, "script", "%s", error.length ? buffer_string(&error) : "cannot be read");
    else if (script->length > SCRIPT_MAXIMUM)
        module_host_report(setup->host, "script", "%s is larger than 1 MiB", name);
    buffer_free(&error);
    return good && script->length <= SCRIPT_MAXIMUM;
}

static void *create(const struct module_setup *setup)
{
    const struct configuration *configuration = setup->configuration;
    if (!configuration->script) {
        module_host_report(setup->host, "script", "is missing: the file with the script");
        return NULL;
    }
    struct buffer script = {0};
    struct state *state = memory_allocate_zeroed(1, sizeof *state);
    for (int callback = 0; callback < CALLBACK_COUNT; callback++)
        state->handlers[callback].reference = LUA_NOREF;
    state->library.log = setup->host->log;
    state->library.name = configuration->script;
    struct lua_sandbox_limits limits = {.instructions = configuration->instructions,
                                        .memory = configuration->memory,
                                        .milliseconds = configuration->milliseconds};
    state->sandbox = lua_sandbox_create(&limits);
    struct loading loading = {.state = state, .setup = setup, .name = configuration->script};
    bool good = state->sandbox && read_script(setup, configuration->script, &script);
    loading.script = buffer_slice(&script);
    good = good && load(&loading);
    buffer_free(&script);
    if (!good) {
        destroy(state);
        return NULL;
    }
    return state;
}

extern const struct module_definition module_lua;
const struct module_definition module_lua = {
    .name = "lua",
    .summary = "Asks the functions of a script in Lua 5.4, in a sandbox.",
    .parameters = parameters,
    .parameter_count = sizeof parameters / sizeof *parameters,
    .configuration_size = sizeof(struct configuration),
    .needs_body = true,
    .reads_state = true,
    .create = create,
    .destroy = destroy,
};
