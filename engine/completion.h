/* Scripts by which shells complete command lines of weir, made from the tables of subcommands, modules and callbacks.
 * They are whole in themselves: the shell does not call weir while somebody types. */
#ifndef WEIR_ENGINE_COMPLETION_H
#define WEIR_ENGINE_COMPLETION_H

#include "base/buffer.h"
#include "engine/option.h"

/* A script that is sourced, or put into a folder of bash-completion; it needs no package. Bash from 4.2 on. */
void completion_append_bash(struct buffer *output, const struct subcommand *const *all);
/* A function for a folder of zsh's `fpath`, as `_weir`; it may be sourced as well. */
void completion_append_zsh(struct buffer *output, const struct subcommand *const *all);

#endif
