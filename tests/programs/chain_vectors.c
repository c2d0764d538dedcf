/* Runs the oracle vectors of module chains: each line is one walk over scripted modules, and what Synapse's own classes
 * made of it. A module of the vector becomes a module of a real chain, which answers what the vector says. */
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "filters/chain.h"
#include "replication/recording.h"

#define SERVER_NAME "hs"
#define ROWS_MAXIMUM 16
#define FIELDS_MAXIMUM 16

/* The vector that is being run. */
struct running {
    const json_t *vector;
    enum callback callback; /* CALLBACK_UNKNOWN for register_auth_checkers */
    struct arena arena;     /* values of the vector */
    json_t *called;
    const json_t *building; /* the module that create is to make */
    bool refused;           /* while modules were registered */
    bool broken;            /* the vector itself cannot be run */
    const char *problem;
};

static struct running running;

struct scripted {
    const json_t *module;
    enum callback callback;
    const char *fields[ROWS_MAXIMUM][FIELDS_MAXIMUM + 1];
};

static void fail(const char *problem)
{
    running.broken = true;
    running.problem = problem;
}

/* The object arguments get the members that the module writes. */
static void edit_arguments(const struct callback_arguments *arguments, json_t *edits)
{
    const struct callback_definition *definition = &callback_definitions[arguments->callback];
    for (uint32_t index = 0; arguments->values && index < definition->argument_count; index++) {
        enum argument_type type = definition->arguments[index].type;
        if ((type == ARGUMENT_COPY || type == ARGUMENT_SHARED) && index < arguments->count)
            json_object_update(arguments->values[index].object, edits);
    }
}

static void answer(void *state, const struct callback_arguments *arguments, struct result *result)
{
    const struct scripted *scripted = state;
    if (arguments->callback != scripted->callback) {
        result->value.kind = VALUE_PASS; /* the other half of a presence router */
        return;
    }
    json_array_append(running.called, json_object_get(scripted->module, "name"));
    edit_arguments(arguments, json_object_get(scripted->module, "edits"));
    json_t *raises = json_object_get(scripted->module, "raises");
    json_t *returns = json_object_get(scripted->module, "returns");
    json_t *wrapped = raises ? json_pack("{s:O}", "raise", raises) : json_incref(returns);
    if (!wrapped || !value_read_json(wrapped, &running.arena, &result->value, &running.problem))
        running.broken = true;
    json_decref(wrapped);
}

static bool has_text(const json_t *object, const char *key, const char *text)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value && strcmp(value, text) == 0;
}

static void register_row(const struct module_setup *setup, const struct scripted *scripted, enum callback callback,
                         const char *type, const char *const *fields)
{
    const json_t *module = scripted->module;
    bool check_password = has_text(module, "method", "check_password");
    struct module_callback row = {
        .callback = callback,
        .function = answer,
        /* The old wrapper of check_password takes what the chain gives and hands on two of it. */
        .parameter_count = check_password ? 0 : (uint8_t)json_integer_value(json_object_get(module, "params")),
        .synchronous = json_is_true(json_object_get(module, "sync")),
        .legacy = has_text(module, "style", "legacy"),
        .check_password = check_password,
        .login_type = type,
        .login_fields = fields,
    };
    module_register(setup, &row);
}

/* A field that is no text cannot be registered at all: C's types keep it out, Synapse refuses to start. */
static bool take_fields(const json_t *list, const char **fields)
{
    size_t count = json_array_size(list);
    for (size_t index = 0; index < count && index < FIELDS_MAXIMUM; index++) {
        fields[index] = json_string_value(json_array_get(list, index));
        if (!fields[index])
            return false;
    }
    return true;
}

