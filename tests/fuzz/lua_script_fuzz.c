/* Any bytes as a script: it is loaded or refused with a text, and if it loads, each of its functions is called once,
 * under tight limits. */
#include <stdlib.h>

#include "filters/chain.h"
#include "filters/module.h"

struct input {
    const uint8_t *data;
    size_t size;
    unsigned reports;
};

static void report(void *context, const char *path, const char *message)
{
    (void)path, (void)message;
    ((struct input *)context)->reports++;
}

static bool read_file(void *context, const char *name, struct buffer *content, struct buffer *error)
{
    (void)name, (void)error;
    const struct input *input = context;
    buffer_append(content, (const char *)input->data, input->size);
    return true;
}

/* An argument of the type that the callback wants. */
static struct value example(enum argument_type type, struct arena *arena)
{
    static const struct presence_state state = {
        .user_id = {"@a:example.org", 14}, .state = {"online", 6}, .currently_active = true};
    static const struct value states[] = {{.kind = VALUE_STATE, .state = &state}};
    switch (type) {
    case ARGUMENT_TEXT:
        return value_text(SLICE("@a:example.org"));
    case ARGUMENT_BOOLEAN:
        return value_boolean(true);
    case ARGUMENT_INTEGER:
        return value_integer(5);
    case ARGUMENT_STATES:
        return value_container(VALUE_LIST, states, 1);
    case ARGUMENT_JSON:
    case ARGUMENT_SHARED:
    case ARGUMENT_COPY:
    case ARGUMENT_STATE:
        return value_json(value_own_json(arena, json_pack("{s:s, s:[i,n], s:n}", "name", "x", "list", 1, "null")));
    default:
        return (struct value){.kind = VALUE_NONE};
    }
}

static void call_everything(const struct chain *chain)
{
    struct arena arena = {0};
    struct event_reader *reader = event_reader_create(chain_fields(chain));
    for (int callback = 0; callback < CALLBACK_COUNT; callback++) {
        const struct callback_definition *definition = &callback_definitions[callback];
        uint32_t index;
        if (!definition->rules[SEMANTICS_LATEST] || !chain_callback_modules(chain, (enum callback)callback, &index, 1))
            continue;
        struct event event = {0};
        event_reader_read(reader,
                          SLICE("{\"type\":\"m.room.message\",\"sender\":\"@a:b\",\"room_id\":\"!r:b\",\"content\":{"
                                "\"body\":\"buy now\",\"list\":[1,[2],null,{\"a\":\"b\"}],\"n\":1.5}}"),
                          &event);
        struct value values[CALLBACK_ARGUMENTS_MAXIMUM];
        for (uint32_t argument = 0; argument < definition->argument_count; argument++)
            values[argument] = example(definition->arguments[argument].type, &arena);
        struct callback_arguments arguments = {
            .event = &event, .values = values, .count = definition->argument_count, .arena = &arena};
        struct outcome outcome;
        chain_run(chain, (enum callback)callback, &arguments, &outcome);
        struct buffer text = {0};
        value_append_json(&outcome.result.value, &text);
        buffer_free(&text);
        arena_reset(&arena);
    }
    event_reader_destroy(reader);
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size, 0};
    struct module_host host = {.context = &input, .report = report, .read_file = read_file};
    struct chain *chain = chain_create(&(struct chain_settings){.server_name = "example.org"});
    json_t *config = json_pack("{s:s, s:i, s:i, s:i, s:{s:[s]}}", "script", "fuzz.lua", "instructions", 5000, "memory",
                               512 << 10, "milliseconds", 100, "settings", "words", "x");
    bool good = chain_append(chain, module_find("lua"), config, NULL, &host);
    json_decref(config);
    if (good == (input.reports > 0))
        abort();
    if (good && chain_seal(chain, NULL, NULL))
        call_everything(chain);
    chain_destroy(chain);
    return 0;
}
