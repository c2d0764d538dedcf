/* The running engine: ties the subscriber, the observer, the body source, the outbox and the HTTP listener to one event
 * loop, and follows the signals. */
#ifndef WEIR_ENGINE_ENGINE_H
#define WEIR_ENGINE_ENGINE_H

#include <stdint.h>

/* Where the `events` of every writer begin. */
enum engine_from {
    ENGINE_FROM_STORED, /* at the stored positions; a writer without one at its own */
    ENGINE_FROM_NOW,    /* where each writer is */
    ENGINE_FROM_TOKEN,
};

struct engine_options {
    const char *configuration; /* the file's path */
    enum engine_from from;     /* of this start alone */
    int64_t from_token;        /* for ENGINE_FROM_TOKEN, at least 0: rows above it are judged */
};

/* Loads the configuration file and runs until SIGTERM or SIGINT. SIGHUP loads the file again. Returns an exit_code;
 * what went wrong has been said on standard error. */
int engine_run(const struct engine_options *options);

#endif
