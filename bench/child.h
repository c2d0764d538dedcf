/* A program that does the same work as ours in another language, kept running so that its passes can alternate with
 * ours: it answers each line on its standard input with one on its standard output. */
#ifndef WEIR_BENCH_CHILD_H
#define WEIR_BENCH_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

struct child {
    const char *name; /* for messages */
    pid_t process;
    FILE *questions;
    FILE *answers;
};

/* What came of a pass over all events. */
struct child_pass {
    double seconds;
    uint64_t denied;
    uint64_t places; /* the sum of the places of the denied events */
};

/* Starts the program, found as the shell finds it, with `arguments` (NULL-terminated, the program first). False if
 * there is no such program. */
bool child_start(struct child *child, const char *name, const char *const *arguments);

/* Waits until it is ready to be asked. False if it says that something is missing. `text` gets what it said of itself,
 * or what is missing. Ends this process with 1 if it says anything else, or nothing for minutes. */
bool child_ready(struct child *child, struct child_pass *first, char *text, size_t size);

/* Asks for one pass; ends this process with 1 if no answer comes. */
struct child_pass child_pass(struct child *child);

/* Ends it: by closing its input, and by a signal if that does not help. */
void child_stop(struct child *child);

#endif
