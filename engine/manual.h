/* The manual pages weir(1), weir.yaml(5) and weir-modules(7), made from the tables that the program works with, so that
 * they cannot lag behind it. In roff (engine/roff.h). */
#ifndef WEIR_ENGINE_MANUAL_H
#define WEIR_ENGINE_MANUAL_H

#include "base/buffer.h"

void manual_append_program(struct buffer *output);
void manual_append_configuration(struct buffer *output);
void manual_append_modules(struct buffer *output);

#endif
