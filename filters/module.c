/* The registry is a table, so that a module exists by one row and one file; and what their pages share. */
#include "filters/module.h"

#define MODULE(name) extern const struct module_definition module_##name;
#include "filters/modules.def"
#undef MODULE

const struct module_definition *const module_registry[] = {
#define MODULE(name) &module_##name,
#include "filters/modules.def"
#undef MODULE
    NULL,
};

const char *body_use_text(bool needs_body, bool uses_body)
{
    return needs_body  ? "the event's body"
           : uses_body ? "the event's body, or the stream row without one"
                       : "the stream row only";
}

const char *module_reads_text(const struct module_definition *module)
{
    return body_use_text(module->needs_body, module->uses_body);
}

const struct module_definition *module_find(const char *name)
{
    for (const struct module_definition *const *module = module_registry; *module; module++)
        if (strcmp((*module)->name, name) == 0)
            return *module;
    return NULL;
}

bool module_judges_events(const struct module_definition *module)
{
    for (size_t index = 0; index < module->callback_count; index++)
        if (callback_definitions[module->callbacks[index].callback].arguments[0].type == ARGUMENT_EVENT)
            return true;
    return module->callback_count == 0;
}

void web_response_refuse(struct web_response *response, int status, const char *errcode, const char *sentence)
{
    response->status = status;
    response->content_type = "application/json";
    buffer_append_string(response->body, "{\"errcode\":");
    buffer_append_json_string(response->body, slice_from_string(errcode));
    buffer_append_string(response->body, ",\"error\":");
    buffer_append_json_string(response->body, slice_from_string(sentence));
    buffer_append_string(response->body, "}\n");
}
