/* The running engine: ties the subscriber, the observer, the body source, the outbox and the HTTP listener to one event
 * loop, and follows the signals. */
#ifndef WEIR_ENGINE_ENGINE_H
#define WEIR_ENGINE_ENGINE_H

#include "engine/configuration.h"

/* Runs until SIGTERM or SIGINT and takes `configuration` over. SIGHUP loads the configuration file again. Returns an
 * exit_code; what went wrong has been logged. */
int engine_run(struct configuration *configuration);

#endif
