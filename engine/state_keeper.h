/* Keeps the local state file (engine/state_file.h) up to date: at most one write a second, when something has changed,
 * and a last one at a clean stop. The writing is a thread's, so that no slow disk holds up an event. A file that cannot
 * be written is reported once, counted (weir_state_file_failures_total) and tried again; the engine goes on. */
#ifndef WEIR_ENGINE_STATE_KEEPER_H
#define WEIR_ENGINE_STATE_KEEPER_H

#include <event2/event.h>

#include "engine/metrics.h"
#include "engine/state_file.h"

struct state_keeper;

/* Reads the file of an earlier run in the folder `directory`; one that cannot be used is reported and passed over, and
 * written anew. The slices of `owner` must stay valid. `directory` NULL: no file is kept, NULL is returned, and so may
 * be given to all functions below. */
struct state_keeper *state_keeper_open(struct event_base *base, const char *directory, const struct state_owner *owner,
                                       struct metrics *metrics);
/* What the file held when it was opened; lives until the keeper is closed. NULL if there was none. */
const struct positions_copy *state_keeper_found(const struct state_keeper *keeper);
/* `positions`, what Redis has acknowledged, has changed. It must stay valid until the keeper is closed. */
void state_keeper_changed(struct state_keeper *keeper, const struct positions_copy *positions);
/* Writes what has not been written, waiting for the disk at most `patience_ms`. */
void state_keeper_close(struct state_keeper *keeper, int64_t patience_ms);

#endif