static void register_checkers(const struct module_setup *setup, struct scripted *scripted)
{
    static const char *const password[] = {"password", NULL};
    const json_t *checkers = json_object_get(scripted->module, "checkers");
    if (!checkers || has_text(scripted->module, "method", "check_password")) {
        register_row(setup, scripted, CALLBACK_auth_checkers, "m.login.password", password);
        return;
    }
    for (size_t index = 0; index < json_array_size(checkers) && index < ROWS_MAXIMUM; index++) {
        const json_t *checker = json_array_get(checkers, index);
        if (take_fields(json_array_get(checker, 1), scripted->fields[index]))
            register_row(setup, scripted, CALLBACK_auth_checkers, json_string_value(json_array_get(checker, 0)),
                         scripted->fields[index]);
        else
            running.refused = true;
    }
}

static void register_presence(const struct module_setup *setup, const struct scripted *scripted)
{
    bool alone = json_is_true(json_object_get(scripted->module, "alone"));
    register_row(setup, scripted, scripted->callback, NULL, NULL);
    if (!alone)
        register_row(setup, scripted,
                     scripted->callback == CALLBACK_get_users_for_states ? CALLBACK_get_interested_users
                                                                         : CALLBACK_get_users_for_states,
                     NULL, NULL);
}

static void *create(const struct module_setup *setup)
{
    struct scripted *scripted = memory_allocate_zeroed(1, sizeof *scripted);
    const char *other = json_string_value(json_object_get(running.building, "callback"));
    scripted->module = running.building;
    scripted->callback = other ? callback_find(slice_from_string(other)) : running.callback;
    if (scripted->callback == CALLBACK_UNKNOWN && !other)
        scripted->callback = CALLBACK_auth_checkers;
    if (scripted->callback == CALLBACK_UNKNOWN)
        fail("a module registers an unknown callback");
    else if (scripted->callback == CALLBACK_auth_checkers)
        register_checkers(setup, scripted);
    else if (callback_definitions[scripted->callback].family == FAMILY_PRESENCE_ROUTER)
        register_presence(setup, scripted);
    else
        register_row(setup, scripted, scripted->callback, NULL, NULL);
    return scripted;
}

static const struct module_definition scripted_module = {.name = "scripted", .create = create, .destroy = free};

static void on_report(void *context, const char *path, const char *message)
{
    (void)context, (void)path;
    fail(message);
}

static struct chain *build_chain(enum semantics semantics)
{
    static const struct module_host host = {.report = on_report};
    struct chain *chain = chain_create(&(struct chain_settings){.semantics = semantics, .server_name = SERVER_NAME});
    size_t index;
    json_t *module;
    json_array_foreach(json_object_get(running.vector, "modules"), index, module)
    {
        running.building = module;
        chain_append(chain, &scripted_module, NULL, NULL, &host);
    }
    if (!chain_seal(chain, NULL, NULL))
        running.refused = true;
    return chain;
}

/* Presence updates are names in the vectors. */
static struct value read_updates(const json_t *list)
{
    size_t count = json_array_size(list);
    struct value *items = arena_allocate(&running.arena, count * sizeof *items);
    for (size_t index = 0; index < count; index++)
        items[index] = value_text(slice_from_string(json_string_value(json_array_get(list, index))));
    return value_container(VALUE_LIST, items, (uint32_t)count);
}

static bool read_arguments(json_t *args, struct callback_arguments *arguments)
{
    if (running.callback != CALLBACK_get_users_for_states)
        return callback_read_arguments(running.callback, args, &running.arena, arguments, &running.problem);
    struct value *values = arena_allocate(&running.arena, sizeof *values);
    values[0] = read_updates(json_object_get(args, "state_updates"));
    *arguments = (struct callback_arguments){.values = values, .count = 1, .arena = &running.arena};
    return true;
}

/* Some arguments that the chain never looks at are left out in the vectors. */
static void complete_arguments(json_t *args)
{
    static const char *const absent[] = {"new_visibility", "state", NULL};
    for (size_t index = 0; absent[index]; index++)
        if (!json_object_get(args, absent[index]))
            json_object_set_new(args, absent[index], json_null());
}

static struct slice read_event(json_t *args, struct event_reader *reader, struct event *event)
{
    char *text = json_dumps(json_object_get(args, "event"), 0);
    struct slice body = text ? arena_copy(&running.arena, slice_from_string(text)) : SLICE_ABSENT;
    free(text);
    if (slice_present(body) && event_reader_read(reader, body, event) != EVENT_READ_OK)
        fail("the event cannot be read");
    return body;
}

