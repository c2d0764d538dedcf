/* A few hundred bytes, made once for each chain. */
#include "engine/callbacks_notice.h"

#include <stdlib.h>

#include "base/memory.h"

static bool has_state(const struct callback_definition *definition)
{
    for (uint32_t index = 0; index < definition->argument_count; index++)
        if (definition->arguments[index].type == ARGUMENT_STATE)
            return true;
    return false;
}

/* Whether one of the `count` registrations of the callback is by a module that may read the state. */
static bool reads_state(const struct chain *chain, enum callback callback, uint32_t count)
{
    uint32_t *modules = memory_allocate(count * sizeof *modules);
    bool reads = false;
    chain_callback_modules(chain, callback, modules, count);
    for (uint32_t index = 0; index < count; index++)
        reads = reads || chain_module_reads_state(chain, modules[index]);
    free(modules);
    return reads;
}

static void append_texts(const struct value *list, struct buffer *json)
{
    buffer_append_char(json, '[');
    for (uint32_t index = 0; index < list->count; index++) {
        if (index)
            buffer_append_char(json, ',');
        buffer_append_json_string(json, list->items[index].text);
    }
    buffer_append_char(json, ']');
}

static void append_login_types(const struct chain *chain, struct buffer *json)
{
    struct arena arena = {0};
    struct value types = chain_login_types(chain, &arena);
    buffer_append_string(json, "\"login_types\":{");
    for (uint32_t index = 0; index < types.count; index++) {
        if (index)
            buffer_append_char(json, ',');
        buffer_append_json_string(json, types.items[2 * index].text);
        buffer_append_char(json, ':');
        append_texts(&types.items[2 * index + 1], json);
    }
    buffer_append_char(json, '}');
    arena_free(&arena);
}

void callbacks_notice_append(const struct chain *chain, const char *instance_name, struct buffer *json)
{
    bool first = true;
    buffer_append_format(json,
                         "{\"version\":1,\"semantics\":\"%s\",\"instance\":", semantics_texts[chain_semantics(chain)]);
    buffer_append_json_string(json, slice_from_string(instance_name));
    buffer_append_string(json, ",\"callbacks\":{");
    for (int callback = 0; callback < CALLBACK_COUNT; callback++) {
        const struct callback_definition *definition = &callback_definitions[callback];
        uint32_t count = chain_callback_modules(chain, (enum callback)callback, NULL, 0);
        if (count == 0)
            continue;
        buffer_append_format(json, "%s\"%s\":{", first ? "" : ",", definition->name);
        if (has_state(definition) && reads_state(chain, (enum callback)callback, count))
            buffer_append_string(json, "\"state\":true");
        if (callback == CALLBACK_auth_checkers)
            append_login_types(chain, json);
        buffer_append_char(json, '}');
        first = false;
    }
    buffer_append_string(json, "}}");
}
