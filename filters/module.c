/* The registry is a table, so that a module exists by one row and one file. */
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
