/* The bodies of a recording: each event's is asked for when its row goes by, and written beside the row's pair in the
 * form that body_file reads. */
#ifndef WEIR_ENGINE_RECORD_BODIES_H
#define WEIR_ENGINE_RECORD_BODIES_H

#include "engine/record_files.h"
#include "replication/body_source.h"
#include "replication/stream.h"

struct record_bodies;

struct record_bodies_settings {
    struct record_files *files;
    struct body_source source;
    size_t queue;         /* bodies that are awaited at once, at most: of further events none is asked for */
    bool without_content; /* masked, see engine/record_content.h */
};

struct record_bodies_counts {
    uint64_t written;
    uint64_t missing;    /* the source had none */
    uint64_t unreadable; /* no JSON object */
    uint64_t left_out;   /* too many were awaited */
    uint64_t waiting;    /* now */
};

struct record_bodies *record_bodies_create(const struct record_bodies_settings *settings);
/* Lets go of what is still awaited; before the files are closed. */
void record_bodies_destroy(struct record_bodies *bodies);

/* The row of an event went by. `token` is 0 where the row had none. */
void record_bodies_event(struct record_bodies *bodies, const struct event_row *row, struct slice writer, int64_t token);
/* body_arrived_function with the bodies as its context. */
void record_bodies_arrived(void *bodies, uint64_t ticket, struct slice body);

struct record_bodies_counts record_bodies_counts(const struct record_bodies *bodies);

#endif
