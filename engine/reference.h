/* The reference pages, made from the tables of callbacks, modules and keys of the configuration. */
#ifndef WEIR_ENGINE_REFERENCE_H
#define WEIR_ENGINE_REFERENCE_H

#include "base/buffer.h"
#include "filters/module.h"

/* One callback, in text for the terminal. */
void reference_append_callback(struct buffer *output, enum callback callback);
/* All of them as a page in Markdown. */
void reference_append_callbacks(struct buffer *output);
/* All modules with their parameters as a page in Markdown. */
void reference_append_modules(struct buffer *output);
/* What stands above them: what every module may have beside its `config`. */
extern const char reference_modules_introduction[];
/* All keys of the configuration as a page in Markdown. */
void reference_append_configuration(struct buffer *output);

#endif
