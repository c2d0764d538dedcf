/* How far the events of a writer are judged, when some of them wait and others are judged ahead of them.
 *
 * The position is the last token up to which every event was judged. The entries of the queue that belong to the
 * writer hang in a list, in the order of the stream; each knows the last token that ended between it and the next one.
 * When an entry leaves, that token becomes the position if the entry was the first, and else the previous entry's
 * affair. So whatever passes while one event waits is remembered in one number. */
#ifndef WEIR_ENGINE_WRITER_PROGRESS_H
#define WEIR_ENGINE_WRITER_PROGRESS_H

#include "engine/event_queue.h"
#include "engine/judged_ahead.h"

struct writer_progress {
    struct slice name;                 /* its own copy */
    bool late;                         /* of events that no position moves for */
    struct queued_event *first, *last; /* of its events that wait */
    size_t waiting;                    /* how many these are */
    uint64_t fetching_since_ns;        /* rows of it are missing since then; 0: none are */
    int64_t position;                  /* INT64_MIN: none yet */
    int64_t handed_on;                 /* the last token that ended */
    int64_t judged_upto;               /* the greatest token of which an event was judged */
    struct judged_ahead restored;      /* from an earlier run, until the stream has come past it */
};

struct writer_progress *writer_progress_create(struct slice name);
void writer_progress_destroy(struct writer_progress *writer);

/* A position, and the record of what was judged beyond it, from an earlier run. */
void writer_progress_restore(struct writer_progress *writer, int64_t token);
bool writer_progress_restore_ahead(struct writer_progress *writer, struct slice record, const char **problem);
/* Whether an earlier run has judged that event; tokens do not fall from call to call. */
bool writer_progress_was_judged(struct writer_progress *writer, int64_t token, struct slice event_id);

/* An event of that token was judged without waiting. */
void writer_progress_judged(struct writer_progress *writer, int64_t token);
/* An event has to wait: the newest of its writer. */
void writer_progress_wait(struct writer_progress *writer, struct queued_event *entry);
/* An event that waited was judged. True if the position moved on. */
bool writer_progress_waited(struct writer_progress *writer, const struct queued_event *entry);
/* Every row of the token was handed on. True if the position moved on. */
bool writer_progress_token_ends(struct writer_progress *writer, int64_t token);

/* Whether events beyond the position were judged. */
bool writer_progress_is_ahead(const struct writer_progress *writer);
/* Appends the record of them; nothing if there are none. */
void writer_progress_append_ahead(const struct writer_progress *writer, struct buffer *record);

#endif
