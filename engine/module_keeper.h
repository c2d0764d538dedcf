/* Writes what modules remember every few minutes, so that an engine that is killed loses no more than that.
 *
 * The loop copies one module's state in a turn, which takes about ten milliseconds for a million keys; checking sums
 * and the disk are a thread's. The file is that of a stop (engine/module_state.h), and is only ever seen whole. */
#ifndef WEIR_ENGINE_MODULE_KEEPER_H
#define WEIR_ENGINE_MODULE_KEEPER_H

#include <event2/event.h>

#include "engine/configuration.h"
#include "engine/metrics.h"

struct module_keeper;

struct module_keeper_settings {
    /* Its state_dir and state_interval say where and how often; its chain may be replaced. Outlives the keeper. */
    const struct configuration *configuration;
    /* Whether there is something to be kept now: not by an engine that waits. */
    bool (*works)(void *context);
    void *context;
};

/* NULL, and nothing is kept, without `state_dir` or with an interval of 0. */
struct module_keeper *module_keeper_open(struct event_base *base, const struct module_keeper_settings *settings,
                                         struct metrics *metrics);
/* Waits for a file that is being written, but no longer than `patience_ms`; false if the disk hangs. */
bool module_keeper_close(struct module_keeper *keeper, int64_t patience_ms);

#endif
