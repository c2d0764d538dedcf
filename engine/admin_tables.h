/* The tables of `weir status`, `weir top` and `weir positions`, from the engine's answers. */
#ifndef WEIR_ENGINE_ADMIN_TABLES_H
#define WEIR_ENGINE_ADMIN_TABLES_H

#include <yyjson.h>

#include "base/buffer.h"

/* A count with its thousands, "-" if `value` is no number. */
void admin_append_count(struct buffer *output, double value);

/* `writers` of a status: each stream and writer with its positions. An empty one is a sentence. */
void admin_append_writers(yyjson_val *writers, size_t indent, struct buffer *output);
/* `modules` of a status, with their counts; below it what its marks mean. */
void admin_append_modules(yyjson_val *modules, size_t indent, struct buffer *output);

/* How a module is called: its label, with the kind of module behind it unless that begins the label. */
void admin_append_module_name(yyjson_val *module, struct buffer *output);
/* Whether it decides: "decides", "dry run"; with a `*` if that is not what the configuration says. */
const char *admin_module_mode(yyjson_val *module);

#endif
