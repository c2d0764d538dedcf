/* What modules remember (filters/chain_state.h) across reloads and restarts of the engine.
 *
 * At a stop, and every few minutes (engine/module_keeper.h), it is written to the folder `state_dir`, in a file beside
 * that of the positions whose name ends in `.modules`, and at the next start it is read. A file that cannot be read or
 * written costs the memory, is said in the log, and stops nothing. */
#ifndef WEIR_ENGINE_MODULE_STATE_H
#define WEIR_ENGINE_MODULE_STATE_H

#include "engine/configuration.h"

/* Appends the path of the file; with `state_dir` only. */
void module_state_append_path(const struct configuration *configuration, struct buffer *path);

/* Before the configuration's chain is asked for the first time. Nothing without `state_dir`, or if no module remembers.
 */
void module_state_read(const struct configuration *configuration);
/* When it will not be asked any more. Blocks until it is on the disk. */
void module_state_write(const struct configuration *configuration);

/* Modules whose configuration has not changed go on where they were; what became of the others is logged. `to` must not
 * be in use yet; `from` is about to go. */
void module_state_hand_over(struct chain *from, struct chain *to);

#endif
