/* The `actions` of a verdict's row: what a bot is to do, as far as the verdict is about something that it can be done
 * to. */
#ifndef WEIR_ENGINE_VERDICT_ACTIONS_H
#define WEIR_ENGINE_VERDICT_ACTIONS_H

#include "engine/verdict.h"

/* Appends `,"actions":[{"type":"redact"},…]`, or nothing if there is nothing to do. Of a dry run the key is
 * `would_actions`, so that nobody carries them out who does not mean to. */
void verdict_append_actions(const struct verdict *verdict, struct buffer *output);

#endif