/* --- what is expected */

static bool value_matches(const json_t *expected, const struct value *got);

static bool items_match(const json_t *list, const struct value *items, uint32_t count)
{
    bool good = json_array_size(list) == count;
    for (uint32_t index = 0; good && index < count; index++)
        good = value_matches(json_array_get(list, index), &items[index]);
    return good;
}

static bool dict_matches(const json_t *expected, const struct value *got)
{
    uint32_t index = 0;
    const char *key;
    json_t *member;
    if (got->kind != VALUE_DICT || json_object_size(expected) != got->count)
        return false;
    json_object_foreach((json_t *)(uintptr_t)expected, key, member)
    {
        const struct value *name = &got->items[2 * index];
        if (name->kind != VALUE_TEXT || !slice_equal(name->text, slice_from_string(key)) ||
            !value_matches(member, &got->items[2 * index + 1]))
            return false;
        index++;
    }
    return true;
}

static bool value_matches(const json_t *expected, const struct value *got)
{
    json_t *inner;
    if (json_object_get(expected, "host_text"))
        return got->kind == VALUE_TEXT && got->text.length > 0;
    if ((inner = json_object_get(expected, "tuple")))
        return got->kind == VALUE_TUPLE && items_match(inner, got->items, got->count);
    if ((inner = json_object_get(expected, "list")))
        return got->kind == VALUE_LIST && items_match(inner, got->items, got->count);
    if ((inner = json_object_get(expected, "dict")))
        return dict_matches(inner, got);
    struct value wanted;
    if (!value_read_json(expected, &running.arena, &wanted, &running.problem)) {
        running.broken = true;
        return false;
    }
    if (wanted.kind == VALUE_NOT_SPAM && got->kind == VALUE_TEXT)
        wanted = value_text(SLICE("NOT_SPAM"));
    return value_equal(&wanted, got);
}

static bool raised_matches(const json_t *expected, const struct value *got)
{
    struct value wanted;
    json_t *wrapped = json_pack("{s:O}", "raise", expected);
    bool read = value_read_json(wrapped, &running.arena, &wanted, &running.problem);
    json_decref(wrapped);
    if (!read || got->kind != VALUE_RAISED)
        return false;
    const struct raised *left = wanted.raised, *right = got->raised;
    bool other = left->kind == RAISED_OTHER || left->kind == RAISED_KEY_ERROR;
    if (other)
        return right->kind == RAISED_OTHER || right->kind == RAISED_KEY_ERROR;
    if (left->kind != right->kind || left->kind != RAISED_SYNAPSE_ERROR)
        return left->kind == right->kind;
    return left->status == right->status && slice_equal(left->errcode, right->errcode) &&
           (!json_object_get(expected, "msg") || slice_equal(left->text, right->text));
}

/* Arguments that were edited, as they are at the end. */
static bool after_matches(const json_t *after, const json_t *args)
{
    const char *key;
    json_t *member;
    json_object_foreach((json_t *)(uintptr_t)after, key, member)
    {
        if (!json_equal(member, json_object_get(args, key)))
            return false;
    }
    return true;
}

static bool is_expected(const struct value *got, const json_t *args)
{
    const json_t *expect = json_object_get(running.vector, "expect");
    const json_t *raises = json_object_get(expect, "raises");
    bool at_start = json_object_get(raises, "at") != NULL;
    if (!json_equal(json_object_get(expect, "called"), running.called) || running.refused != at_start)
        return false;
    if (at_start)
        return true;
    if (!after_matches(json_object_get(expect, "after"), args))
        return false;
    return raises ? raised_matches(raises, got) : value_matches(json_object_get(expect, "result"), got);
}

