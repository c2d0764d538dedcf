/* The running engine: ties the subscriber, the observer, the body source, the outbox and the HTTP listener to one event
 * loop, and follows the signals. */
#ifndef WEIR_ENGINE_ENGINE_H
#define WEIR_ENGINE_ENGINE_H

/* Loads the configuration file and runs until SIGTERM or SIGINT. SIGHUP loads the file again. Returns an exit_code;
 * what went wrong has been said on standard error. */
int engine_run(const char *path);

#endif
