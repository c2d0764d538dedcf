/* Callbacks answered by a shared object of the administrator's (deploy/include/weir/plugin.h).
 *
 * The object is loaded while the configuration is read, so that whatever is wrong with it is an error of the
 * configuration, with its line. dlopen is the one thing in filters/ that reaches outside: a plug-in is code, as a
 * module of our own is, and comes into the process as the dynamic linker brings libraries in. */
#include <dlfcn.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/memory.h"
#include "filters/plugin_host.h"

/* More are no mistake of counting but of layout. */
#define PLUGIN_CALLBACKS_MAXIMUM 1000u

struct configuration {
    char *path;
    json_t *settings;
};

/* An auth checker: there may be one for each login type. */
struct checker {
    const char *login_type;
    weir_callback_function *function;
};

struct state {
    struct weir_instance instance;
    void *library;
    const struct weir_plugin *plugin;
    void *plugin_state;
    bool judges_events; /* a callback is about an event */
    weir_callback_function *functions[CALLBACK_COUNT];
    struct checker *checkers;
    size_t checker_count;
};

static const struct parameter parameters[] = {
    {.name = "path",
     .type = PARAMETER_TEXT,
     .offset = offsetof(struct configuration, path),
     .text = "The shared object, relative to the configuration file. It is trusted code: it runs in Weir's process."},
    {.name = "settings",
     .type = PARAMETER_MAP,
     .offset = offsetof(struct configuration, settings),
     .text = "Whatever the plug-in itself takes."},
};

static weir_callback_function *find_function(const struct state *state, const struct callback_arguments *arguments)
{
    if (arguments->callback != CALLBACK_auth_checkers)
        return state->functions[arguments->callback];
    struct slice login_type = callback_argument_text(arguments, "login_type");
    for (size_t index = 0; index < state->checker_count; index++)
        if (slice_equal(slice_from_string(state->checkers[index].login_type), login_type))
            return state->checkers[index].function;
    return NULL;
}

static void ask(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    const struct state *state = pointer;
    weir_callback_function *function = find_function(state, arguments);
    if (function)
        plugin_ask(&state->instance, function, state->plugin_state, arguments, result);
    else
        result->value.kind = VALUE_PASS;
}

static void destroy(void *pointer)
{
    struct state *state = pointer;
    if (state->plugin_state && state->plugin->destroy)
        state->plugin->destroy(state->plugin_state);
    if (state->library)
        dlclose(state->library);
    json_decref((json_t *)(uintptr_t)state->instance.settings);
    free(state->checkers);
    free(state);
}

/* Loads the object and finds what it exports. */
static bool load(struct state *state, const char *name, const struct module_host *host)
{
    struct buffer path = {0}, error = {0};
    if (!host->resolve_path || !host->resolve_path(host->context, name, &path, &error)) {
        module_host_report(host, "path", "%s", error.length ? buffer_string(&error) : "files are left out");
    } else if (!(state->library = dlopen(buffer_string(&path), RTLD_NOW | RTLD_LOCAL))) {
        const char *reason = dlerror();
        module_host_report(host, "path", "the plug-in cannot be loaded: %s", reason ? reason : buffer_string(&path));
    } else if (!(state->plugin = dlsym(state->library, "weir_plugin"))) {
        module_host_report(host, "path", "\"%s\" is no plug-in for Weir: it exports no symbol `weir_plugin`",
                           buffer_string(&path));
    }
    buffer_free(&path);
    buffer_free(&error);
    return state->plugin != NULL;
}

/* The versions first: by them is decided whether the rest can be read. */
static bool check_version(const struct weir_plugin *plugin, const struct module_host *host)
{
    uint32_t major = plugin->abi_version >> 16, minor = plugin->abi_version & 0xffff;
    if (major != WEIR_PLUGIN_ABI_MAJOR) {
        module_host_report(host, "path",
                           "the plug-in was built for version %" PRIu32 ".%" PRIu32
                           " of the plug-in interface, and this Weir has version %u.%u: build it again with this "
                           "Weir's weir/plugin.h",
                           major, minor, WEIR_PLUGIN_ABI_MAJOR, WEIR_PLUGIN_ABI_MINOR);
        return false;
    }
    if (minor > WEIR_PLUGIN_ABI_MINOR) {
        module_host_report(host, "path",
                           "the plug-in needs version %" PRIu32 ".%" PRIu32
                           " of the plug-in interface, and this Weir has only version %u.%u",
                           major, minor, WEIR_PLUGIN_ABI_MAJOR, WEIR_PLUGIN_ABI_MINOR);
        return false;
    }
    if (plugin->size < sizeof *plugin || plugin->callback_size < sizeof(struct weir_callback) || !plugin->create ||
        !plugin->name || !plugin->callbacks || plugin->callback_count > PLUGIN_CALLBACKS_MAXIMUM) {
        module_host_report(
            host, "path",
            "the plug-in's `weir_plugin` is not filled in: it must have its sizes, a name, its callbacks "
            "and `create`");
        return false;
    }
    return true;
}

