/* `weir record`: the live stream of a Synapse, as it comes from Redis, into files that `weir replay` and `weir play`
 * read; with the bodies of the events beside it.
 *
 * It subscribes with a connection of its own and says nothing on Synapse's channels unless asked to. A lost connection
 * is made again; the recording then says for how long nothing was heard. */
#ifndef WEIR_ENGINE_RECORD_H
#define WEIR_ENGINE_RECORD_H

#include <event2/event.h>

#include "engine/configuration.h"
#include "engine/record_bodies.h"
#include "engine/record_files.h"

struct record;

struct record_settings {
    const struct configuration *configuration; /* for a client; with a body source if bodies are wanted */
    struct record_files_settings files;
    bool all_streams;     /* see engine/record_redaction.h */
    bool without_content; /* see engine/record_content.h */
    bool replicate;       /* ask the writers where they stand, after each connection */
    bool progress;        /* draw a line on stderr */
};

/* Makes the files and begins to connect. NULL with a sentence in `error`. `settings` must stay valid. */
struct record *record_create(struct event_base *base, const struct record_settings *settings, struct buffer *error);
void record_destroy(struct record *record);

/* Runs the event loop until record_stop, or until a file cannot be written: false, and `error` says why. */
bool record_run(struct record *record, struct buffer *error);
/* Hears no more, waits for the bodies that are awaited (the configuration's shutdown_timeout at most) and ends
 * record_run; at once when called a second time. */
void record_stop(struct record *record);
/* Begins the next pair of files. */
void record_rotate(struct record *record);

struct record_counts {
    uint64_t messages; /* written */
    uint64_t dropped;  /* left out: commands, and what could not be read */
    uint64_t events;   /* rows of events that were persisted */
    uint64_t gaps;
    struct record_bodies_counts bodies;
    struct record_files_counts files;
    double seconds;
};
void record_summarise(const struct record *record, struct record_counts *counts);

#endif