static void print_failure(const struct value *got)
{
    struct buffer text = {0};
    char *expect = json_dumps(json_object_get(running.vector, "expect"), JSON_COMPACT);
    char *called = json_dumps(running.called, JSON_COMPACT);
    if (running.broken)
        buffer_append_string(&text, running.problem ? running.problem : "cannot be run");
    else if (running.refused)
        buffer_append_string(&text, "a refusal at start");
    else
        value_append_json(got, &text);
    const char *id = json_string_value(json_object_get(running.vector, "id"));
    printf("%s: expected %s, got %s, called %s\n", id ? id : "(no id)", expect ? expect : "nothing",
           buffer_string(&text), called);
    free(expect);
    free(called);
    buffer_free(&text);
}

/* Asks the chain, or, for register_auth_checkers, looks at what it registered. */
static struct value ask(struct chain *chain, json_t *args)
{
    if (running.callback == CALLBACK_UNKNOWN)
        return chain_login_types(chain, &running.arena);
    struct outcome outcome = {0};
    struct event event = {.event_id = slice_from_string(json_string_value(json_object_get(args, "event_id")))};
    struct event_reader *reader = event_reader_create(chain_fields(chain));
    struct callback_arguments arguments = {0};
    read_event(args, reader, &event);
    complete_arguments(args);
    if (!running.broken && read_arguments(args, &arguments)) {
        arguments.event = callback_definitions[running.callback].arguments[0].type == ARGUMENT_EVENT ? &event : NULL;
        struct value builtin = value_boolean(json_is_true(json_object_get(args, "builtin_expired")));
        if (json_is_true(json_object_get(args, "builtin_enabled")))
            arguments.fallback = &builtin;
        chain_run(chain, running.callback, &arguments, &outcome);
    } else {
        running.broken = true;
    }
    event_reader_destroy(reader);
    return outcome.result.value;
}

static bool run_vector(void)
{
    const char *name = json_string_value(json_object_get(running.vector, "callback"));
    const char *version = json_string_value(json_object_get(running.vector, "version"));
    json_t *args = json_deep_copy(json_object_get(running.vector, "args"));
    bool old = version && strcmp(version, "1.47") == 0;
    struct value got = {0};
    running.callback = name ? callback_find(slice_from_string(name)) : CALLBACK_UNKNOWN;
    running.called = json_array();
    if (running.callback == CALLBACK_UNKNOWN && (!name || strcmp(name, "register_auth_checkers") != 0))
        fail("unknown callback");
    else if (!version || (!old && strcmp(version, "latest") != 0))
        fail("unknown version");
    struct chain *chain = build_chain(old ? SEMANTICS_147 : SEMANTICS_LATEST);
    if (!running.broken && !running.refused)
        got = ask(chain, args);
    bool good = !running.broken && is_expected(&got, args) && !running.broken;
    if (!good)
        print_failure(&got);
    chain_destroy(chain);
    json_decref(running.called);
    json_decref(args);
    return good;
}

static bool run_line(struct slice line, uint64_t number)
{
    json_error_t error;
    json_t *vector = json_loadb(line.data, line.length, 0, &error);
    if (!json_is_object(vector)) {
        printf("line %llu: %s\n", (unsigned long long)number, vector ? "no object" : error.text);
        json_decref(vector);
        return false;
    }
    running = (struct running){.vector = vector, .arena = running.arena};
    bool good = run_vector();
    arena_reset(&running.arena);
    json_decref(vector);
    return good;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: chain_vectors FILE\n");
        return 2;
    }
    struct buffer error = {0};
    struct slice line;
    uint64_t passed = 0, failed = 0;
    struct line_reader *reader = line_reader_open(argv[1], &error);
    enum line_status status = LINE_FAILED;
    while (reader && (status = line_reader_next(reader, &line, &error)) != LINE_END && status != LINE_FAILED) {
        bool good = status == LINE_OK && run_line(line, line_reader_number(reader));
        passed += good;
        failed += !good;
    }
    if (status == LINE_FAILED) {
        printf("%s\n", buffer_string(&error));
        failed++;
    }
    line_reader_close(reader);
    buffer_free(&error);
    arena_free(&running.arena);
    printf("%llu passed, %llu failed\n", (unsigned long long)passed, (unsigned long long)failed);
    return failed == 0 && passed > 0 ? 0 : 1;
}