static void report_unknown_callback(const char *plugin, const char *name, const struct module_host *host)
{
    const char *names[CALLBACK_COUNT + 1] = {0};
    for (size_t index = 0; index < CALLBACK_COUNT; index++)
        names[index] = callback_definitions[index].name;
    const char *nearest = nearest_word(name, names);
    if (nearest)
        module_host_report(host, "path", "%s answers a callback `%s` that does not exist; did it mean `%s`?", plugin,
                           name, nearest);
    else
        module_host_report(host, "path", "%s answers a callback `%s` that does not exist", plugin, name);
}

/* Takes an auth checker, which has a login type and at least one field. */
static bool take_checker(struct state *state, const struct weir_callback *row, const struct module_host *host)
{
    if (!row->login_type || !row->login_fields || !*row->login_fields) {
        module_host_report(host, "path", "%s answers auth_checkers without a login type and its fields",
                           state->plugin->name);
        return false;
    }
    for (size_t index = 0; index < state->checker_count; index++) {
        if (strcmp(state->checkers[index].login_type, row->login_type) == 0) {
            module_host_report(host, "path", "%s answers auth_checkers twice for the login type %s",
                               state->plugin->name, row->login_type);
            return false;
        }
    }
    state->checkers = memory_reallocate(state->checkers, (state->checker_count + 1) * sizeof *state->checkers);
    state->checkers[state->checker_count++] = (struct checker){row->login_type, row->function};
    return true;
}

static bool take_callback(struct state *state, const struct weir_callback *row, const struct module_setup *setup)
{
    const struct module_host *host = setup->host;
    if (!row->name || !row->function) {
        module_host_report(host, "path", "%s has a callback without a name or a function", state->plugin->name);
        return false;
    }
    enum callback callback = callback_find(slice_from_string(row->name));
    if (callback == CALLBACK_UNKNOWN) {
        report_unknown_callback(state->plugin->name, row->name, host);
        return false;
    }
    struct module_callback registered = {.callback = callback, .function = ask};
    if (callback == CALLBACK_auth_checkers) {
        if (!take_checker(state, row, host))
            return false;
        registered.login_type = row->login_type;
        registered.login_fields = row->login_fields;
    } else if (state->functions[callback]) {
        module_host_report(host, "path", "%s answers %s twice", state->plugin->name, row->name);
        return false;
    }
    const struct callback_definition *definition = &callback_definitions[callback];
    for (uint32_t index = 0; index < definition->argument_count; index++)
        state->judges_events = state->judges_events || definition->arguments[index].type == ARGUMENT_EVENT;
    state->functions[callback] = row->function;
    module_register(setup, &registered);
    return true;
}

static bool take_callbacks(struct state *state, const struct module_setup *setup)
{
    const struct weir_plugin *plugin = state->plugin;
    bool good = true;
    if (plugin->callback_count == 0) {
        module_host_report(setup->host, "path", "%s answers no callback at all", plugin->name);
        return false;
    }
    for (uint32_t index = 0; index < plugin->callback_count; index++)
        good &= take_callback(
            state, (const void *)((const char *)plugin->callbacks + (size_t)index * plugin->callback_size), setup);
    return good;
}

static bool create_plugin(struct state *state, const struct module_setup *setup)
{
    const struct configuration *configuration = setup->configuration;
    struct weir_instance *instance = &state->instance;
    *instance = (struct weir_instance){
        .setup = setup,
        .settings = configuration->settings ? json_incref(configuration->settings) : json_object(),
        .server_name = setup->server_name,
        .name = state->plugin->name,
        .log = setup->host->log,
    };
    state->plugin_state = state->plugin->create(&plugin_host, instance);
    instance->setup = NULL;
    *setup->needs_body = state->judges_events && !instance->takes_rows;
    *setup->uses_body = state->judges_events;
    if (!state->plugin_state && !instance->reported)
        module_host_report(setup->host, "settings", "%s cannot be started with this, and does not say why",
                           state->plugin->name);
    return state->plugin_state && !instance->reported;
}

static void *create(const struct module_setup *setup)
{
    const struct configuration *configuration = setup->configuration;
    if (!configuration->path || !*configuration->path) {
        module_host_report(setup->host, "path", "must be the path of a shared object");
        return NULL;
    }
    struct state *state = memory_allocate_zeroed(1, sizeof *state);
    if (!load(state, configuration->path, setup->host) || !check_version(state->plugin, setup->host) ||
        !take_callbacks(state, setup) || !create_plugin(state, setup)) {
        destroy(state);
        return NULL;
    }
    return state;
}

extern const struct module_definition module_plugin;
const struct module_definition module_plugin = {
    .name = "plugin",
    .summary = "Asks a plug-in: a shared object in C or C++ that answers any callback.",
    .parameters = parameters,
    .parameter_count = sizeof parameters / sizeof *parameters,
    .configuration_size = sizeof(struct configuration),
    .needs_body = true,
    .reads_state = true,
    .create = create,
    .destroy = destroy,
};
